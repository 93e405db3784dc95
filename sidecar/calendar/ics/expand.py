"""Reads an iCalendar file (RFC 5545): the calendar it describes and the occurrences of its events.

Does no I/O but takes about a third of a millisecond per event, so call it in a thread.  Import this module only when a
file is read: its libraries are slow to import.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Final, NamedTuple

from sidecar.calendar.ics import properties, split
from sidecar.calendar.ics.events import LIBRARY_ERRORS, FileEvent, Unreadable, read_calendar, read_event, title_of
from sidecar.calendar.ics.series import Occurrence, Window, occurrences
from sidecar.calendar.ics.zones import TimeZones, computer_zone
from sidecar.calendar.provider import EventProblem, RemoteCalendar, RemoteEvent, TimeRange, stored_attendees
from sidecar.clock import DAY_S

CALENDAR_ID: Final = "ics"
"""A file is its account's only calendar."""
MAX_OCCURRENCES: Final = 50_000
"""Maximum number of occurrences in the time range; each is a row in the database."""
MAX_REASONS: Final = 3
"""Reasons that the report of an event has."""


class Expansion(NamedTuple):
    """The events of a file in a time range."""

    events: list[RemoteEvent]
    """Sorted by start."""
    problems: list[EventProblem]


class IcsCalendar:
    """The calendar of one file.  `charset` is that of the server's answer.  Raises `NotACalendar`."""

    def __init__(self, body: bytes, charset: str | None = None) -> None:
        components = split.components(body, charset)
        self.digest = split.content_digest(components)
        self._properties = read_calendar(components.calendar)
        self._zones = TimeZones(components.time_zones)
        self._groups = split.group_by_uid(components.events)

    def describe(self, fallback_name: str) -> RemoteCalendar:
        """Reads the calendar's properties under the names of Google, Apple and Outlook, and of RFC 7986."""
        read = properties.text
        color = read(self._properties, "X-APPLE-CALENDAR-COLOR") or read(self._properties, "COLOR")
        used_zones = Counter(
            zone for group in self._groups.values() for lines in group if (zone := split.start_zone(lines))
        )
        # Without a time zone of its own, the calendar has that of most of its events, or the only one that it defines.
        names = [read(self._properties, "X-WR-TIMEZONE"), *(name for name, _ in used_zones.most_common(3))]
        if len(self._zones.names) == 1:
            names += self._zones.names
        zones = (self._zones.iana_name(name) for name in names if name)
        return RemoteCalendar(
            calendar_id=CALENDAR_ID,
            name=read(self._properties, "X-WR-CALNAME") or read(self._properties, "NAME") or fallback_name,
            description=read(self._properties, "X-WR-CALDESC") or read(self._properties, "DESCRIPTION") or None,
            is_primary=True,
            access_role="reader",
            background_color=color[:7] if color.startswith("#") else None,
            time_zone=next((name for name in zones if name), None),
        )

    def expand(
        self, time_range: TimeRange, zone: tzinfo | None, owner_email: str, check: Callable[[], None] = lambda: None
    ) -> Expansion:
        """Returns the occurrences that overlap the time range, and the events that could not be read or followed.

        Dates and floating times are in `zone`; None means this computer's zone.  `check` is called between events and
        may raise to stop.  Raises `LimitExceeded`.
        """
        start_ts, end_ts = time_range
        zone = zone or computer_zone()
        # A day wider on each side, since a local day may differ from the UTC day.
        window = Window(*(datetime.fromtimestamp(ts, UTC) for ts in (start_ts - DAY_S, end_ts + DAY_S)))
        first_day, last_day = (f"{moment:%Y%m%d}" for moment in window)
        found: list[RemoteEvent] = []
        problems: list[EventProblem] = []
        # One UID at a time, so that its parsed events are freed before the next: with all of them alive, a garbage
        # collection would block the event loop for a quarter of a second.
        for uid, group in self._groups.items():
            if all(split.is_outside(lines, first_day, last_day) for lines in group):
                continue
            check()
            events = self._read(group, zone, problems)
            remote = [
                event
                for event in _unique(_remote_events(uid, events, window, owner_email, problems))
                if start_ts - DAY_S < event.end_ts and event.start_ts < end_ts
            ]
            problems += (
                EventProblem(event.title, "; ".join([*dict.fromkeys(event.problems)][:MAX_REASONS]), is_skipped=False)
                for event in events
                if event.problems
            )
            found += remote
            if len(found) > MAX_OCCURRENCES:
                raise split.LimitExceeded(f"has more than {MAX_OCCURRENCES:,} events in the account's range of days")
        return Expansion(sorted(found, key=lambda event: (event.start_ts, event.event_id)), problems)

    def _read(self, group: Sequence[list[str]], zone: tzinfo, problems: list[EventProblem]) -> list[FileEvent]:
        """Returns the events of one UID without unreadable ones."""
        events: list[FileEvent] = []
        for lines in group:
            try:
                events.append(read_event(lines, self._zones, zone))
            except Unreadable as error:
                problems.append(EventProblem(title_of(lines), str(error), is_skipped=True))
            except LIBRARY_ERRORS:
                problems.append(EventProblem(title_of(lines), "its times cannot be read", is_skipped=True))
        return events


