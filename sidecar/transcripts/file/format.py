"""The transcript file: one JSON object per line, read as a stream.

Each start of the sidecar appends a header, so a file recorded over restarts has several runs.

    {"transcript":1,"protocol_version":1,"schema_hash":…,"server":…,"started_at":…,"time_zone":…}
    {"t":12.345,"dir":"c2s","msg":{…}}         a message; t in milliseconds since the header; c2s: client to sidecar
    {"t":12.5,"dir":"c2s","raw":"<base64>"}    a line that is not JSON
    {"t":90.1,"dir":"c2s","eof":true}          stdin ended
    {"t":93.0,"dir":"s2c","exit":0}            the sidecar exited

If the machine crashes, the last line of a run may be incomplete; readers skip it.
"""

import shutil
from base64 import b64decode, b64encode
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json, to_json

from sidecar.json_reader import get
from sidecar.transcripts.file.patterns import check

VERSION: Final = 1
TO_SIDECAR: Final = "c2s"
TO_CLIENT: Final = "s2c"
CONTENTS: Final = ("msg", "raw", "eof", "exit")
"""An entry has one of these."""
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""Longer lines are refused before they fill the memory; a message has at most 32 MiB."""


class NotATranscript(ValueError):
    """The file cannot be read as a transcript; the message says where and why."""


@dataclass(slots=True)
class Header:
    """The first line of a run; `facts` is the whole line."""

    line: int
    facts: dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One line after a header: a message, a line that was not JSON, the end of stdin, or the exit of the process.

    Raises KeyError, TypeError or ValueError if the line is neither.
    """

    line: int
    facts: dict[str, Any]
    size: int = 0
    t: float = field(init=False)
    """Milliseconds since the header."""
    from_client: bool = field(init=False)

    def __post_init__(self) -> None:
        self.t = float(self.facts["t"])
        self.from_client = self.facts["dir"] == TO_SIDECAR
        if not _is_entry(self.facts, from_client=self.from_client):
            raise ValueError

    @property
    def message(self) -> Any:
        """The message, or the list of a batch; None if the line has neither."""
        return self.facts.get("msg")

    @property
    def messages(self) -> list[Any]:
        """The messages of a batch, or the only one."""
        return messages_in(self.facts.get("msg"))

    @property
    def objects(self) -> list[Any]:
        """The messages that are JSON objects; a client can send anything."""
        return [one for one in self.messages if type(one) is dict]

    @property
    def method(self) -> str | None:
        method: str | None = get(self.facts, "msg", "method")
        return method

    @property
    def raw(self) -> bytes | None:
        """A line that was not JSON, as far as it was recorded."""
        raw = self.facts.get("raw")
        return None if raw is None else b64decode(raw)

    @property
    def is_eof(self) -> bool:
        return "eof" in self.facts

    @property
    def exit_code(self) -> int | None:
        return self.facts.get("exit")

    @property
    def is_response(self) -> bool:
        """Whether the sidecar answers a request, a batch, or (with a null id) a line that it could not read."""
        return not self.from_client and self.method is None and self.message is not None

    @property
    def is_notification(self) -> bool:
        return not self.from_client and self.method is not None


Run = tuple[Header, list[Entry]]
"""One run of the sidecar: its header and all lines up to the next header."""


def read(path: Path) -> Iterator[Header | Entry]:
    """Yields the lines of the file.  Raises NotATranscript, or OSError if the file cannot be opened."""
    has_header = False
    incomplete = ""  # the error of a line that is not JSON; only a header after it, or the end, makes it acceptable
    with path.open("rb") as file:
        for number, data in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), 1):
            where = f"{path}:{number}"
            if len(data) == MAX_LINE_BYTES and not data.endswith(b"\n"):
                raise NotATranscript(f"{where}: the line is longer than {MAX_LINE_BYTES} bytes")
            try:
                facts = from_json(data.removeprefix(BOM_UTF8) if number == 1 else data)  # some editors add one
            except ValueError as error:
                if data.strip() and not has_header:
                    raise NotATranscript(f"{where}: not JSON: {error}") from None
                if data.strip():
                    incomplete = incomplete or f"{where}: not JSON: {error}"
                continue
            if type(facts) is dict and "transcript" in facts:
                has_header, incomplete = True, ""
                yield _header(where, number, facts)
                continue
            if not has_header:
                raise NotATranscript(f'{where}: a transcript begins with a line {{"transcript":{VERSION},…}}')
            if incomplete:
                raise NotATranscript(incomplete)
            yield _entry(where, number, facts, data)
    if not has_header:
        raise NotATranscript(f"{path}: the file is empty")


