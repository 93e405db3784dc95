"""Reads the events of an iCalendar file: their times here, their texts and people with the library `icalendar`.

The library would lose an event for a zone's name or a value that it does not expect.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from quopri import decodestring
from typing import Any, Final, NamedTuple

from icalendar import Calendar, Event
from icalendar.prop import vBroken

from sidecar.calendar.ics.lines import TIME_PROPERTIES, Property, parse_line, property_name
from sidecar.calendar.ics.properties import CONFERENCE_PROPERTIES, as_list, integer, text
from sidecar.calendar.ics.times import DAY, Duration, Kind, localize, parse_duration, parse_time
from sidecar.calendar.ics.zones import TimeZones

LIBRARY_ERRORS: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""Exceptions that icalendar and dateutil raise for malformed events (found by fuzzing)."""
ALL_DAY_FLAGS: Final = frozenset(
    {"X-MICROSOFT-CDO-ALLDAYEVENT", "X-MICROSOFT-MSNCALENDAR-ALLDAYEVENT", "X-FUNAMBOL-ALLDAY"}
)
_TIMING: Final = TIME_PROPERTIES | ALL_DAY_FLAGS | {"DURATION", "RRULE", "EXRULE"}
_DETAILS: Final = frozenset(
    {"SUMMARY", "DESCRIPTION", "LOCATION", "URL", "CLASS", "STATUS", "TRANSP", "ORGANIZER", "ATTENDEE", "SEQUENCE"}
)
EVENT_PROPERTIES: Final = _TIMING | _DETAILS | set(CONFERENCE_PROPERTIES)
"""The properties of an event that are read; most lines of a typical file set others."""
CALENDAR_PROPERTIES: Final = frozenset(
    {"X-WR-CALNAME", "X-WR-CALDESC", "X-WR-TIMEZONE", "X-APPLE-CALENDAR-COLOR", "NAME", "DESCRIPTION", "COLOR"}
)
_PERSON_PARAMETERS: Final = ("CN", "EMAIL", "PARTSTAT", "ROLE", "CUTYPE")
_REPEATABLE: Final = TIME_PROPERTIES | {"ATTENDEE", "CONFERENCE", "RRULE", "EXRULE"}
"""Properties of which all are read; of any other only the first is.  Of two starts the first readable one counts."""


class Unreadable(Exception):
    """The event has no start.  The message is a clause that says why."""


class Length(NamedTuple):
    """The length of an event: whole days of the calendar, and then exact seconds (RFC 5545 §3.8.5.3)."""

    days: int = 0
    seconds: int = 0
    end_zone: tzinfo | None = None
    """The zone of the end, if it is not that of the start."""

    def end(self, start: date) -> date:
        """Returns the end of an event; `start` is a date or a time with a zone."""
        if not isinstance(start, datetime):
            return start + timedelta(days=self.days)
        assert start.tzinfo is not None
        if self.days:
            start = localize(start.replace(tzinfo=None) + timedelta(days=self.days), start.tzinfo)
        end = start.astimezone(UTC) + timedelta(seconds=self.seconds)
        return end.astimezone(self.end_zone or start.tzinfo)


@dataclass(slots=True, eq=False)
class FileEvent:
    """An event of a file, which may be a series, or the change of one occurrence."""

    details: Any
    """The component with texts and people."""
    title: str | None
    sequence: int
    start: date
    """A date, a floating time or a time with a zone."""
    length: Length
    kind: Kind
    rules: list[str]
    excluded_rules: list[str]
    added: dict[date, Length]
    """Further starts (RDATE), with the length of the occurrence."""
    excluded: list[date]
    """Starts of occurrences that do not take place (EXDATE)."""
    recurrence_id: date | None
    """The start, by the rule, of the occurrence that this event changes."""
    is_for_following: bool
    """Whether it changes all later occurrences too (RANGE=THISANDFUTURE)."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_series(self) -> bool:
        return bool(self.rules or self.added)

    def localize(self, moment: date) -> date:
        """Returns a date, or the time in a zone; a floating time is in the calendar's zone."""
        if isinstance(moment, datetime) and moment.tzinfo is None:
            return localize(moment, self.kind.calendar_zone)
        return moment


