"""Local days and time zones.  A day has 23, 24 or 25 hours, and some zones have skipped a whole day."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from sidecar_protocol.errors import InvalidParams, TimeZoneUnknown
from sidecar_protocol.scalars import canonical_time

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def zone_or_raise(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder of the zone database
        raise TimeZoneUnknown from None


@lru_cache(maxsize=64)
def zone_or_utc(name: str) -> tzinfo:
    """Returns the zone with this IANA name, or UTC if it is unknown (times are then some hours off)."""
    try:
        return zone_or_raise(name)
    except TimeZoneUnknown:
        return UTC


def computer_zone_name() -> str | None:
    """Returns the IANA name of this computer's time zone, or None if it is unknown.

    It is read each time: people travel while the process runs, and the C library would keep the zone of its start.
    """
    name = os.environ.get("TZ")
    name = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2] if name is None else name.lstrip(":") or "UTC"
    with suppress(KeyError, ValueError, OSError):  # unknown, a rule such as "CET-1CEST", a folder of the database
        return ZoneInfo(name).key
    return None


def check_order(start: str, end: str) -> None:
    if end <= start:
        raise InvalidParams(details=[{"path": "end", "message": "must be after start"}])


def days_between(start: str, end: str, zone: tzinfo | None, limit: int) -> list[date]:
    """Returns the local days that overlap the time from `start` to `end`; `zone` None is this computer's.

    Raises `InvalidParams` if they are in the wrong order or more than `limit` days apart.
    """
    check_order(start, end)
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if last - first > timedelta(days=limit):
        raise InvalidParams(details=[{"path": "end", "message": f"must be within {limit} days of start"}])
    try:
        begin, until = first.astimezone(zone).date(), (last - timedelta(milliseconds=1)).astimezone(zone).date()
        until + timedelta(days=1)
    except OverflowError:
        raise InvalidParams(details=[{"path": "start", "message": "must be in the years 1 to 9999"}]) from None
    return [begin + timedelta(days=number) for number in range((until - begin).days + 1)]


def spans(start: str, end: str, zone: tzinfo | None, limit: int) -> Iterator[tuple[date, str, str]]:
    """Yields the days of `days_between` with their start and end; the first and last are cut off at `start` and `end`.

    A day that a change of the clocks makes shorter or longer has its actual length.
    """
    since = start
    for day in days_between(start, end, zone, limit):
        # Canonical times sort as text.
        before = min(canonical_time(moment(begins_ms(day + timedelta(days=1), zone))), end)
        if since < before:  # a day that the zone skipped is empty
            yield day, since, before
            since = before


def begins_ms(day: date, zone: tzinfo | None) -> int:
    """Returns when a day begins, in milliseconds since 1970; `zone` None is this computer's.

    If clocks are set forward at midnight, the day begins then; if they are set back across midnight, it begins at the
    first of the two midnights.
    """
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def moment(ms: int) -> datetime:
    """Converts milliseconds since 1970 to a UTC time.  `datetime.fromtimestamp` fails on Windows before 1970."""
    return EPOCH + timedelta(milliseconds=ms)


def local(ms: int, zone: tzinfo) -> datetime:
    return moment(ms).astimezone(zone)
