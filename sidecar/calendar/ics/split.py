"""Splits an iCalendar file into its components (RFC 5545 §3.4) without parsing them.

Each component is parsed separately afterwards: a malformed one then affects no other, and no parser runs a regular
expression over a whole large file, which would hold the GIL and so block the event loop.
"""

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, NamedTuple

from sidecar.calendar.ics.lines import parse_line, property_name
from sidecar.text import well_formed

RECURRENCE_PROPERTIES: Final = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
_INDENTED_EVENT: Final = re.compile(rb"\n[ \t]+BEGIN:VEVENT[ \t]*\n", re.IGNORECASE)
_START_OR_END_DAY: Final = re.compile(
    r"(?:DTSTART|DTEND)[^:]*:(\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?:T|$)", re.IGNORECASE
)
_CANCELLATION: Final = re.compile(r"\s*METHOD\s*:\s*CANCEL\s*", re.IGNORECASE)
"""The line of a calendar whose events are cancelled, whatever their own STATUS (RFC 5546 §3.2.5)."""
_VOLATILE_PROPERTIES: Final = frozenset({"DTSTAMP", "CREATED", "LAST-MODIFIED"})
"""Some servers set these to the current time in every response, so the digest ignores them."""


class NotACalendar(Exception):
    """The file is not an iCalendar file or is truncated.  The message completes "The calendar's file ..."."""


class LimitExceeded(Exception):
    """The file is larger or has more events than allowed.  The message completes "The calendar's file ..."."""


class Components(NamedTuple):
    """Unfolded content lines; those of time zones and events without their BEGIN and END lines."""

    calendar: list[str]
    time_zones: list[list[str]]
    events: list[list[str]]


def components(body: bytes, charset: str | None = None) -> Components:
    """Returns the file's components; several calendars in one file are merged.

    `charset` is that of the server's answer.  Raises `NotACalendar`.
    """
    text = _unfolded(body, charset).strip("\0\x1a\t \n")
    lines = text.split("\n")
    if _delimiter(lines[0]) != ("BEGIN", "VCALENDAR"):
        raise NotACalendar("does not start with BEGIN:VCALENDAR")
    keyword, name = next(it for line in reversed(lines) if any(it := _delimiter(line)))
    if keyword != "END" or not name.startswith("VCALENDAR"):
        raise NotACalendar("is truncated")
    found = Components([], [], [])
    current, skipped = found.calendar, ""
    preset: list[str] = []
    for line in lines:
        keyword, name = _delimiter(line)
        # An event or a calendar also ends a skipped component whose own END is missing.
        if skipped and name not in ("VEVENT", "VCALENDAR"):
            skipped = "" if (keyword, name) == ("END", skipped) else skipped
            continue
        skipped = ""
        if name in ("VEVENT", "VTIMEZONE", "VCALENDAR"):
            current = found.calendar
            if name == "VCALENDAR":
                preset = []
            elif keyword == "BEGIN":
                current = preset.copy() if name == "VEVENT" else []
                (found.events if name == "VEVENT" else found.time_zones).append(current)
        elif keyword == "BEGIN" and name not in ("STANDARD", "DAYLIGHT"):
            skipped = name  # an alarm, a task, or another component that is not an event
        elif line.strip():
            current.append(line)
            if current is found.calendar and _CANCELLATION.fullmatch(line):
                preset = ["STATUS:CANCELLED"]
    return found


def content_digest(content: Components) -> str:
    """Returns a SHA-256 digest of the content, in hexadecimal."""
    digest = hashlib.sha256()
    for lines in (content.calendar, *content.time_zones, *content.events):
        for line in lines:
            if property_name(line) not in _VOLATILE_PROPERTIES:
                digest.update(line.encode() + b"\n")
        digest.update(b"\0")
    return digest.hexdigest()


