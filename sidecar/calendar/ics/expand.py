"""An iCalendar file (RFC 5545) as the rest of the feature knows a calendar: what it is called, and its occurrences.

Pure, but slow: an event takes a millisecond, so call it in a thread.  The libraries take 100 ms to import, so import
this module late.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

from icalendar import Calendar
from recurring_ical_events import CalendarQuery

from sidecar.calendar.ics import properties as facts
from sidecar.calendar.ics.parse import STRANGE, OwnZones, event_of, head_of, iana_name
from sidecar.calendar.ics.split import REPEATS, TooMuch, by_uid, digest_of, lies_outside, pieces_of, zone_named
from sidecar.calendar.provider import RemoteCalendar, RemoteEvent, TimeRange
from sidecar.clock import DAY_S

log = logging.getLogger(__name__)

CALENDAR_ID: Final = "ics"
"""A file is one calendar, and needs a name only within its account."""
MAX_OCCURRENCES: Final = 50_000
"""More than anybody has in two years; every one of them is a row."""
MAX_STEPS: Final = 200_000
"""A rule that may step more often than that up to the window's end counts once: every hour for twenty years is less,
and each second of a day or two is more than this computer has room for.
"""
STEP_S: Final = {"SECONDLY": 1, "MINUTELY": 60, "HOURLY": 3_600}
WITHIN_STEP: Final = {"SECONDLY": (), "MINUTELY": ("BYSECOND",), "HOURLY": ("BYSECOND", "BYMINUTE")}
WITHIN_DAY: Final = ("BYSECOND", "BYMINUTE", "BYHOUR")


class Found(NamedTuple):
    """An occurrence before it is described: the component, its id, and its series and place in it where it has one."""

    item: Any
    event_id: str
    uid: str
    original: date | None = None


class IcsCalendar:
    """One file.  Raises `NotACalendar`."""

    def __init__(self, body: bytes) -> None:
        pieces = pieces_of(body)
        self.digest = digest_of(pieces)
        self._head = head_of(pieces.calendar)
        self._zones = OwnZones(pieces.zones)
        self._groups = by_uid(pieces.events)

    def describe(self, fallback_name: str) -> RemoteCalendar:
        """The calendar itself; the names of properties are what Google, Apple and Outlook write, and RFC 7986."""
        color = facts.text(self._head, "X-APPLE-CALENDAR-COLOR") or facts.text(self._head, "COLOR") or ""
        used = Counter(zone for group in self._groups.values() for lines in group if (zone := zone_named(lines)))
        zones = [facts.text(self._head, "X-WR-TIMEZONE"), *(name for name, _ in used.most_common(3))]
        return RemoteCalendar(
            calendar_id=CALENDAR_ID,
            name=facts.text(self._head, "X-WR-CALNAME") or facts.text(self._head, "NAME") or fallback_name,
            description=facts.text(self._head, "X-WR-CALDESC") or facts.text(self._head, "DESCRIPTION") or None,
            is_primary=True,
            access_role="reader",
            background_color=color[:7] if color.startswith("#") else None,
            time_zone=iana_name(name for name in zones if name),  # else where most of its events are
        )

    def occurrences(
        self, window: TimeRange, zone: tzinfo | None, me: str, check: Callable[[], None] = lambda: None
    ) -> list[RemoteEvent]:
        """What happens in the window; `zone` is where days and times without a zone are, None: where this computer is.

        `me` is the e-mail address of the account's owner.  `check` is called now and then; what it raises ends this.
        Raises `TooMuch`.
        """
        first, last = (f"{moment:%Y%m%d}" for moment in _widened(window))
        found: dict[str, RemoteEvent] = {}
        unread = 0
        # One by one, so that what was parsed is gone soon: to look through much of it, the garbage collector would
        # stop the loop for a quarter of a second.
        for uid, group in self._groups.items():
            if all(lies_outside(lines, first, last) for lines in group):
                continue
            check()
            events, lost = self._parsed(group, window)
            unread += lost
            try:
                for one in _expanded(uid, events, window):
                    event = _described(one, zone, me)
                    if event is not None and window.start_ts - DAY_S < event.end_ts and event.start_ts < window.end_ts:
                        found[event.event_id] = event
            except STRANGE:
                unread += 1
            if len(found) > MAX_OCCURRENCES:
                raise TooMuch(f"has more than {MAX_OCCURRENCES:,} events in the account's stretch of time")
        if unread:
            log.info("%d events of a calendar file make no sense and were left out", unread)
        return sorted(found.values(), key=lambda one: (one.start_ts, one.event_id))

    def _parsed(self, group: Iterable[list[str]], window: TimeRange) -> tuple[list[Any], int]:
        """The events of one UID, and how many could not be read."""
        events: list[Any] = []
        lost = 0
        with self._zones.known():
            for lines in group:
                try:
                    events.append(event_of(lines))
                except STRANGE:
                    lost += 1
        for event in events:
            if any(_steps(rule, event, window) > MAX_STEPS for rule in facts.listed(event.get("RRULE"))):
                del event["RRULE"]
        return events, lost


def _widened(window: TimeRange) -> tuple[datetime, datetime]:
    """The window and a day on either side: wherever a time is, it lies within if it may."""
    return datetime.fromtimestamp(window.start_ts - DAY_S, UTC), datetime.fromtimestamp(window.end_ts + DAY_S, UTC)


def _steps(rule: Any, event: Any, window: TimeRange) -> float:
    """How often a rule may step from the event's beginning to the window's end."""
    with suppress(*STRANGE):
        frequency = str(rule["FREQ"][0]).upper()
        interval = int(facts.listed(rule.get("INTERVAL", 1))[0])
        if interval < 1:  # dateutil would never come to an end
            return MAX_STEPS + 1
        each = 1
        for name in WITHIN_STEP.get(frequency, WITHIN_DAY):
            each *= max(len(rule.get(name, ())), 1)
        if each == 1 and frequency not in STEP_S:
            return 0
        until = min([window.end_ts, *(facts.seconds(one, UTC) for one in rule.get("UNTIL", ()))])
        begin = facts.seconds(event["DTSTART"].dt, UTC)
        step_s = STEP_S.get(frequency, DAY_S) * interval
        steps = (until - begin) / step_s * each
        if set(rule) <= {"FREQ", "INTERVAL", "COUNT", "WKST"} and "COUNT" in rule:
            return min(steps, int(rule["COUNT"][0]))
        return steps
    return 0


def _expanded(uid: str, group: list[Any], window: TimeRange) -> Iterator[Found]:
    """The occurrences of what has one UID."""
    if not group:
        return
    if not any(REPEATS & set(event) for event in group):
        yield from _single(uid, group)
        return
    shifts = dict(_shifts(group))
    calendar = Calendar()
    calendar.subcomponents = list(group)
    # Not by way of `of`: it moves what is in UTC into X-WR-TIMEZONE, and fails at one that is no IANA name.
    for item in CalendarQuery(calendar).between(*_widened(window)):
        known = item["RECURRENCE-ID"]
        original = known.dt
        if "RANGE" in known.params:  # of all that follow, each has the id of the one where it began
            original = item["DTSTART"].dt - shifts[facts.stamp(original)]
        yield Found(item, facts.event_id(uid, original), uid, original)


def _shifts(group: Iterable[Any]) -> Iterator[tuple[str, timedelta]]:
    """By how much each "this and all following" was moved."""
    for event in group:
        if "RECURRENCE-ID" in event and "RANGE" in event["RECURRENCE-ID"].params:
            original = event["RECURRENCE-ID"].dt
            yield facts.stamp(original), facts.comparable(event["DTSTART"].dt) - facts.comparable(original)


def _single(uid: str, group: list[Any]) -> Iterator[Found]:
    """What does not repeat.  Of revisions the last; those that begin at different times are events of a program that
    does not know what a UID is.
    """
    latest = max(facts.number(event.get("SEQUENCE")) or 0 for event in group)
    by_start: dict[str, Any] = {}
    for event in group:
        if (facts.number(event.get("SEQUENCE")) or 0) == latest:
            with suppress(*STRANGE):
                by_start[facts.stamp(event["DTSTART"].dt)] = event
    if not by_start:
        raise ValueError(uid)
    for event in by_start.values():
        yield Found(event, facts.event_id(uid, event["DTSTART"].dt if len(by_start) > 1 else None), uid)


def _described(one: Found, zone: tzinfo | None, me: str) -> RemoteEvent | None:
    item = one.item
    status = facts.text(item, "STATUS").lower()
    if status == "cancelled":
        return None
    start, end = facts.span(item)
    attendees = [facts.person(who) for who in facts.listed(item.get("ATTENDEE"))[: facts.MAX_ATTENDEES]]
    mine = next((who for who in attendees if who["email"].casefold() == me.casefold()), None)
    begins = facts.seconds(start, zone)
    return RemoteEvent(
        event_id=one.event_id,
        start_ts=begins,
        end_ts=max(begins, facts.seconds(end, zone)),
        start_time=facts.said(start, zone),
        end_time=facts.said(end, zone),
        all_day=not isinstance(start, datetime),
        title=facts.text(item, "SUMMARY") or None,
        description=facts.text(item, "DESCRIPTION", facts.MAX_DESCRIPTION) or None,
        location=facts.text(item, "LOCATION") or None,
        conference_url=facts.link(item, *facts.MEETING_LINKS),
        visibility={"PRIVATE": "private", "CONFIDENTIAL": "confidential"}.get(facts.text(item, "CLASS").upper()),
        status="tentative" if status == "tentative" else "confirmed",
        organizer=facts.person(item["ORGANIZER"]) if "ORGANIZER" in item else None,
        attendees=attendees or None,
        html_link=facts.link(item, "URL"),
        time_zone=getattr(getattr(start, "tzinfo", None), "key", None),
        transparency="transparent" if facts.text(item, "TRANSP").upper() == "TRANSPARENT" else None,
        response_status=mine["responseStatus"] if mine else None,
        ical_uid=one.uid[: facts.MAX_TEXT],
        recurring_event_id=None if one.original is None else facts.short_uid(one.uid),
        original_start_time=None if one.original is None else facts.said(one.original, zone),
        sequence=facts.number(item.get("SEQUENCE")),
    )
