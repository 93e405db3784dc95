"""Makes a method's result short enough for an assistant, and puts its times into the person's time zone.  Pure.

An assistant pays for each character, and does not know the person's zone.  So empty fields and those for
programs are left out, long texts are cut, and a result that is still too long ends early, with a sentence that says so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from pydantic_core import to_json

MAX_BYTES: Final = 32 * 1024
"""Maximum size of a result.  Claude Code refuses one of 25,000 tokens; ids and dates have a token in two bytes."""
PAGE_TEXTS: Final = (1_000, 200)
"""Maximum lengths of a text in a list, in characters; the second if the first entry would not fit otherwise."""
SINGLE_TEXTS: Final = (20_000, 4_000, 1_000, 200)
"""The same for a result without a list."""
OMITTED: Final = frozenset(
    {
        "raw",
        "version",
        "highlights",
        "event_ts",
        "start_ts",
        "end_ts",
        "ical_uid",
        "background_color",
        "foreground_color",
    }
)
"""Fields for programs, whose contents other fields have too."""
EMPTY: Final[tuple[Any, ...]] = (None, "", [], {})
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
NOTE: Final = "note"
"""The field that says what a result leaves out."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A result; `kept` is the number of the list's entries in it if there was no room for all."""

    body: dict[str, Any]
    kept: int | None = None

    @property
    def text(self) -> str:
        """The result as JSON."""
        return _encoded(self.body).decode()


def show(result: Mapping[str, Any], zone: tzinfo | None, *, is_paged: bool) -> Shown | None:
    """Returns what an assistant gets of a result, or None if there is no room for the least of it.

    `zone` None is this computer's.
    """
    name = max(result, key=lambda one: len(to_json(result[one])) if isinstance(result[one], list) else -1, default="")
    entries = result.get(name)
    if not isinstance(entries, list):
        return next((shown for chars in SINGLE_TEXTS if (shown := _fitting(_short(result, zone, chars)))), None)
    for chars in PAGE_TEXTS:
        rest = {key: _short(value, zone, chars) for key, value in result.items() if key != name}
        short = [_short(entry, zone, chars) for entry in entries]
        kept = _count(short, MAX_BYTES - len(to_json(rest)) - len(name) - 300)  # 300 for the note
        if kept or not entries:
            more = result.get("next_cursor") is not None
            note = _note(kept, len(entries), is_paged=is_paged, more=more)
            body = {**note, **_without_empty(rest), name: short[:kept]}
            shown = _fitting(body)
            return None if shown is None else Shown(shown.body, kept if kept < len(entries) else None)
    return None


def _note(kept: int, total: int, *, is_paged: bool, more: bool) -> dict[str, str]:
    if kept < total:
        advice = "narrow the range" + (", or ask for fewer and continue with the cursor" if is_paged else "")
        return {NOTE: f"{kept} of {total} entries are shown; {advice}."}
    if more:
        return {NOTE: f"{kept} entries are shown and more follow: narrow the range, or pass next_cursor as cursor."}
    return {}


def _count(entries: Sequence[Any], room: int) -> int:
    for number, entry in enumerate(entries):
        room -= len(to_json(entry)) + 1
        if room < 0:
            return number
    return len(entries)


def _fitting(body: dict[str, Any]) -> Shown | None:
    return Shown(body) if len(_encoded(body)) <= MAX_BYTES else None


def _encoded(body: Any) -> bytes:
    return to_json(body, inf_nan_mode="null")


def _short(value: Any, zone: tzinfo | None, chars: int) -> Any:
    if isinstance(value, dict):
        return _without_empty({key: _short(one, zone, chars) for key, one in value.items() if key not in OMITTED})
    if isinstance(value, list):
        return [_short(one, zone, chars) for one in value]
    if not isinstance(value, str):
        return value
    if MOMENT.fullmatch(value):
        return _local(value, zone)
    if len(value) > chars:
        return f"{value[:chars]}… ({len(value) - chars} more characters)"
    return value


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if not any(value is one or value == one for one in EMPTY)}


def _local(text: str, zone: tzinfo | None) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError):  # the thirty-second of a month, or a year before 1
        return text