def read_event(lines: Iterable[str], zones: TimeZones, calendar_zone: tzinfo) -> FileEvent:
    """Returns an event, without the values that cannot be read.  Raises `Unreadable`."""
    by_name = _lines_by_name(lines)
    details = _details(by_name)
    reader = _TimeReader(by_name, zones)
    recurrence_id = reader.first("RECURRENCE-ID", "its RECURRENCE-ID cannot be read")
    start = reader.first("DTSTART", "its start cannot be read")
    if start is None and recurrence_id is not None:
        start = recurrence_id  # a cancellation may have nothing else
    if start is None:
        raise Unreadable(next(iter(reader.problems), "it has no start"))
    end = reader.first("DTEND", "its end cannot be read")
    if any(one.value.upper() in ("TRUE", "1") for name in ALL_DAY_FLAGS for one in reader.properties(name)):
        start, end = _without_midnights(start, end, calendar_zone)
    kind = Kind.of(start, calendar_zone)
    length = _length(start, end, reader, kind)
    [*ranges] = [one.parameters.get("RANGE", "").upper() for one in reader.properties("RECURRENCE-ID")]
    return FileEvent(
        details=details,
        title=text(details, "SUMMARY") or None,
        sequence=integer(details.get("SEQUENCE")) or 0,
        start=start,
        length=length,
        kind=kind,
        rules=[one.value for one in reader.properties("RRULE")],
        excluded_rules=[one.value for one in reader.properties("EXRULE")],
        added=_added(reader, kind, length),
        excluded=[moment for moment, _ in reader.all("EXDATE", "a date of EXDATE cannot be read")],
        recurrence_id=recurrence_id,
        is_for_following="THISANDFUTURE" in ranges,
        problems=reader.problems,
    )


def title_of(lines: Iterable[str]) -> str | None:
    """Returns the title of an event that cannot be read."""
    with suppress(*LIBRARY_ERRORS):
        return text(_details(_lines_by_name(lines)), "SUMMARY") or None
    return None


def read_calendar(lines: Iterable[str]) -> Calendar:
    """Returns a calendar without events; properties that cannot be read are missing."""
    calendar = Calendar()
    for line in lines:
        if property_name(line) in CALENDAR_PROPERTIES:
            with suppress(*LIBRARY_ERRORS):
                for name, value in Calendar.from_ical(_component("VCALENDAR", [line])).items():
                    calendar.setdefault(name, value)
    return calendar


def _lines_by_name(lines: Iterable[str]) -> dict[str, list[str]]:
    by_name: dict[str, list[str]] = {}
    for line in lines:
        name = property_name(line)
        if name in EVENT_PROPERTIES and (name in _REPEATABLE or name not in by_name):
            by_name.setdefault(name, []).append(line)
    return by_name


def _details(by_name: dict[str, list[str]]) -> Any:
    """Returns the component without times, and without properties that cannot be read."""
    lines = [_plain(line) for name, group in by_name.items() if name not in _TIMING for line in group]
    try:
        event = Event.from_ical(_component("VEVENT", lines))
    except LIBRARY_ERRORS:
        return Event()
    if not isinstance(event, Event):
        return Event()
    for name, value in list(event.items()):
        values = [one for one in as_list(value) if not isinstance(one, vBroken)]
        if not values:
            del event[name]
        elif len(values) < len(as_list(value)):
            event[name] = values
    return event


def _plain(line: str) -> str:
    """Returns a line without the parameters that are not read, which may be malformed, and without an old encoding."""
    try:
        name, parameters, value = parse_line(line)
    except ValueError:
        return line
    if parameters.get("ENCODING", "").upper() == "QUOTED-PRINTABLE":  # vCalendar 1.0
        with suppress(LookupError, ValueError):
            text = decodestring(value).decode(parameters.get("CHARSET", "utf-8"))
            value = "\\n".join(text.splitlines())
    read = {key: parameters[key].replace('"', "'") for key in _PERSON_PARAMETERS if key in parameters}
    person = "".join(f';{key}="{text}"' for key, text in read.items() if name in ("ATTENDEE", "ORGANIZER"))
    return f"{name}{person}:{value}"


