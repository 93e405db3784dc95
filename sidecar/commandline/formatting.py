"""Formats values for people: short, on one line, and without control characters."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from sidecar.commandline.terminal import CONTROLS
from sidecar.commandline.terminal import printable as printable  # noqa: PLC0414 - the formats below use it, too

_UNITS: Final = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_DATE_AFTER_S: Final = 7 * 86_400


def safe(text: Text) -> Text:
    """Returns styled text in which control characters are replaced; their number, and so the styles, stay right."""
    text.plain = CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text.plain)
    return text


def one_line(value: Any) -> str:
    """Formats a JSON value on one line, without quotes and without members that are null."""
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
    return ", ".join(f"{one_line(name)}: {one_line(member)}" for name, member in value.items() if member is not None)


def hanging(console: Console, head: Text, body: str | Text) -> Text:
    """Returns `head` with `body` next to it, wrapped in the rest of the console's width."""
    text = body if isinstance(body, Text) else Text(printable(body))
    wrapped = text.wrap(console, max(console.width - head.cell_len, 1))
    for line in wrapped:
        line.rstrip()
    return Text.assemble(head, Text("\n" + head.cell_len * " ").join(wrapped))


def duration(seconds: float) -> str:
    """Formats seconds as `1.9 ms`, `209 ms`, `3.41 s` or `2 min 5 s`."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def ago(stamp: str, now: datetime) -> str:
    """Formats a time of the wire relative to `now`: `3 min ago`, `in 2 h`; its date if it is over a week away."""
    try:
        seconds = (now - datetime.fromisoformat(stamp)).total_seconds()
    except (ValueError, TypeError):
        return stamp
    if abs(seconds) >= _DATE_AFTER_S:
        return stamp[:10]
    if abs(seconds) < 1:
        return "now"
    unit, length = next(one for one in _UNITS if abs(seconds) >= one[1])
    count = int(abs(seconds) // length)
    length_of_time = f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"
    return f"{length_of_time} ago" if seconds > 0 else f"in {length_of_time}"
