"""An iCalendar file in pieces (RFC 5545 §3.4): the calendar's own lines, its time zones, its events.

The pieces are parsed one by one: a bad one costs nothing but itself, and no parser's regular expression runs over all
of a large file, during which the loop would stand still.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

REPEATS: Final = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
_ZONE: Final = re.compile(r'DTSTART[^:]*;TZID="?([^":;]{1,100})', re.IGNORECASE)
_DAYS: Final = re.compile(r"(?:DTSTART|DTEND)[^:]*:(\d{8})", re.IGNORECASE)
_CHANGING: Final = frozenset({"DTSTAMP", "CREATED", "LAST-MODIFIED"})


class NotACalendar(Exception):
    """The text is no iCalendar file, or was cut off.  The message goes on after "the file"."""


class TooMuch(Exception):
    """There is more in the file than there is room for.  The message goes on alike."""


class Pieces(NamedTuple):
    """Content lines, unfolded; of zones and events those between BEGIN and END."""

    calendar: list[str]
    zones: list[list[str]]
    events: list[list[str]]


def pieces_of(body: bytes) -> Pieces:
    """Take a file apart; several calendars in one file count as one.  Raises `NotACalendar`."""
    # Unfolded as bytes, since a fold may go through the middle of a character.
    lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"")
    text = lines.decode("utf-8-sig", "replace").strip("\0\x1a \n")
    if text[:15].upper() != "BEGIN:VCALENDAR":
        raise NotACalendar("does not begin as an iCalendar file does")
    end = max(text.rfind("\nEND:VCALENDAR"), text.rfind("\nend:vcalendar"))
    if end < 0 or "BEGIN:" in text[end:].upper():  # nothing else would tell a cut file from a short one
        raise NotACalendar("is cut off")
    pieces = Pieces([], [], [])
    into, left_out = pieces.calendar, ""
    for line in text.split("\n"):
        word, what = _mark(line)
        if left_out and what not in ("VEVENT", "VCALENDAR"):  # these end it too: its own END may be missing
            left_out = "" if (word, what) == ("END", left_out) else left_out
            continue
        left_out = ""
        if what in ("VEVENT", "VTIMEZONE", "VCALENDAR"):
            into = pieces.calendar
            if word == "BEGIN" and what != "VCALENDAR":
                into = []
                (pieces.events if what == "VEVENT" else pieces.zones).append(into)
        elif word == "BEGIN" and what not in ("STANDARD", "DAYLIGHT"):
            left_out = what  # an alarm, a task, and whatever else is no event
        elif line.strip():
            into.append(line)
    return pieces


def digest_of(pieces: Pieces) -> str:
    """The same for the same content: some servers write the time of day into each copy."""
    digest = hashlib.sha256()
    for lines in (pieces.calendar, *pieces.zones, *pieces.events):
        for line in lines:
            if name_of(line) not in _CHANGING:
                digest.update(line.encode() + b"\n")
        digest.update(b"\0")
    return digest.hexdigest()


def by_uid(events: Iterable[list[str]]) -> dict[str, list[list[str]]]:
    """The events that belong together; one without a UID is known by what of it hardly changes."""
    groups: dict[str, list[list[str]]] = {}
    for lines in events:
        uid = next((line.partition(":")[2].strip() for line in lines if name_of(line) == "UID"), "")
        if not uid:
            said = [line for line in lines if name_of(line) in ("DTSTART", "RRULE", "SUMMARY")]
            uid = hashlib.sha256("\n".join(said).encode()).hexdigest()
        groups.setdefault(uid.replace("\0", ""), []).append(lines)
    return groups


def lies_outside(lines: Iterable[str], first: str, last: str) -> bool:
    """Whether an event ends before a day (YYYYMMDD) or begins after another, as far as can be seen without parsing,
    which would be most of the work.
    """
    names = [name_of(line) for line in lines]
    days = [match[1] for line in lines if (match := _DAYS.match(line)) is not None]
    if "DURATION" in names or REPEATS & set(names) or len(days) != names.count("DTSTART") + names.count("DTEND"):
        return False
    return bool(days) and (max(days) < first or min(days) > last)


def zone_named(lines: Iterable[str]) -> str | None:
    """The time zone that an event says it begins in."""
    return next((match[1] for line in lines if (match := _ZONE.match(line)) is not None), None)


def name_of(line: str) -> str:
    """The property that a content line sets."""
    return line.partition(":")[0].partition(";")[0].strip().upper()


def _mark(line: str) -> tuple[str, str]:
    """BEGIN or END, and of what; of any other line nothing."""
    word, _, what = line[:64].partition(":")
    word = word.strip().upper()
    return (word, what.strip().upper()) if word in ("BEGIN", "END") else ("", "")
