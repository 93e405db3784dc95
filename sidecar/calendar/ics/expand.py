"""Reads an iCalendar file (RFC 5545): the calendar it describes and the occurrences of its events.

Does no I/O but takes about a millisecond per event, so call it in a thread.  Import this module only when a file is
read: its libraries are slow to import.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from math import prod
from typing import Any, Final, NamedTuple

from icalendar import Calendar
from recurring_ical_events import CalendarQuery

from sidecar.calendar.ics import properties, split
from sidecar.calendar.ics.parse import PARSE_ERRORS, iana_name, parse_calendar, parse_event, parse_zones, registered
from sidecar.calendar.provider import RemoteCalendar, RemoteEvent, TimeRange
from sidecar.clock import DAY_S

log = logging.getLogger(__name__)

CALENDAR_ID: Final = "ics"
"""A file is its account's only calendar."""
MAX_OCCURRENCES: Final = 50_000
"""Maximum number of occurrences in the time range; each is a row in the database."""
MAX_RULE_STEPS: Final = 200_000
"""A rule that takes more steps up to the end of the time range is ignored: its event happens once.

An hourly rule over twenty years takes fewer; millions of steps would take minutes and much memory.
"""
RULE_STEPS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "SECONDLY": (1, ()),
    "MINUTELY": (60, ("BYSECOND",)),
    "HOURLY": (3_600, ("BYSECOND", "BYMINUTE")),
}
"""FREQ -> length of a step, in seconds, and the parts of a rule that multiply the occurrences within a step."""
DAILY_STEP: Final = (DAY_S, ("BYSECOND", "BYMINUTE", "BYHOUR"))
"""The same for a day, the shortest step of any other FREQ."""


class Occurrence(NamedTuple):
    """An event, or one occurrence of a series, before its conversion to a `RemoteEvent`."""

    event: Any
    event_id: str
    uid: str
    original_start: date | None = None
    """Start by the series' rule; None if the event does not recur."""


class IcsCalendar:
    """The calendar of one file.  Raises `NotACalendar`."""

    def __init__(self, body: bytes) -> None:
        components = split.components(body)
        self.digest = split.content_digest(components)
        self._properties = parse_calendar(components.calendar)
        self._time_zones = parse_zones(components.time_zones)
        self._groups = split.group_by_uid(components.events)

    def describe(self, fallback_name: str) -> RemoteCalendar:
        """Reads the calendar's properties under the names of Google, Apple and Outlook, and of RFC 7986."""
        read = properties.text
        color = read(self._properties, "X-APPLE-CALENDAR-COLOR") or read(self._properties, "COLOR")
        used_zones = Counter(
            zone for group in self._groups.values() for lines in group if (zone := split.start_zone(lines))
        )
        # Without a time zone of its own, the calendar has that of most of its events.
        zones = [read(self._properties, "X-WR-TIMEZONE"), *(name for name, _ in used_zones.most_common(3))]
        return RemoteCalendar(
            calendar_id=CALENDAR_ID,
            name=read(self._properties, "X-WR-CALNAME") or read(self._properties, "NAME") or fallback_name,
            description=read(self._properties, "X-WR-CALDESC") or read(self._properties, "DESCRIPTION") or None,
            is_primary=True,
            access_role="reader",
            background_color=color[:7] if color.startswith("#") else None,
            time_zone=iana_name(name for name in zones if name),
        )

    def occurrences(
        self, time_range: TimeRange, zone: tzinfo | None, owner_email: str, check: Callable[[], None] = lambda: None
    ) -> list[RemoteEvent]:
        """Returns the occurrences that overlap the time range, by start.

        Dates and floating times are in `zone`; None means this computer's zone.  `check` is called between events and
        may raise to stop.  Raises `LimitExceeded`.
        """
        start_ts, end_ts = time_range
        # A day wider on each side, since a local day may differ from the UTC day.
        first, last = (datetime.fromtimestamp(ts, UTC) for ts in (start_ts - DAY_S, end_ts + DAY_S))
        first_day, last_day = f"{first:%Y%m%d}", f"{last:%Y%m%d}"
        found: dict[str, RemoteEvent] = {}
        skipped = 0
        # One UID at a time, so that its parsed events are freed before the next: with all of them alive, a garbage
        # collection would block the event loop for a quarter of a second.
        for uid, group in self._groups.items():
            if all(split.is_outside(lines, first_day, last_day) for lines in group):
                continue
            check()
            events = self._parse(group, end_ts)
            skipped += len(group) - len(events)
            try:
                for occurrence in _expand(uid, events, first, last):
                    event = _remote_event(occurrence, zone, owner_email)
                    if event is not None and start_ts - DAY_S < event.end_ts and event.start_ts < end_ts:
                        found[event.event_id] = event
            except PARSE_ERRORS:
                skipped += 1
            if len(found) > MAX_OCCURRENCES:
                raise split.LimitExceeded(f"has more than {MAX_OCCURRENCES:,} events in the account's range of days")
        if skipped:
            log.info("%d malformed events of a calendar file were skipped", skipped)
        return sorted(found.values(), key=lambda event: (event.start_ts, event.event_id))

    def _parse(self, group: Iterable[list[str]], end_ts: int) -> list[Any]:
        """Returns the events of one UID without malformed ones."""
        events: list[Any] = []
        with registered(self._time_zones):
            for lines in group:
                with suppress(*PARSE_ERRORS):
                    events.append(parse_event(lines))
        for event in events:
            rules = properties.as_list(event.get("RRULE"))
            if any(_rule_steps(rule, event, end_ts) > MAX_RULE_STEPS for rule in rules):
                del event["RRULE"]
        return events