def _remote_events(
    uid: str, events: Sequence[FileEvent], window: Window, owner_email: str, problems: list[EventProblem]
) -> list[RemoteEvent]:
    """Returns the occurrences of the events of one UID.

    If that fails for all of them together, each event is expanded separately.
    """
    try:
        return list(_convert(uid, events, window, owner_email))
    except LIBRARY_ERRORS:
        if len(events) > 1:
            return [one for event in events for one in _remote_events(uid, [event], window, owner_email, problems)]
        problems += (EventProblem(event.title, "its times cannot be computed", is_skipped=True) for event in events)
        return []


def _convert(uid: str, events: Sequence[FileEvent], window: Window, owner_email: str) -> Iterator[RemoteEvent]:
    for occurrence in occurrences(events, window):
        event = _remote_event(uid, occurrence, owner_email)
        if event is not None:
            yield event


def _unique(events: Sequence[RemoteEvent]) -> Iterator[RemoteEvent]:
    """Yields each event once; different ones with the same id get a digest of what distinguishes them."""
    by_id: dict[str, dict[str, RemoteEvent]] = defaultdict(dict)
    for event in events:
        by_id[event.event_id][_digest(event)] = event
    for event_id, same in by_id.items():
        for digest, event in same.items():
            yield event if len(same) == 1 else event._replace(event_id=f"{event_id}_{digest}")


def _digest(event: RemoteEvent) -> str:
    identity = repr((event.start_ts, event.end_ts, event.title, event.location))
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def _remote_event(uid: str, occurrence: Occurrence, owner_email: str) -> RemoteEvent | None:
    """Returns the event, or None if it is cancelled."""
    event, start, end, original_start, id_start = occurrence
    details = event.details
    read = properties.text
    status = read(details, "STATUS").lower()
    if status in ("cancelled", "canceled"):
        return None
    attendees = [properties.person(it) for it in properties.as_list(details.get("ATTENDEE"))]
    owner = next((it for it in attendees if it["email"].casefold() == owner_email.casefold()), None)
    is_zoned = event.kind.zone is not None
    zone = event.kind.calendar_zone
    return RemoteEvent(
        event_id=properties.event_id(uid, id_start),
        start_ts=properties.timestamp(start, zone),
        end_ts=properties.timestamp(end, zone),
        start_time=properties.iso_text(start, zone),
        end_time=properties.iso_text(end, zone),
        all_day=not isinstance(start, datetime),
        title=event.title,
        description=read(details, "DESCRIPTION", properties.MAX_DESCRIPTION_CHARS) or None,
        location=read(details, "LOCATION") or None,
        conference_url=properties.web_address(details, *properties.CONFERENCE_PROPERTIES),
        visibility={"PRIVATE": "private", "CONFIDENTIAL": "confidential"}.get(read(details, "CLASS").upper()),
        status="tentative" if status == "tentative" else "confirmed",
        organizer=properties.person(details["ORGANIZER"]) if "ORGANIZER" in details else None,
        attendees=stored_attendees(attendees, owner),
        html_link=properties.web_address(details, "URL"),
        time_zone=_iana_name(start) if is_zoned else None,
        transparency="transparent" if read(details, "TRANSP").upper() == "TRANSPARENT" else None,
        response_status=owner["responseStatus"] if owner else None,
        ical_uid=uid[: properties.MAX_TEXT_CHARS],
        recurring_event_id=None if original_start is None else properties.short_uid(uid),
        original_start_time=None if original_start is None else properties.iso_text(original_start, zone),
        sequence=properties.integer(details.get("SEQUENCE")),
    )


def _iana_name(start: date) -> str | None:
    return getattr(start.tzinfo, "key", None) if isinstance(start, datetime) else None