def _header(where: str, number: int, facts: dict[str, Any]) -> Header:
    if (version := facts["transcript"]) != VERSION:
        raise NotATranscript(f"{where}: transcript version {version}; this program reads {VERSION}")
    if any(type(facts.get(name) or {}) is not dict for name in ("fixed", "env")):
        raise NotATranscript(f"{where}: `fixed` and `env` of a header are objects")
    return Header(number, facts)


def _is_entry(facts: dict[str, Any], *, from_client: bool) -> bool:
    if not from_client and facts["dir"] != TO_CLIENT:
        return False
    match [(name, facts[name]) for name in CONTENTS if name in facts]:
        case [("msg", message)]:
            messages = message if type(message) is list and message else [message]
            return from_client or all(type(one) is dict for one in messages)
        case [("raw", str(text))]:
            b64decode(text, validate=True)
            return from_client
        case [("eof", True)]:
            return from_client
        case [("exit", int())]:
            return not from_client
    return False


def _entry(where: str, number: int, facts: Any, data: bytes) -> Entry:
    try:
        entry = Entry(number, facts, len(data))
    except (KeyError, TypeError, ValueError):
        parts = ", ".join(f"`{name}`" for name in CONTENTS)
        raise NotATranscript(f"{where}: neither a header nor an entry with `t`, `dir` and one of {parts}") from None
    try:
        if b'"$' in data:  # else it contains no pattern
            check(entry.message)
    except ValueError as error:
        raise NotATranscript(f"{where}: {error}") from None
    return entry


def read_runs(path: Path, limit: int = 0) -> list[Run]:
    """Returns the runs of the file, at most `limit` of them unless that is 0.  Raises as `read` does."""
    runs: list[Run] = []
    for line in read(path):
        if isinstance(line, Entry):
            runs[-1][1].append(line)
        elif limit and len(runs) == limit:
            break
        else:
            runs.append((line, []))
    return runs


def messages_in(line: Any) -> list[Any]:
    """Returns the messages of a line: those of a batch, or the only one."""
    return line if type(line) is list else [line]


def seq_of(message: Any) -> int | None:
    """Returns the number of a durable notification, None for any other message."""
    seq = get(message, "params", "seq")
    return seq if type(seq) is int else None


def request_id(message: Any) -> int | str | None:
    """Returns the id of a message as the sidecar reads it, 5.0 as 5; None if it has none that is valid."""
    value = get(message, "id")
    value = int(value) if type(value) is float and value.is_integer() else value
    return value if type(value) in (int, str) else None


def error_kind(error: Any) -> str:
    """Returns the kind of an error in a message, or its code if it has none; it may be any JSON."""
    return str(get(error, "data", "kind") or (error.get("code") if type(error) is dict else error))


def message_prefix(t: float, direction: str) -> bytes:
    """Returns the beginning of a message's line; the message as JSON, `}` and a newline complete it."""
    return b'{"t":%s,"dir":"%s","msg":' % (to_json(round(t, 3)), direction.encode())


def raw_line(t: float, raw: bytes, **more: Any) -> bytes:
    return event_line(t, TO_SIDECAR, raw=b64encode(raw).decode(), **more)


def event_line(t: float, direction: str, **facts: Any) -> bytes:
    return _line({"t": round(t, 3), "dir": direction, **facts})


def header_line(facts: dict[str, Any]) -> bytes:
    return _line({"transcript": VERSION, **facts})


def write(path: Path, lines: Iterable[Header | Entry]) -> None:
    """Replaces an existing transcript atomically and keeps its permissions."""
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
