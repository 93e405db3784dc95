"""Days as they are in a time zone: some have 23 hours, some 25, and one was left out altogether."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from sidecar_protocol.errors import InvalidParams
from sidecar_protocol.scalars import canonical_time

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def days_between(start: str, end: str, zone: tzinfo | None, limit: int) -> list[date]:
    """The local days from the one of `start` to the last that begins before `end`, at most `limit`.

    `zone` None is this computer's.  Raises InvalidParams.
    """
    first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
    if last <= first:
        raise InvalidParams(details=[{"path": "end", "message": "must lie after start"}])
    if last - first > timedelta(days=limit):
        raise InvalidParams(details=[{"path": "end", "message": f"must lie within {limit} days of start"}])
    try:
        begin, until = first.astimezone(zone).date(), (last - timedelta(milliseconds=1)).astimezone(zone).date()
        until + timedelta(days=1)
    except OverflowError:
        raise InvalidParams(details=[{"path": "start", "message": "must lie in the years 1 to 9999"}]) from None
    return list(_days(begin, until))


def spans(start: str, end: str, zone: tzinfo | None, limit: int) -> Iterator[tuple[date, str, str]]:
    """The local days of `days_between` with their two ends, the first and the last cut off at `start` and `end`.

    A day that a change of the clocks makes shorter or longer is as long as it is.
    """
    since = start
    for day in days_between(start, end, zone, limit):
        # All of them have the canonical form, which sorts as text.
        before = min(canonical_time(moment(begins_ms(day + timedelta(days=1), zone))), end)
        if since < before:  # where a country has skipped a day, nothing lies between
            yield day, since, before
            since = before


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


def begins_ms(day: date, zone: tzinfo | None) -> int:
    """When a day begins, in milliseconds since 1970; `zone` as above.

    Where clocks are set forward at midnight, that is the moment at which they are; where they are set back to before
    midnight, the first of the two midnights.
    """
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def moment(ms: int) -> datetime:
    """A moment, milliseconds since 1970.  By arithmetic: Windows knows no timestamps before that year."""
    return EPOCH + timedelta(milliseconds=ms)


def local(ms: int, zone: tzinfo) -> datetime:
    """A moment by the clocks of the zone."""
    return moment(ms).astimezone(zone)
