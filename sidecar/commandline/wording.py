"""How values are written for a person: short, on one line, and never able to steer the terminal."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

# Escape sequences in a job's text or in Claude's answer must not reach the terminal as such.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNITS: Final = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_DATE_AFTER_S: Final = 7 * 86_400


def printable(text: str) -> str:
    """The text without control characters, but with its lines and tabs."""
    return _CONTROLS.sub("", text)


def defused(text: str) -> str:
    """The text at its full length, with a sign of its own for each control character."""
    return _CONTROLS.sub("\ufffd", text)


def one_line(value: Any) -> str:
    """A JSON value in one line: bare words where they are clear, without what is null."""
    match value:
        case str():
            return " ".join(printable(value).split())
        case bool() | int() | float() | None:
            return json.dumps(value)
        case dict():
            return "{" + members(value) + "}"
        case list():
            return "[" + ", ".join(map(one_line, value)) + "]"
        case _:
            return one_line(str(value))


def members(value: Mapping[str, Any]) -> str:
    """An object's members in one line."""
    return ", ".join(f"{name}: {one_line(member)}" for name, member in value.items() if member is not None)


def hanging(console: Console, head: Text, body: str) -> Text:
    """The head with the body beside it, wrapped into what is left of the width."""
    wrapped = Text(printable(body)).wrap(console, console.width - head.cell_len)
    for line in wrapped:
        line.rstrip()
    return Text.assemble(head, Text("\n" + head.cell_len * " ").join(wrapped))


def duration(seconds: float) -> str:
    """`1.9 ms`, `209 ms`, `3.41 s`, `2 min 5 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def ago(stamp: str, now: datetime) -> str:
    """A time of the wire as seen from now: `3 min ago`, `in 2 h`, and the date where that is far."""
    try:
        seconds = (now - datetime.fromisoformat(stamp)).total_seconds()
    except (ValueError, TypeError):
        return stamp
    if abs(seconds) >= _DATE_AFTER_S:
        return stamp[:10]
    unit, length = next((one for one in _UNITS if abs(seconds) >= one[1]), _UNITS[-1])
    count = int(abs(seconds) // length)
    plural = "s" if unit == "day" and count != 1 else ""
    if count == 0:
        return "now"
    return f"{count} {unit}{plural} ago" if seconds > 0 else f"in {count} {unit}{plural}"


def now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def size(count: float) -> str:
    """`12 bytes`, `4.1 kB`, `12.0 MB`."""
    unit = "bytes"
    for larger in ("kB", "MB", "GB"):
        if count < 1_000:
            break
        count, unit = count / 1_000, larger
    return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
