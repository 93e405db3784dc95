"""Times in messages: reading them, and moving them by whole days so that a recording of another day shows today.

Pure: the clock is passed in.  README.md states the rules; `replay_times.ts` has the same.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

from sidecar.transcripts.file.facts import Facts

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|z|[+-]\d\d:?\d\d)?)?"
)
_OWN_NAME: Final = re.compile(r"(^|_)(id|key|hash|sha|digest|cursor|version)$|Id$|Key$")
"""Names of undeclared members whose values are no times, whatever they look like."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS: Final = 3_600_000
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class _Moment:
    """A date, or a date and time; `offset` is None if the text has none."""

    wall: datetime
    offset: timedelta | None
    found: re.Match[str]


def _read(text: str) -> _Moment | None:
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(found[group] or 0) for group in (1, 2, 3, 5, 6, 7))
        return _Moment(datetime(year, month, day, hour, minute, second, tzinfo=UTC), _offset(found[9]), found)
    except ValueError:
        return None


def _offset(text: str | None) -> timedelta | None:
    if text is None or text in "Zz":
        return None if text is None else timedelta()
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text.startswith("-") else size


@lru_cache(10_000)
def instant_ms(text: str) -> int | None:
    """Returns the milliseconds since 1970, in UTC if the text has no offset; None if it is neither date nor time."""
    moment = _read(text)
    if moment is None:
        return None
    fraction = int(((moment.found[8] or "") + "000")[:3])
    return round((moment.wall - (moment.offset or timedelta()) - _EPOCH).total_seconds()) * 1000 + fraction


class DateShift:
    """Moves times by whole days of one time zone.  The wall time stays, also across a change of the clocks."""

    def __init__(self, days: int, zone: tzinfo | None) -> None:
        """`zone` None is this computer's."""
        self._days = days
        self._zone = zone

    def moved(self, value: Any, facts: Facts, name: str = "") -> Any:
        """Returns a value with all its times moved; `name` is that of the member."""
        if type(value) is dict:
            return {key: self.moved(one, facts.member(value, key), key) for key, one in value.items()}
        if type(value) is list:
            return [self.moved(one, facts.item(), name) for one in value]
        if not (facts.is_time if facts.is_declared else _OWN_NAME.search(name) is None):
            return value
        if type(value) is str:
            return self._moved_text(value)
        return self._moved_seconds(value) if type(value) is int and facts.is_declared else value

    def _moved_text(self, text: str) -> str:
        """Returns a time or date in the same form; any other text as it is."""
        moment = _read(text)
        if moment is None:
            return text
        try:
            return self._moved(moment)
        except OverflowError:  # outside of the years 1 to 9999
            return text

    def _moved(self, moment: _Moment) -> str:
        wall, offset = moment.wall + timedelta(days=self._days), moment.offset
        ending = moment.found[9] or ""
        if offset is not None:
            before = round((moment.wall - offset - _EPOCH).total_seconds())
            after = self._moved_seconds(before)
            if not offset and ending in "Zz":
                wall = _EPOCH + timedelta(seconds=after)
            elif offset == self._offset_at(before):  # a time of the zone itself, whose offset may change
                offset = self._offset_at(after)
                wall = _EPOCH + timedelta(seconds=after) + offset
                ending = _written(offset, with_colon=":" in ending)
        text = wall.strftime("%Y-%m-%d").zfill(10)
        if moment.found[4] is None:
            return text
        time = wall.strftime("%H:%M:%S") if moment.found[7] is not None else wall.strftime("%H:%M")
        rest = moment.found.string[moment.found.end(7) : moment.found.end(8)] if moment.found[8] is not None else ""
        return f"{text}{moment.found[4]}{time}{rest}{ending}"

    def _moved_seconds(self, seconds: int) -> int:
        after = seconds + self._days * DAY_S
        return after + round((self._offset_at(seconds) - self._offset_at(after)).total_seconds())

    def _offset_at(self, seconds: int) -> timedelta:
        return (_EPOCH + timedelta(seconds=seconds)).astimezone(self._zone).utcoffset() or timedelta()


def days_between(recorded: datetime, now: datetime, zone: tzinfo | None) -> int:
    """Returns the whole days of a zone from one moment to another."""
    return (now.astimezone(zone).date() - recorded.astimezone(zone).date()).days


def _written(offset: timedelta, *, with_colon: bool) -> str:
    minutes = round(offset.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}{':' if with_colon else ''}{rest:02}"
