"""Calendar files in tests: written by hand, event by event, and looked at within a year and a half."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.provider import RemoteEvent, TimeRange

BERLIN: Final = ZoneInfo("Europe/Berlin")
OWNER: Final = "ada@example.com"


def moment(text: str) -> int:
    """Seconds since 1970 of a day or a moment in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


WINDOW: Final = TimeRange(moment("2026-05-01"), moment("2027-12-01"))


def day(number: int) -> str:
    """So many days from now, as a calendar file writes it."""
    return f"{datetime.now(UTC) + timedelta(days=number):%Y%m%d}"


def vevent(*lines: str, uid: str | None = "event") -> str:
    """An event's lines."""
    known = [] if uid is None else [f"UID:{uid}"]
    return "\r\n".join(["BEGIN:VEVENT", *known, "DTSTAMP:20261101T000000Z", *lines, "END:VEVENT", ""])


def vcalendar(*parts: str, head: Iterable[str] = ()) -> bytes:
    """A file of these events."""
    lines = "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", *head, ""])
    return f"{lines}{''.join(parts)}END:VCALENDAR\r\n".encode()


def occurrences(
    *parts: str, zone: tzinfo | None = BERLIN, head: Iterable[str] = (), window: TimeRange = WINDOW
) -> list[RemoteEvent]:
    """What is found in such a file."""
    return IcsCalendar(vcalendar(*parts, head=head)).occurrences(window, zone, OWNER)


def times(events: Iterable[RemoteEvent]) -> list[str]:
    """When they begin, as they say it."""
    return [one.start_time for one in events]
