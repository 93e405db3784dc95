"""Times in the person's time zone: what `today`, `-7d` and `tomorrow 9:00` mean, and how times are printed."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from sidecar_protocol.scalars import canonical_time

from sidecar.days import computer_zone_name

FORMS: Final = "now, today, yesterday 9:00, -7d, +2h or 2026-11-23T08:00:00Z"
"""Examples of what a person can type for a time."""
WORDS: Final = ("now", "today", "yesterday", "tomorrow", "-7d")
DAY_WIDTH: Final = len("Thu 26 Nov")
_NAMED_DAYS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_DAY_NAMES: Final = {days: name for name, days in _NAMED_DAYS.items()}
_CLOCK: Final = r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?"
_DAY: Final = re.compile(
    rf"(?:(?P<named>yesterday|today|tomorrow)|(?P<days>[+-]\d{{1,6}})\s?(?P<unit>d|w)|(?P<date>\d{{4}}-\d\d-\d\d))"
    rf"(?:(?:T| at | ){_CLOCK})?",
    re.IGNORECASE | re.ASCII,
)
_OFFSET: Final = re.compile(r"(?P<count>[+-]\d{1,9})\s?(?P<unit>h|min|s)", re.ASCII)
_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_FAR: Final = timedelta(days=300)
"""A date that is farther away is printed with its year."""


class LocalTimes:
    """Reads and prints times in one time zone; `zone` None is this computer's if its name is unknown.

    A time that the clocks skip is moved forward by as much as they are; a time that occurs twice is the first of both.
    """

    def __init__(self, clock: Callable[[], datetime], zone: tzinfo | None) -> None:
        self._clock = clock
        self._zone = zone

    @classmethod
    def of_this_computer(cls, stopped_at: str | None = None) -> "LocalTimes":
        """Returns the times of this computer's zone; `stopped_at` is the time of a clock that does not advance."""
        name = computer_zone_name()
        stopped = None if stopped_at is None else datetime.fromisoformat(stopped_at)
        return cls(lambda: stopped or datetime.now(UTC), None if name is None else ZoneInfo(name))

    def now(self) -> datetime:
        return self.local(self._clock())

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone)

    def parse(self, text: str) -> str | None:
        """Returns a time of the wire, or None if the text is not understood.

        A day begins at its first moment.  `-7d` is this time of the day seven days ago, also if the clocks have changed
        since, and `-36h` exactly 36 hours ago.  A time with an offset from UTC is returned unchanged.
        """
        text = text.strip()
        try:
            if text.lower() == "now":
                return canonical_time(self._clock())
            if found := _OFFSET.fullmatch(text):
                return canonical_time(self._clock() + timedelta(seconds=int(found["count"]) * _SECONDS[found["unit"]]))
            if found := re.fullmatch(_CLOCK, text, re.ASCII):
                return self._on(self.now().date(), _clock_time(found))
            if found := _DAY.fullmatch(text):
                return self._of_day(found)
            return text if datetime.fromisoformat(text).tzinfo is not None else None
        except (ValueError, OverflowError):
            return None

    def _of_day(self, found: re.Match[str]) -> str:
        now = self.now()
        if found["date"]:
            day, at = date.fromisoformat(found["date"]), time()
        elif found["named"]:
            day, at = now.date() + timedelta(days=_NAMED_DAYS[found["named"].lower()]), time()
        else:
            day = now.date() + timedelta(days=int(found["days"]) * (7 if found["unit"].lower() == "w" else 1))
            at = now.time()
        return self._on(day, at if found["hour"] is None else _clock_time(found))

    def _on(self, day: date, at: time) -> str:
        return canonical_time(datetime.combine(day, at, self._zone))

    def day(self, day: date) -> str:
        """Formats a date: `today`, `Thu 26 Nov`, or `2024-11-26` if it is far away."""
        distance = day - self.now().date()
        if distance.days in _DAY_NAMES:
            return _DAY_NAMES[distance.days]
        return day.isoformat() if abs(distance) > _FAR else f"{day:%a %d %b}"

    def show(self, value: Any, *, padded: bool = False, seconds: bool = False) -> str:
        """Formats a time of the wire, a date, or seconds since 1970: `today 09:30`; other values are returned as text.

        `padded` gives all days the same width, so that the hours are below each other.
        """
        moment = self._read(value)
        if moment is None:
            return str(value)
        if not isinstance(moment, datetime):
            return self.day(moment)
        return (
            f"{self._day_of(moment, padded=padded)} {moment:%H:%M:%S}"
            if seconds
            else self._minute(moment, padded=padded)
        )

    def span(self, start: Any, end: Any, *, padded: bool = False) -> str:
        """Formats a span: `today 09:30-10:15`, with an en dash.  The end is exclusive, also that of whole days."""
        first, last = self._read(start), self._read(end)
        if first is None or last is None:
            return self.show(start, padded=padded)
        if not isinstance(first, datetime) or not isinstance(last, datetime):
            begin, until = _date(first), _date(last) - timedelta(days=1)
            return self.day(begin) if until <= begin else f"{self.day(begin)}–{self.day(until)}"
        if last.timestamp() <= first.timestamp():
            return self._minute(first, padded=padded)
        if first.utcoffset() != last.utcoffset():  # an end before the start would be puzzling
            return f"{self._minute(first, padded=padded)} {first:%Z}–{self._end(first, last)} {last:%Z}"
        return f"{self._minute(first, padded=padded)}–{self._end(first, last)}"

    def _end(self, first: datetime, last: datetime) -> str:
        if last.date() == first.date():
            return f"{last:%H:%M}"
        if last.date() == first.date() + timedelta(days=1) and last.time() == time():
            return "24:00"
        return self._minute(last, padded=False)

    def _minute(self, moment: datetime, *, padded: bool) -> str:
        return f"{self._day_of(moment, padded=padded)} {moment:%H:%M}"

    def _day_of(self, moment: datetime, *, padded: bool) -> str:
        day = self.day(moment.date())
        return day.ljust(DAY_WIDTH) if padded else day

    def _read(self, value: Any) -> date | None:
        """Returns a date, or a local time, or None for another value."""
        try:
            if isinstance(value, int):
                return self.local(datetime.fromtimestamp(value, UTC))
            if _DATE.fullmatch(value):
                return date.fromisoformat(value)
            moment = datetime.fromisoformat(value)
            return None if moment.tzinfo is None else self.local(moment)
        except (ValueError, TypeError, OverflowError, OSError):
            return None


def _clock_time(found: re.Match[str]) -> time:
    return time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0))


def _date(day: date) -> date:
    return day.date() if isinstance(day, datetime) else day
