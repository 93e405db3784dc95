"""The file: one JSON object a line, read as a stream, so that its size costs no memory.

A header begins each life of the sidecar: a file that was recorded over restarts has several.

    {"transcript":1,"protocol_version":1,"schema_hash":…,"server":…,"started_at":…}
    {"t":12.345,"dir":"c2s","msg":{…}}         a message; t in milliseconds since the header; c2s: client to sidecar
    {"t":12.5,"dir":"c2s","raw":"<base64>"}    a line that is no JSON
    {"t":90.1,"dir":"c2s","eof":true}          stdin ended
    {"t":93.0,"dir":"s2c","exit":0}            the sidecar ended

A file that was being written when the machine died ends in half a line: that line is passed over.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from pydantic_core import from_json, to_json

VERSION: Final = 1
TO_SIDECAR: Final = "c2s"
TO_CLIENT: Final = "s2c"
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""A message has at most 32 MiB; a longer line is no transcript's, and must not fill the memory."""


class NotATranscript(ValueError):
    """The file cannot be read as a transcript; the message says where and why."""


class Header:
    """The beginning of one life of the sidecar; `facts` is the line as it stands."""

    __slots__ = ("facts", "line")

    def __init__(self, line: int, facts: dict[str, Any]) -> None:
        self.line = line
        self.facts = facts


class Entry:
    """One line after a header.  Exactly one of `message`, `raw`, `is_eof` and `exit_code` says what it is."""

    __slots__ = ("exit_code", "facts", "is_eof", "line", "message", "raw", "sent", "size", "t")

    def __init__(self, line: int, facts: dict[str, Any], size: int = 0) -> None:
        self.line = line
        self.facts = facts
        self.size = size
        """Bytes of the transcript's line."""
        self.t: float = facts["t"]
        self.sent: bool = facts["dir"] == TO_SIDECAR
        """Whether the client said it."""
        self.message: Any = facts.get("msg")
        raw = facts.get("raw")
        self.raw: bytes | None = None if raw is None else b64decode(raw)
        self.is_eof: bool = "eof" in facts
        self.exit_code: int | None = facts.get("exit")

    @property
    def method(self) -> str | None:
        """The method of a request or notification."""
        return self.message.get("method") if type(self.message) is dict else None

    @property
    def is_request(self) -> bool:
        """Whether it is a single request, which is to be answered."""
        return self.sent and type(self.message) is dict and "id" in self.message and "method" in self.message

    @property
    def is_answer(self) -> bool:
        """Whether it answers: one request, a batch, or (id null) a line that could not be read."""
        return not self.sent and self.message is not None and self.method is None

    @property
    def is_told(self) -> bool:
        """Whether it is a notification of the sidecar's."""
        return not self.sent and self.method is not None


def read(path: Path) -> Iterator[Header | Entry]:
    """The file's lines, one by one.  Raises NotATranscript, and OSError where it cannot be opened."""
    with path.open("rb") as file:
        yield from read_lines(file, str(path))


def read_lines(file: IO[bytes], name: str) -> Iterator[Header | Entry]:
    """The lines of an open file; `name` is for error messages."""
    is_open = False
    number = 0
    cut: str | None = None  # what is wrong with the line before, unless a crash explains it
    while data := file.readline(MAX_LINE_BYTES):
        number += 1
        if len(data) == MAX_LINE_BYTES and not data.endswith(b"\n"):
            raise NotATranscript(f"{name}:{number}: the line is longer than {MAX_LINE_BYTES} bytes")
        try:
            facts = from_json(data)
        except ValueError as error:
            if data.strip():
                cut = cut or f"{name}:{number}: not JSON: {error}"
            continue
        if type(facts) is dict and "transcript" in facts:
            _check_version(facts, f"{name}:{number}")
            is_open, cut = True, None
            yield Header(number, facts)
            continue
        if not is_open:
            raise NotATranscript(f'{name}:{number}: a transcript begins with a line {{"transcript":{VERSION},…}}')
        if cut is not None:
            raise NotATranscript(cut)
        try:
            yield Entry(number, facts, len(data))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise NotATranscript(f"{name}:{number}: neither a header nor an entry with `t` and `dir`") from None
    if not is_open:
        raise NotATranscript(cut or f"{name}: the file is empty")


def _check_version(facts: dict[str, Any], where: str) -> None:
    if facts["transcript"] != VERSION:
        raise NotATranscript(f"{where}: a transcript of version {facts['transcript']}; this program reads {VERSION}")


def read_lives(path: Path) -> list[tuple[Header, list[Entry]]]:
    """The whole file: each life's header and entries."""
    lives: list[tuple[Header, list[Entry]]] = []
    for line in read(path):
        if isinstance(line, Header):
            lives.append((line, []))
        else:
            lives[-1][1].append(line)
    return lives


def prefix(t: float, direction: str) -> bytes:
    """What stands before a message that is JSON already; `}` and a newline follow it."""
    return b'{"t":%s,"dir":"%s","msg":' % (to_json(_ms(t)), direction.encode())


def message_line(t: float, direction: str, message: bytes) -> bytes:
    """The entry of a message that is JSON already and has no line break."""
    return prefix(t, direction) + message + b"}\n"


def raw_line(t: float, direction: str, raw: bytes, **more: Any) -> bytes:
    """The entry of a line that is no JSON."""
    return _line({"t": _ms(t), "dir": direction, "raw": b64encode(raw).decode(), **more})


def event_line(t: float, direction: str, **facts: Any) -> bytes:
    """The entry of something that is no line of the wire: `eof` or `exit`."""
    return _line({"t": _ms(t), "dir": direction, **facts})


def header_line(facts: dict[str, Any]) -> bytes:
    """The first line of a life."""
    return _line({"transcript": VERSION, **facts})


def write(path: Path, lines: Iterable[Header | Entry]) -> None:
    """Write a transcript anew, at once or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"".join(_line(line.facts) for line in lines))
    part.replace(path)


def _line(facts: dict[str, Any]) -> bytes:
    return to_json(facts) + b"\n"


def _ms(t: float) -> float:
    return round(t, 3)
