"""The time zones of an iCalendar file: those that it defines (VTIMEZONE, RFC 5545 §3.6.5), and those that it names.

The file's definition governs (§3.2.19), except for the IANA name of a region such as `Europe/Berlin`: files often
define a region by rules that are out of date or incomplete, and every other program uses the database too.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.tz import tzlocal

from sidecar.calendar.ics.lines import Property, parse_line, property_name
from sidecar.calendar.ics.times import parse_time
from sidecar.calendar.ics.zone_names import find_zone, is_region
from sidecar.days import computer_zone_name
from sidecar.recurrence import Rule, RuleIgnored

FIRST_YEAR: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time
LAST_YEAR: Final = datetime(2100, 1, 1)  # noqa: DTZ001
"""Changes of the clocks before and after these are not computed; no account syncs such years."""
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):?(\d\d)(?::?(\d\d))?")
_COMPARED: Final = [datetime(2026, 1, 1, 12) + timedelta(days=15 * number) for number in range(120)]  # noqa: DTZ001
"""Local times at which two zones are compared."""


class Transition(NamedTuple):
    """A change of the clocks."""

    at: datetime
    """A time in UTC, without a zone."""
    before: timedelta
    after: timedelta


class FileZone(tzinfo):
    """A time zone that a file defines."""

    def __init__(self, name: str, first_offset: timedelta, transitions: list[Transition]) -> None:
        self._name = name
        self._offsets = [first_offset, *(one.after for one in transitions)]
        self._before = [first_offset, *(one.before for one in transitions)]
        self._at = [one.at for one in transitions]
        # A local time that occurs twice is before the change if its `fold` is 0, like one that is skipped (PEP 495).
        self._first_fold = [one.at + max(one.before, one.after) for one in transitions]
        self._second_fold = [one.at + min(one.before, one.after) for one in transitions]

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return self._offsets[-1]
        changes = self._second_fold if moment.fold else self._first_fold
        return self._offsets[bisect_right(changes, moment.replace(tzinfo=None))]

    def dst(self, _moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return self._name

    def fromutc(self, moment: datetime) -> datetime:
        utc = moment.replace(tzinfo=None)
        index = bisect_right(self._at, utc)
        local = utc + self._offsets[index]
        is_second = index > 0 and local < self._at[index - 1] + self._before[index]
        return local.replace(tzinfo=self, fold=int(is_second))


class TimeZones:
    """Finds the time zones of one file by name."""

    def __init__(self, definitions: Iterable[list[str]]) -> None:
        self._definitions: dict[str, list[str]] = {}
        self._found: dict[str, tzinfo | None] = {}
        for lines in definitions:
            name = next((line.partition(":")[2] for line in lines if property_name(line) == "TZID"), None)
            if name is not None:
                self._definitions.setdefault(_key(name), lines)

    @property
    def names(self) -> list[str]:
        """The names of the zones that the file defines."""
        return list(self._definitions)

    def find(self, name: str) -> tzinfo | None:
        """Returns the time zone with this name, or None if it is unknown."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def iana_name(self, name: str) -> str | None:
        """Returns the IANA name of the time zone with this name, or None if it has none or is unknown."""
        return getattr(self.find(name), "key", None)

    def _find(self, name: str) -> tzinfo | None:
        known, lines = find_zone(name), self._definitions.get(_key(name))
        if lines is None or is_region(name):
            return known
        defined = _read_definition(name, lines)  # takes some 30 ms, so only for a zone that is used
        if known is None or defined is None:
            return known or defined
        is_same = all(one.replace(tzinfo=known).utcoffset() == defined.utcoffset(one) for one in _COMPARED)
        return known if is_same else defined


def computer_zone() -> tzinfo:
    """Returns this computer's time zone, as it is set now."""
    name = computer_zone_name()
    return tzlocal() if name is None else ZoneInfo(name)


def _key(name: str) -> str:
    return name.replace("\\", "").strip().strip('"').strip().casefold()  # a comma may be escaped in one of two places


def _read_definition(name: str, lines: Iterable[str]) -> tzinfo | None:
    """Returns a zone from the lines of its VTIMEZONE, without unreadable observances; None if there are none."""
    alias = ""
    observances: list[list[Property]] = []
    for line in lines:
        with suppress(ValueError):
            found = parse_line(line)
            if found.name == "BEGIN":
                observances.append([])
            elif found.name in ("X-LIC-LOCATION", "TZID-ALIAS-OF"):
                alias = alias or found.value
            elif observances:
                observances[-1].append(found)
    onsets: list[Onset] = []
    for one in observances:
        with suppress(ValueError, LookupError, ArithmeticError):
            onsets += _onsets({it.name: it for it in reversed(one)}, one)
    if not onsets:
        return find_zone(alias)
    onsets = sorted(set(onsets))
    transitions: list[Transition] = []
    offset = onsets[0].before
    for local, before, after in onsets:
        with suppress(OverflowError):
            transitions.append(Transition(local - before, offset, after))
            offset = after
    return FileZone(name, onsets[0].before, [one for one in transitions if one.before != one.after])


class Onset(NamedTuple):
    """A local time at which clocks change, in the offset before."""

    local: datetime
    before: timedelta
    after: timedelta


def _onsets(first: Mapping[str, Property], properties: Iterable[Property]) -> Iterator[Onset]:
    """Yields the onsets of an observance; of its properties that may occur once, `first` has the first."""
    after = _offset(first["TZOFFSETTO"].value)
    before = _offset(first["TZOFFSETFROM"].value) if "TZOFFSETFROM" in first else after
    start = _local(first["DTSTART"].value) if "DTSTART" in first else FIRST_YEAR

    def until(text: str) -> datetime:
        moment = parse_time(text, None)
        if not isinstance(moment, datetime):
            return datetime.combine(moment, time.max)
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None) + before

    yield Onset(start, before, after)
    for one in properties:
        if one.name == "RDATE":
            for text in one.value.split(","):
                yield Onset(_local(text.partition("/")[0]), before, after)
        elif one.name == "RRULE":
            with suppress(RuleIgnored):
                for local in Rule(one.value, start, until).starts(FIRST_YEAR, LAST_YEAR):
                    yield Onset(local, before, after)


def _local(text: str) -> datetime:
    moment = parse_time(text, None)
    if isinstance(moment, datetime):
        return moment.replace(tzinfo=None)
    return datetime.combine(moment, time())


def _offset(text: str) -> timedelta:
    match = _OFFSET.fullmatch("".join(text.split()))
    if match is None:
        raise ValueError(text)
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    if offset >= timedelta(hours=24):
        raise ValueError(text)
    return -offset if sign == "-" else offset
