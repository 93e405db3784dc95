"""The file: one JSON object a line, read as a stream, so that its size costs no memory.

A header begins each life of the sidecar: a file that was recorded over restarts has several.

    {"transcript":1,"protocol_version":1,"schema_hash":…,"server":…,"started_at":…}
    {"t":12.345,"dir":"c2s","msg":{…}}         a message; t in milliseconds since the header; c2s: client to sidecar
    {"t":12.5,"dir":"c2s","raw":"<base64>"}    a line that is no JSON
    {"t":90.1,"dir":"c2s","eof":true}          stdin ended
    {"t":93.0,"dir":"s2c","exit":0}            the sidecar ended

A file that was being written when the machine died ends in half a line: that line is passed over.
"""

import re
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from pydantic_core import from_json, to_json

VERSION: Final = 1
TO_SIDECAR: Final = "c2s"
TO_CLIENT: Final = "s2c"
MAX_HEAD_BYTES: Final = 40
"""In so many stands who said it."""
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""A message has at most 32 MiB; a longer line is no transcript's, and must not fill the memory."""


_SAID: Final = b',"dir":"s2c","msg":'
_HEAD: Final = re.compile(
    rb'\{"t":([0-9.]+)%b\{"jsonrpc":"2\.0",' % _SAID
    + rb'(?:"id":(-?[0-9]{1,18}|"[^"\\]*"),"(?:result|(error))":|"method":"([^"\\]+)")'
)
"""The beginning of what the sidecar said, as the recorder writes it."""
_HEAD_ERROR: Final = 3
_HEAD_METHOD: Final = 4


class NotATranscript(ValueError):
    """The file cannot be read as a transcript; the message says where and why."""


class Header:
    """The beginning of one life of the sidecar; `facts` is the line as it stands."""

    __slots__ = ("facts", "line")

    def __init__(self, line: int, facts: dict[str, Any]) -> None:
        self.line = line
        self.facts = facts


class Entry:
    """One line after a header: a message, a line that was no JSON (`raw`), the end of stdin, or of the process.

    What the sidecar said is not parsed before somebody wants to know more than its name: of a long transcript most is
    never looked at.
    """

    __slots__ = ("_body", "_data", "_facts", "_start", "has_id", "id", "line", "method", "sent", "size", "t", "word")

    def __init__(self, line: int, facts: dict[str, Any], size: int = 0) -> None:
        """Raises KeyError, TypeError, ValueError where it is none."""
        self.line = line
        self.size = size
        """Bytes of the transcript's line."""
        self._facts: dict[str, Any] | None = facts
        self._data = b""
        self._start = self._body = 0
        self.t = float(facts["t"])
        self.sent = facts["dir"] == TO_SIDECAR
        """Whether the client said it."""
        message = facts.get("msg")
        self.method: str | None = None
        """Of a request or notification."""
        self.has_id = False
        self.id: Any = None
        self.word = ""
        """What a single message is: `method`, `result` or `error`; empty for everything else."""
        if type(message) is dict:
            self.method = message.get("method")
            if "id" in message:
                self.has_id, self.id = True, message["id"]
            if "method" in message:
                self.word = "method"
            elif "error" in message or "result" in message:
                self.word = "error" if "error" in message else "result"

    @classmethod
    def glance(cls, line: int, data: bytes) -> "Entry | None":
        """What the sidecar said, read no further than its name; None where it is another kind of line."""
        match = _HEAD.match(data) if _SAID in data[:MAX_HEAD_BYTES] else None
        if match is None or not data.endswith(b"}}\n"):
            return None
        self = cls.__new__(cls)
        self.line = line
        self.size = len(data)
        self._facts = None
        self._data = data
        self._start = match.end(1) + len(_SAID)
        self._body = match.end()
        self.t = float(match[1])
        self.sent = False
        if match.lastindex == _HEAD_METHOD:
            self.method = match[_HEAD_METHOD].decode()
            self.has_id = False
            self.id = None
            self.word = "method"
        else:
            self.method = None
            self.has_id = True
            self.id = from_json(match[2])
            self.word = "error" if match.lastindex == _HEAD_ERROR else "result"
        return self

    @property
    def facts(self) -> dict[str, Any]:
        """The line.  Raises NotATranscript where only its beginning is JSON."""
        if self._facts is None:
            try:
                self._facts = from_json(self._data)
            except ValueError as error:
                raise NotATranscript(f"line {self.line}: not JSON: {error}") from None
        return self._facts

    @property
    def message(self) -> Any:
        """The message, or the list of a batch; None where it is something else."""
        return self.facts.get("msg")

    @property
    def text(self) -> bytes:
        """The message as JSON."""
        return self._data[self._start : -2] if self._data else to_json(self.message)

    @property
    def body(self) -> bytes | None:
        """Of an answer its result or error as JSON; None where it must be parsed to be known, or made of a pattern."""
        data = self._data
        if not data or self.word == "method" or (b"$" in data and self.has_patterns):  # a search for one byte is fast
            return None
        return data[self._body : -3]

    @property
    def has_patterns(self) -> bool:
        """Whether a person has put patterns into it."""
        return b'{"$' in self.text

    @property
    def raw(self) -> bytes | None:
        """A line that was no JSON, as far as it is known."""
        raw = None if self.word else self.facts.get("raw")
        return None if raw is None else b64decode(raw)

    @property
    def is_eof(self) -> bool:
        """Whether stdin ended here."""
        return not self.word and "eof" in self.facts

    @property
    def exit_code(self) -> int | None:
        """How the sidecar ended, if it did here."""
        return None if self.word else self.facts.get("exit")

    @property
    def is_answer(self) -> bool:
        """Whether it answers: one request, a batch, or (id null) a line that could not be read."""
        return not self.sent and self.method is None and self.facts.get("msg") is not None

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
        if is_open and cut is None and (entry := Entry.glance(number, data)) is not None:
            yield entry
            continue
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
    """Write an existing transcript anew, at once or not at all; who may read it may do so still, and no one else."""
    path = path.resolve()
    part = path.with_name(path.name + ".part")
    try:
        part.touch(0o600)
        part.write_bytes(b"".join(_line(line.facts) for line in lines))
        shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _line(facts: dict[str, Any]) -> bytes:
    return to_json(facts) + b"\n"


def _ms(t: float) -> float:
    return round(t, 3)
