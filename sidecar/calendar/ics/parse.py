"""The pieces of an iCalendar file as components, by the library `icalendar`."""

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

from sidecar.calendar.ics.properties import MEETING_LINKS, listed
from sidecar.calendar.ics.split import REPEATS, name_of

warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)  # the guess is what is wanted

STRANGE: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""What the libraries raise at an event that makes no sense: no end before they have read the standard."""
MANY: Final = frozenset({"ATTENDEE", "EXDATE", "RDATE", "RRULE"})
"""What an event may have several of; of anything else the first one counts."""
_TIMING: Final = REPEATS | {"UID", "DTSTART", "DTEND", "DURATION", "EXDATE", "SEQUENCE", "STATUS", "TRANSP"}
_WORDS: Final = frozenset({"SUMMARY", "DESCRIPTION", "LOCATION", "URL", "CLASS", "ORGANIZER", "ATTENDEE"})
KEPT: Final = _TIMING | _WORDS | frozenset(MEETING_LINKS)
"""The properties of an event that are read; most of a file is others."""
HEAD: Final = frozenset(
    {"X-WR-CALNAME", "X-WR-CALDESC", "X-WR-TIMEZONE", "X-APPLE-CALENDAR-COLOR", "NAME", "DESCRIPTION", "COLOR"}
)
_FOREIGN: Final = threading.Lock()


class OwnZones:
    """The time zones that a file defines itself, where their names say nothing.

    icalendar keeps such zones in one place of the process, by their names; two files may well mean different things by
    `Customized Time Zone`.
    """

    def __init__(self, zones: Iterable[list[str]]) -> None:
        self._zones: list[Timezone] = []
        with _FOREIGN:
            for lines in zones:
                tzp.use_zoneinfo()  # forgets the zones of other files, and of the one before
                names = [line.partition(":")[2].strip() for line in lines if name_of(line) == "TZID"]
                if not any(map(_named, names)):
                    with suppress(*STRANGE):
                        zone = Timezone.from_ical(_component("VTIMEZONE", lines))
                        if isinstance(zone, Timezone):
                            self._zones.append(zone)

    @contextmanager
    def known(self) -> Iterator[None]:
        """Parse with these, and with those of no other file."""
        with _FOREIGN:
            tzp.use_zoneinfo()
            for zone in self._zones:
                tzp.cache_timezone_component(zone)
            yield


def event_of(lines: Iterable[str]) -> Any:
    """An event, without what of it could not be read.  Raises one of STRANGE."""
    kept: dict[str, list[str]] = {}
    for line in lines:
        name = name_of(line)
        if name in KEPT and (name in MANY or name not in kept):
            kept.setdefault(name, []).append(line)
    event = Event.from_ical(_component("VEVENT", [line for named in kept.values() for line in named]))
    if not isinstance(event, Event):
        raise TypeError(type(event))
    for name, value in list(event.items()):
        values = [one for one in listed(value) if not isinstance(one, vBroken)]
        if not values:
            del event[name]
        elif len(values) < len(listed(value)):
            event[name] = values
    return event


def head_of(lines: Iterable[str]) -> Calendar:
    """The calendar's own properties; one that cannot be read is as if it were not there."""
    head = Calendar()
    for line in lines:
        if name_of(line) in HEAD:
            with suppress(*STRANGE):
                for name, value in Calendar.from_ical(_component("VCALENDAR", [line])).items():
                    head.setdefault(name, value)
    return head


def iana_name(names: Iterable[str]) -> str | None:
    """The first of these IANA and Windows names that is one, as IANA has it."""
    with _FOREIGN:
        tzp.use_zoneinfo()
        return next((key for name in names if (key := getattr(_named(name), "key", None)) is not None), None)


def _named(name: str) -> tzinfo | None:
    with suppress(*STRANGE):
        return tzp.timezone(name)
    return None


def _component(name: str, lines: Iterable[str]) -> str:
    return "\r\n".join([f"BEGIN:{name}", *lines, f"END:{name}", ""])
