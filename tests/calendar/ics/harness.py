"""Builds calendar files for tests and reads them within a year and a half."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.provider import RemoteEvent, TimeRange

BERLIN: Final = ZoneInfo("Europe/Berlin")
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