def group_by_uid(events: Iterable[list[str]]) -> dict[str, list[list[str]]]:
    """Groups events by UID; if it is missing, a digest of start, rule and title replaces it."""
    groups: dict[str, list[list[str]]] = {}
    for lines in events:
        uid = next((line.partition(":")[2].strip() for line in lines if property_name(line) == "UID"), "")
        if not uid:
            identity = [line for line in lines if property_name(line) in ("DTSTART", "RRULE", "SUMMARY")]
            uid = hashlib.sha256("\n".join(identity).encode()).hexdigest()
        groups.setdefault(uid.replace("\0", ""), []).append(lines)
    return groups


def is_outside(lines: Iterable[str], first_day: str, last_day: str) -> bool:
    """Whether an event certainly lies outside these days (YYYYMMDD).

    Decided without parsing, which would take most of a sync's time; False if that is not possible.
    """
    names = [property_name(line) for line in lines]
    days = [match[1] for line in lines if (match := _START_OR_END_DAY.match(line)) is not None]
    has_other_times = "DURATION" in names or RECURRENCE_PROPERTIES & set(names)
    if has_other_times or len(days) != names.count("DTSTART") + names.count("DTEND"):
        return False
    return bool(days) and (max(days) < first_day or min(days) > last_day)


def start_zone(lines: Iterable[str]) -> str | None:
    """Returns the TZID of an event's start, or None if it has none."""
    start = next((line for line in lines if "TZID" in line and property_name(line) == "DTSTART"), None)
    with suppress(ValueError):
        return None if start is None else parse_line(start).parameters.get("TZID")
    return None


def _unfolded(body: bytes, charset: str | None) -> str:
    """Returns the text with one content line a line."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        body = body.decode("utf-16", "replace").encode()
    # As bytes, since a fold may split a multi-byte character.  Some write CR CR LF, or empty lines within a fold.
    lines = re.sub(rb"\r{0,4}\n|\r", b"\n", body.removeprefix(b"\xef\xbb\xbf"))
    lines = re.sub(rb"\n\n+", b"\n", lines)
    if _INDENTED_EVENT.search(lines):  # a file that is indented as a whole is not folded
        lines = re.sub(rb"\n[ \t]+", b"\n", lines)
    lines = lines.replace(b"\n ", b"").replace(b"\n\t", b"")
    if b"QUOTED-PRINTABLE" in lines:  # of vCalendar 1.0, whose lines are continued by "="
        lines = re.sub(rb"=\n(?![A-Z][A-Z-]*[:;])", b"", lines)
    if b"\x1b" not in lines:  # the escape of ISO-2022, whose bytes are valid UTF-8
        with suppress(UnicodeDecodeError):
            return lines.decode()
    return "\n".join(_decode(line, charset) for line in lines.split(b"\n"))


def _decode(line: bytes, charset: str | None) -> str:
    """Decodes a line in the first of these encodings that fits it: UTF-8, the server's, Windows' for Western Europe.

    UTF-8 also fits if half of the characters beyond ASCII are whole, since programs cut texts within one.
    """
    if b"\x1b" not in line:
        with suppress(UnicodeDecodeError):
            return well_formed(line.decode("utf-8", "surrogatepass"))  # Java writes an emoji as two halves
        text = line.decode("utf-8", "replace")
        damaged = text.count("\ufffd")
        if sum(character > "\x7f" for character in text) >= 2 * damaged:
            return text
    for encoding in (charset, "utf-8", "cp1252"):
        if encoding is not None:
            with suppress(UnicodeDecodeError, LookupError):
                return line.decode(encoding)
    return line.decode("latin-1")


def _delimiter(line: str) -> tuple[str, str]:
    """Returns BEGIN or END and the component's name; two empty strings for any other line."""
    keyword, _, name = line[:64].partition(":")
    keyword = keyword.strip().upper()
    return (keyword, name.strip().upper()) if keyword in ("BEGIN", "END") else ("", "")
