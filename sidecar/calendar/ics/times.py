"""Reads the times of iCalendar properties (RFC 5545 §3.3), also in the forms in which programs get them wrong.

The values of a series must be of one kind to be compared, but files mix them: a rule that ends on a date, an exception
in UTC.  `Kind` is the one place that brings such a value to the kind of the series' start.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

ZULU: Final = ZoneInfo("UTC")
DAY: Final = timedelta(days=1)
_TIME: Final = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]*(\d{1,2}:\d\d(?::\d\d)?|\d{3,6})(?:[.,]\d+)?)?"
    r"[T ]*(Z|[+-]\d\d(?::?\d\d)?)?",
    re.IGNORECASE,
)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:0+Y)?(?:0+M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?T?(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:[.,]\d+)?S)?",
    re.IGNORECASE,
)
"""With the years and months of ISO 8601 if there are none: programs write P0Y0M0DT1H0M0S."""


class Duration(NamedTuple):
    """A duration: days of the calendar, which may have 23 or 25 hours, and then exact seconds (RFC 5545 §3.3.6)."""

    days: int
    seconds: int


def parse_time(text: str, zone: tzinfo | None) -> date | datetime:
    """Returns a date, a floating time (without a time zone), or a time in `zone`.  Raises `ValueError`.

    A time with `Z` or an offset is in that zone, whatever `zone` is (RFC 5545 §3.2.19 forbids both).
    """
    match = _TIME.fullmatch(text.strip().replace("\xa0", " "))
    if match is None:
        raise ValueError(text)
    year, month, day, clock, offset = match.groups()
    moment = date(int(year), int(month), int(day))
    if clock is None:
        return moment
    digits = clock.replace(":", "")
    digits = digits.zfill(len(digits) + len(digits) % 2).ljust(6, "0")
    hours, minutes, seconds = (int(digits[index : index + 2]) for index in (0, 2, 4))
    if hours == 24 and not minutes + seconds:
        hours, moment = 0, moment + DAY
    if offset is not None:
        zone = _offset_zone(offset)
    return datetime.combine(moment, time(hours, minutes, min(seconds, 59)), zone)  # 60 is a leap second


def parse_duration(text: str) -> Duration:
    """Returns a duration, which may be negative.  Raises `ValueError`."""
    match = _DURATION.fullmatch("".join(text.split()))
    if match is None or not any(match.groups()[1:]):
        raise ValueError(text)
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[1:])
    sign = -1 if match[1] == "-" else 1
    return Duration(sign * (weeks * 7 + days), sign * (hours * 3_600 + minutes * 60 + seconds))


def localize(local: datetime, zone: tzinfo) -> datetime:
    """Returns the time at which clocks in `zone` show `local`, by RFC 5545 §3.3.5.

    Of two such times, when clocks are set back, that is the first; where they are set forward and none shows it, it is
    taken in the offset before the change.
    """
    moment = local.replace(tzinfo=zone)
    if moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local:
        return moment
    offset = (moment - DAY).utcoffset() or timedelta(0)
    return (local - offset).replace(tzinfo=UTC).astimezone(zone)


class Kind(NamedTuple):
    """The kind of the times of a series: dates, times in a zone, or floating times (neither)."""

    is_date: bool
    zone: tzinfo | None
    calendar_zone: tzinfo
    """The zone of dates and floating times."""

    @classmethod
    def of(cls, start: date, calendar_zone: tzinfo) -> "Kind":
        if isinstance(start, datetime):
            return cls(is_date=False, zone=start.tzinfo, calendar_zone=calendar_zone)
        return cls(is_date=True, zone=None, calendar_zone=calendar_zone)

    def local(self, value: date) -> datetime:
        """Converts a value to a time without a zone that compares with the others of the series.

        That is a date's midnight, or what clocks show in the zone of the series.
        """
        if self.is_date or not isinstance(value, datetime):
            return datetime.combine(self.day(value), time())
        if value.tzinfo is not None:
            with suppress(OverflowError):  # within hours of the year 1 or 9999, which stand for "never"
                value = value.astimezone(self.zone or self.calendar_zone)
        return value.replace(tzinfo=None)

    def day(self, value: date) -> date:
        """Returns the day on which a value is in the series.

        A time in UTC in a series of dates means a day: programs write midnight in the calendar's zone, converted
        to UTC, or the day's own midnight or last second as if it were in UTC.  Any other time is taken for midnight in
        the zone of another person, whose date is that of the nearest midnight in UTC.
        """
        if not isinstance(value, datetime):
            return value
        if not self.is_date:
            return self.local(value).date()
        if value.tzinfo is not ZULU:
            return value.date()
        local = value.astimezone(self.calendar_zone)
        if _is_midnight(local):
            return local.date()
        return value.date() if _is_midnight(value) else (value + DAY / 2).date()

    def moment(self, local: datetime) -> date | datetime:
        """Returns the date, floating time or time in a zone that `local` means."""
        if self.is_date:
            return local.date()
        return local if self.zone is None else localize(local, self.zone)


def _is_midnight(moment: datetime) -> bool:
    return moment.time() in (time(), time(23, 59, 59), time(23, 59))


def _offset_zone(text: str) -> tzinfo:
    if text.upper() == "Z":
        return ZULU
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:] or 0))
    return timezone(-offset if text[0] == "-" else offset)
