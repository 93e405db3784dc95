"""Builds calendar files for tests and reads them within a year and a half."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sidecar.calendar.ics.expand import Expansion, IcsCalendar
from sidecar.calendar.provider import RemoteEvent, TimeRange

BERLIN: Final = ZoneInfo("Europe/Berlin")
KOLKATA: Final = ZoneInfo("Asia/Kolkata")
OWNER: Final = "ada@example.com"


def timestamp(utc: str) -> int:
    """Returns a UTC date or time in ISO 8601 as seconds since 1970."""
    return int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp())


TIME_RANGE: Final = TimeRange(timestamp("2026-05-01"), timestamp("2027-12-01"))


def day(offset: int) -> str:
    """Returns the date `offset` days from today as YYYYMMDD."""
    return f"{datetime.now(UTC) + timedelta(days=offset):%Y%m%d}"


def vevent(*lines: str, uid: str | None = "event") -> str:
    """Returns a VEVENT with these content lines."""
    uid_lines = [] if uid is None else [f"UID:{uid}"]
    return "\r\n".join(["BEGIN:VEVENT", *uid_lines, "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT", ""])


def vcalendar(*components: str, properties: Iterable[str] = ()) -> bytes:
    """Returns a file with these components."""
    start = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", *properties, ""])
    return f"{start}{''.join(components)}END:VCALENDAR\r\n".encode()


def occurrences(
    *components: str, zone: tzinfo | None = BERLIN, time_range: TimeRange = TIME_RANGE
) -> list[RemoteEvent]:
    """Returns the occurrences in a file with these components."""
    return IcsCalendar(vcalendar(*components)).expand(time_range, zone, OWNER).events


def start_times(events: Iterable[RemoteEvent]) -> list[str]:
    return [event.start_time for event in events]


def expand(
    *components: str, properties: Iterable[str] = (), zone: tzinfo = KOLKATA, body: bytes | None = None
) -> Expansion:
    """Returns what a sync would read from a file; `zone` is this computer's."""
    file = IcsCalendar(vcalendar(*components, properties=properties) if body is None else body)
    own_zone = file.describe(OWNER).time_zone
    return file.expand(TIME_RANGE, zone if own_zone is None else ZoneInfo(own_zone), OWNER)


def starts(expansion: Expansion) -> list[str]:
    """Returns the starts: dates, or times to the minute with their offset."""
    return [_short(event.start_time) for event in expansion.events]


def spans(expansion: Expansion) -> list[str]:
    """Returns "start/end" of each event."""
    return [f"{_short(event.start_time)}/{_short(event.end_time)}" for event in expansion.events]


def titled(expansion: Expansion) -> list[str]:
    """Returns "start title" of each event."""
    return [f"{_short(event.start_time)} {event.title}" for event in expansion.events]


def _short(text: str) -> str:
    return text if len(text) == 10 else text[:16] + text[19:]


def vtimezone(name: str, standard: str, daylight: str | None = None) -> str:
    """Returns a VTIMEZONE with Europe's days of change, or without any if it has no daylight time."""
    lines = ["BEGIN:VTIMEZONE", f"TZID:{name}", "BEGIN:STANDARD", "DTSTART:16011028T030000"]
    lines += ["RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10", f"TZOFFSETFROM:{daylight or standard}"]
    lines += [f"TZOFFSETTO:{standard}", "END:STANDARD"]
    if daylight is not None:
        lines += ["BEGIN:DAYLIGHT", "DTSTART:16010325T020000", "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"]
        lines += [f"TZOFFSETFROM:{standard}", f"TZOFFSETTO:{daylight}", "END:DAYLIGHT"]
    return "\r\n".join([*lines, "END:VTIMEZONE", ""])
