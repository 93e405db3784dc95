"""Parses the components of an iCalendar file with the library `icalendar`."""

import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import tzinfo
from typing import Any, Final

from icalendar import Calendar, Event, Timezone
from icalendar.error import GloballyUniqueTZIDGuessed
from icalendar.prop import vBroken
from icalendar.timezone import tzp

from sidecar.calendar.ics.properties import CONFERENCE_PROPERTIES, as_list
from sidecar.calendar.ics.split import RECURRENCE_PROPERTIES, property_name

# icalendar warns when it drops the vendor prefix of a TZID such as "/example.org/Europe/Berlin", which is what we
# want.  The filter is global because `warnings.catch_warnings` is not safe in threads, where files are parsed.
warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)

PARSE_ERRORS: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""Exceptions that icalendar, recurring_ical_events and dateutil raise for malformed events (found by fuzzing)."""
REPEATABLE_PROPERTIES: Final = frozenset({"ATTENDEE", "EXDATE", "RDATE", "RRULE"})
"""Properties that an event may have several times; of any other only the first is read."""
_TIMING: Final = RECURRENCE_PROPERTIES | {"UID", "DTSTART", "DTEND", "DURATION", "EXDATE", "SEQUENCE"}
_DETAILS: Final = {"SUMMARY", "DESCRIPTION", "LOCATION", "URL", "CLASS", "STATUS", "TRANSP", "ORGANIZER", "ATTENDEE"}
EVENT_PROPERTIES: Final = _TIMING | _DETAILS | set(CONFERENCE_PROPERTIES)
"""The properties of an event that are parsed; most lines of a typical file set others."""
CALENDAR_PROPERTIES: Final = frozenset(
    {"X-WR-CALNAME", "X-WR-CALDESC", "X-WR-TIMEZONE", "X-APPLE-CALENDAR-COLOR", "NAME", "DESCRIPTION", "COLOR"}
)
# icalendar resolves TZIDs through the process-wide `tzp`, which caches the time zones that files define by name, and
# two files may define different zones of one name ("Customized Time Zone").  The lock keeps threads that parse
# different files from seeing each other's zones; `tzp.use_zoneinfo()` empties the cache.
_tzp_lock: Final = threading.Lock()


def parse_zones(time_zones: Iterable[list[str]]) -> list[Timezone]:
    """Returns the time zones that a file defines under names that are neither IANA's nor Windows'."""
    found: list[Timezone] = []
    with _tzp_lock:
        for lines in time_zones:
            tzp.use_zoneinfo()
            names = [line.partition(":")[2].strip() for line in lines if property_name(line) == "TZID"]
            if not any(map(_find_zone, names)):
                with suppress(*PARSE_ERRORS):
                    zone = Timezone.from_ical(_component("VTIMEZONE", lines))
                    if isinstance(zone, Timezone):
                        found.append(zone)
    return found


@contextmanager
def registered(time_zones: Iterable[Timezone]) -> Iterator[None]:
    """Makes icalendar resolve TZIDs to these time zones, and to no other file's, while events are parsed."""
    with _tzp_lock:
        tzp.use_zoneinfo()
        for zone in time_zones:
            tzp.cache_timezone_component(zone)
        yield


def parse_event(lines: Iterable[str]) -> Any:
    """Returns an event without the properties that cannot be parsed.  Raises one of PARSE_ERRORS."""
    by_name: dict[str, list[str]] = {}
    for line in lines:
        name = property_name(line)
        if name in EVENT_PROPERTIES and (name in REPEATABLE_PROPERTIES or name not in by_name):
            by_name.setdefault(name, []).append(line)
    event = Event.from_ical(_component("VEVENT", [line for group in by_name.values() for line in group]))
    if not isinstance(event, Event):
        raise TypeError(type(event))
    for name, value in list(event.items()):
        values = [one for one in as_list(value) if not isinstance(one, vBroken)]
        if not values:
            del event[name]
        elif len(values) < len(as_list(value)):
            event[name] = values
    return event


def parse_calendar(lines: Iterable[str]) -> Calendar:
    """Returns a calendar without events; properties that cannot be parsed are missing."""
    calendar = Calendar()
    for line in lines:
        if property_name(line) in CALENDAR_PROPERTIES:
            with suppress(*PARSE_ERRORS):
                for name, value in Calendar.from_ical(_component("VCALENDAR", [line])).items():
                    calendar.setdefault(name, value)
    return calendar


def iana_name(names: Iterable[str]) -> str | None:
    """Returns the IANA name of the first of these that is an IANA or Windows name, or None."""
    with _tzp_lock:
        tzp.use_zoneinfo()
        return next((key for name in names if (key := getattr(_find_zone(name), "key", None)) is not None), None)


def _find_zone(name: str) -> tzinfo | None:
    with suppress(*PARSE_ERRORS):
        return tzp.timezone(name)
    return None


def _component(name: str, lines: Iterable[str]) -> str:
    return "\r\n".join([f"BEGIN:{name}", *lines, f"END:{name}", ""])