def _rule_steps(rule: Any, event: Any, end_ts: int) -> float:
    """Estimates a rule's steps up to `end_ts`; 0 if they are few or the rule is malformed."""
    with suppress(*PARSE_ERRORS):
        frequency = str(rule["FREQ"][0]).upper()
        interval = int(properties.as_list(rule.get("INTERVAL", 1))[0])
        if interval < 1:  # dateutil would loop forever
            return MAX_RULE_STEPS + 1
        step_s, parts = RULE_STEPS.get(frequency, DAILY_STEP)
        per_step = prod(max(len(rule.get(name, ())), 1) for name in parts)
        if per_step == 1 and frequency not in RULE_STEPS:
            return 0
        until = min([end_ts, *(properties.timestamp(one, UTC) for one in rule.get("UNTIL", ()))])
        start = properties.timestamp(event["DTSTART"].dt, UTC)
        steps = (until - start) / (step_s * interval) * per_step
        if set(rule) <= {"FREQ", "INTERVAL", "COUNT", "WKST"} and "COUNT" in rule:
            return min(steps, int(rule["COUNT"][0]))
        return steps
    return 0


def _expand(uid: str, events: list[Any], first: datetime, last: datetime) -> Iterator[Occurrence]:
    if not events:
        return
    if not any(split.RECURRENCE_PROPERTIES & set(event) for event in events):
        yield from _single_events(uid, events)
        return
    changes = [event for event in events if "RECURRENCE-ID" in event and "RANGE" in event["RECURRENCE-ID"].params]
    shifts = {properties.id_suffix(event["RECURRENCE-ID"].dt): properties.shift(event) for event in changes}
    calendar = Calendar()
    calendar.subcomponents = list(events)
    # Not `recurring_ical_events.of`, which converts UTC times to X-WR-TIMEZONE and fails if that is not an IANA name.
    for event in CalendarQuery(calendar).between(first, last):
        recurrence_id = event["RECURRENCE-ID"]
        original_start = recurrence_id.dt
        if "RANGE" in recurrence_id.params:  # the library gives all of the range the RECURRENCE-ID of its first
            original_start = event["DTSTART"].dt - shifts[properties.id_suffix(original_start)]
        yield Occurrence(event, properties.event_id(uid, original_start), uid, original_start)


def _single_events(uid: str, events: list[Any]) -> Iterator[Occurrence]:
    """Yields events that do not recur: the ones with the highest SEQUENCE.

    Events that start at different times are separate events, written by a program that reuses UIDs.
    """
    latest = max(properties.integer(event.get("SEQUENCE")) or 0 for event in events)
    by_start: dict[str, Any] = {}
    for event in events:
        if (properties.integer(event.get("SEQUENCE")) or 0) == latest:
            with suppress(*PARSE_ERRORS):
                by_start[properties.id_suffix(event["DTSTART"].dt)] = event
    if not by_start:
        raise ValueError(uid)
    for event in by_start.values():
        yield Occurrence(event, properties.event_id(uid, event["DTSTART"].dt if len(by_start) > 1 else None), uid)


def _remote_event(occurrence: Occurrence, zone: tzinfo | None, owner_email: str) -> RemoteEvent | None:
    """Returns the event, or None if it is cancelled."""
    event, original_start = occurrence.event, occurrence.original_start
    read = properties.text
    status = read(event, "STATUS").lower()
    if status == "cancelled":
        return None
    start, end = properties.start_and_end(event)
    attendees = [properties.person(it) for it in properties.as_list(event.get("ATTENDEE"))[: properties.MAX_ATTENDEES]]
    owner = next((it for it in attendees if it["email"].casefold() == owner_email.casefold()), None)
    start_ts = properties.timestamp(start, zone)
    return RemoteEvent(
        event_id=occurrence.event_id,
        start_ts=start_ts,
        end_ts=max(start_ts, properties.timestamp(end, zone)),
        start_time=properties.iso_text(start, zone),
        end_time=properties.iso_text(end, zone),
        all_day=not isinstance(start, datetime),
        title=read(event, "SUMMARY") or None,
        description=read(event, "DESCRIPTION", properties.MAX_DESCRIPTION_CHARS) or None,
        location=read(event, "LOCATION") or None,
        conference_url=properties.web_address(event, *properties.CONFERENCE_PROPERTIES),
        visibility={"PRIVATE": "private", "CONFIDENTIAL": "confidential"}.get(read(event, "CLASS").upper()),
        status="tentative" if status == "tentative" else "confirmed",
        organizer=properties.person(event["ORGANIZER"]) if "ORGANIZER" in event else None,
        attendees=attendees or None,
        html_link=properties.web_address(event, "URL"),
        time_zone=getattr(getattr(start, "tzinfo", None), "key", None),
        transparency="transparent" if read(event, "TRANSP").upper() == "TRANSPARENT" else None,
        response_status=owner["responseStatus"] if owner else None,
        ical_uid=occurrence.uid[: properties.MAX_TEXT_CHARS],
        recurring_event_id=None if original_start is None else properties.short_uid(occurrence.uid),
        original_start_time=None if original_start is None else properties.iso_text(original_start, zone),
        sequence=properties.integer(event.get("SEQUENCE")),
    )