class _TimeReader:
    """Reads the times of one event, and collects what cannot be read."""

    def __init__(self, by_name: dict[str, list[str]], zones: TimeZones) -> None:
        self._by_name = by_name
        self._zones = zones
        self.problems: list[str] = []

    def properties(self, name: str) -> list[Property]:
        found: list[Property] = []
        for line in self._by_name.get(name, ()):
            with suppress(ValueError):
                found.append(parse_line(line))
        return found

    def first(self, name: str, problem: str) -> date | None:
        return next((moment for moment, _ in self.all(name, problem)), None)

    def all(self, name: str, problem: str) -> list[tuple[date, str]]:
        """Returns the times of a property, each with what follows it in a period (RFC 5545 §3.3.9)."""
        found: list[tuple[date, str]] = []
        for one in self.properties(name):
            zone = self._zone(one.parameters.get("TZID"), one.value)
            for item in one.value.replace(";", ",").split(","):
                moment, _, rest = item.partition("/")
                try:
                    value = parse_time(moment, zone)
                    if one.parameters.get("VALUE", "").upper() == "DATE" and _is_midnight(value):
                        value = date(value.year, value.month, value.day)
                    found.append((value, rest))
                except (ValueError, OverflowError):
                    if item.strip():
                        self.problems.append(problem)
        return found

    def end_of_period(self, rest: str, zone: tzinfo | None) -> date | Duration:
        """Reads the end or the duration of a period.  Raises `ValueError`."""
        return parse_duration(rest) if "P" in rest.upper() else parse_time(rest, zone)

    def duration(self) -> Duration | None:
        for one in self.properties("DURATION"):
            with suppress(ValueError):
                return parse_duration(one.value)
            self.problems.append("its duration cannot be read")
        return None

    def _zone(self, name: str | None, value: str) -> tzinfo | None:
        if name is None:
            return None
        zone = self._zones.find(name)
        if zone is None and name and "T" in value.upper() and not value.upper().endswith("Z"):
            problem = f'its time zone "{name[:60]}" is unknown'
            if problem not in self.problems:
                self.problems.append(problem)
        return zone


def _without_midnights(start: date, end: date | None, calendar_zone: tzinfo) -> tuple[date, date | None]:
    """Returns the dates of an event whose times are midnights, which Outlook marks as an all-day event."""
    first = _midnight(start, calendar_zone)
    last = first if end is None else _midnight(end, calendar_zone)
    if first is None or last is None:
        return start, end
    return first, None if end is None else last


def _is_midnight(moment: date) -> bool:
    return isinstance(moment, datetime) and moment.time() == time()


def _midnight(moment: date, calendar_zone: tzinfo) -> date | None:
    """Returns the date that begins at a time, in its own zone or in that of the calendar, or None."""
    if not isinstance(moment, datetime):
        return moment
    for local in (moment, moment if moment.tzinfo is None else moment.astimezone(calendar_zone)):
        if _is_midnight(local):
            return local.date()
        if local.time() >= time(23, 59):
            return local.date() + DAY
    return None


def _length(start: date, end: date | None, reader: _TimeReader, kind: Kind) -> Length:
    duration = None if end is not None else reader.duration()
    if kind.is_date:
        days = 1
        if end is not None:
            days = (kind.day(end) - kind.day(start)).days
        elif duration is not None:
            days = duration.days + -(-duration.seconds // 86_400)
        return Length(days=max(days, 1))  # many write the same date twice for one day
    if end is not None:
        length = _until(start, end, kind)
    elif duration is not None:
        length = Length(*duration)
    else:
        return Length()
    if length.days < 0 or length.days * 86_400 + length.seconds < 0:
        reader.problems.append("its end is before its start")
        return Length()
    return length


def _until(start: date, end: date, kind: Kind) -> Length:
    """Returns the exact length of an event by its end; a date is its midnight in the zone of the start."""
    zone = kind.zone or kind.calendar_zone
    first = localize(kind.local(start), zone)
    is_zoned = isinstance(end, datetime) and end.tzinfo is not None
    last = end if is_zoned else localize(kind.local(end), zone)
    assert isinstance(last, datetime)
    end_zone = last.tzinfo if is_zoned and kind.zone is not None and last.tzinfo is not kind.zone else None
    # In UTC, since the difference of two times in one zone is that of their clocks.
    exact = last.astimezone(UTC) - first.astimezone(UTC)
    return Length(seconds=round(exact / timedelta(seconds=1)), end_zone=end_zone)


def _added(reader: _TimeReader, kind: Kind, length: Length) -> dict[date, Length]:
    added: dict[date, Length] = {}
    for moment, rest in reader.all("RDATE", "a date of RDATE cannot be read"):
        added[moment] = length
        if rest and not kind.is_date and isinstance(moment, datetime):
            with suppress(ValueError, OverflowError):
                end = reader.end_of_period(rest, moment.tzinfo)
                added[moment] = Length(*end) if isinstance(end, Duration) else _until(moment, end, kind)
    return added


def _component(name: str, lines: Iterable[str]) -> str:
    return "\r\n".join([f"BEGIN:{name}", *lines, f"END:{name}", ""])
