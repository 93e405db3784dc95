"""An iCalendar file (RFC 5545) as the rest of the feature knows a calendar: what it is called, and its occurrences.

Pure, but slow: an event takes a millisecond, so call it in a thread.  The libraries take 100 ms to import, so import
this module late.
"""

import hashlib
import logging
import re
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

from icalendar import Calendar, Event, Timezone
from icalendar.error import GloballyUniqueTZIDGuessed
from icalendar.timezone import tzp
from recurring_ical_events import CalendarQuery

from sidecar.calendar import ics_facts as facts
from sidecar.calendar.ics_text import NotACalendar, name_of, pieces_of
from sidecar.calendar.provider import RemoteCalendar, RemoteEvent, Window

log = logging.getLogger(__name__)
warnings.filterwarnings("ignore", category=GloballyUniqueTZIDGuessed)  # the guess is what is wanted

CALENDAR_ID: Final = "ics"
"""A file is one calendar, and needs a name only within its account."""
DAY_S: Final = 86_400
MAX_OCCURRENCES: Final = 50_000
"""More than anybody has in two years; every one of them is a row."""
MAX_STEPS: Final = 200_000
"""A rule that may step more often than that up to the window's end counts once: every hour for twenty years is less,
and each second of a day or two is more than this computer has room for.
"""
STEP_S: Final = {"SECONDLY": 1, "MINUTELY": 60, "HOURLY": 3_600}
WITHIN_STEP: Final = {"SECONDLY": (), "MINUTELY": ("BYSECOND",), "HOURLY": ("BYSECOND", "BYMINUTE")}
WITHIN_DAY: Final = ("BYSECOND", "BYMINUTE", "BYHOUR")
REPEATS: Final = frozenset({"RRULE", "RDATE", "RECURRENCE-ID"})
MANY: Final = frozenset({"ATTENDEE", "EXDATE", "RDATE"})
"""What an event may have several of; of anything else the first one counts."""
STRANGE: Final = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError)
"""What the libraries raise at an event that makes no sense: no end before they have read the standard."""
FOREIGN_ZONES: Final = threading.Lock()
"""icalendar keeps the time zones that files define in one place of the process, by their names; two files may well
mean different things by `Customized Time Zone`.
"""


class Found(NamedTuple):
    """An occurrence before it is described: the component, its id, and its series and place in it where it has one."""

    item: Any
    event_id: str
    uid: str
    original: date | None = None


class IcsCalendar:
    """One file.  Raises `NotACalendar`."""

    def __init__(self, body: bytes) -> None:
        self._pieces = pieces_of(body)
        self._head = _head(self._pieces.calendar)
        self.digest = _digest(self._pieces)
        """The same for the same content: some servers write the time of day into each copy."""

    def describe(self, fallback_name: str) -> RemoteCalendar:
        """The calendar itself; the names of properties are what Google, Apple and Outlook write, and RFC 7986."""
        color = facts.text(self._head, "X-APPLE-CALENDAR-COLOR") or facts.text(self._head, "COLOR") or ""
        return RemoteCalendar(
            calendar_id=CALENDAR_ID,
            name=facts.text(self._head, "X-WR-CALNAME") or facts.text(self._head, "NAME") or fallback_name,
            description=facts.text(self._head, "X-WR-CALDESC") or facts.text(self._head, "DESCRIPTION"),
            is_primary=True,
            access_role="reader",
            background_color=color[:7] if color.startswith("#") else None,
            time_zone=self._zone(),
        )

    def occurrences(
        self, window: Window, zone: tzinfo | None, me: str, check: Callable[[], None] = lambda: None
    ) -> list[RemoteEvent]:
        """What happens in the window; `zone` is where days and times without a zone are, None: where this computer is.

        `me` is the e-mail address of the account's owner.  `check` is called now and then; what it raises ends this.
        Raises `NotACalendar` where there is far too much.
        """
        with FOREIGN_ZONES:
            tzp.use_zoneinfo()  # forgets the zones of other files
            for lines in self._pieces.zones:
                with suppress(*STRANGE):
                    Timezone.from_ical("\r\n".join(["BEGIN:VTIMEZONE", *lines, "END:VTIMEZONE", ""]))
            events, unread = _parsed(self._pieces.events, window, check)
        found: dict[str, RemoteEvent] = {}
        for uid, group in events.items():
            check()
            try:
                for one in _expanded(uid, group, window):
                    event = _described(one, zone, me)
                    if event is not None and window.start_ts - DAY_S < event.end_ts and event.start_ts < window.end_ts:
                        found[event.event_id] = event
            except STRANGE:
                unread += 1
            if len(found) > MAX_OCCURRENCES:
                raise NotACalendar(f"has more than {MAX_OCCURRENCES:,} events in the account's stretch of time")
        if unread:
            log.info("%d events of a calendar file make no sense and were left out", unread)
        return sorted(found.values(), key=lambda one: (one.start_ts, one.event_id))

    def _zone(self) -> str | None:
        """The IANA name of where the calendar is: as it says, or where most of its events are."""
        used = Counter(
            match[1] for lines in self._pieces.events for line in lines if (match := _ZONE.match(line)) is not None
        )
        names = (facts.text(self._head, "X-WR-TIMEZONE") or "", *(name for name, _ in used.most_common(3)))
        with FOREIGN_ZONES:
            tzp.use_zoneinfo()
            zones = [_quiet_zone(name) for name in names if name]
        return next((name for zone in zones if (name := getattr(zone, "key", None)) is not None), None)


_ZONE: Final = re.compile(r'DTSTART[^:]*;TZID="?([^":;]{1,100})', re.IGNORECASE)
_TIMES: Final = re.compile(r"(?:DTSTART|DTEND)[^:]*:(\d{8})", re.IGNORECASE)
_CHANGING: Final = frozenset({"DTSTAMP", "CREATED", "LAST-MODIFIED"})
_HEAD: Final = frozenset(
    {"X-WR-CALNAME", "X-WR-CALDESC", "X-WR-TIMEZONE", "X-APPLE-CALENDAR-COLOR", "NAME", "DESCRIPTION", "COLOR"}
)
_TIMING: Final = REPEATS | {"UID", "DTSTART", "DTEND", "DURATION", "EXDATE", "SEQUENCE", "STATUS", "TRANSP"}
_WORDS: Final = frozenset({"SUMMARY", "DESCRIPTION", "LOCATION", "URL", "CLASS", "ORGANIZER", "ATTENDEE"})
KEPT: Final = _TIMING | _WORDS | frozenset(facts.MEETING_LINKS)
"""The properties of an event that are read; most of a file is others."""


def _quiet_zone(name: str) -> tzinfo | None:
    """A zone by its IANA or Windows name."""
    with suppress(*STRANGE):
        return tzp.timezone(name)
    return None


def _head(lines: Iterable[str]) -> Calendar:
    """The calendar's own properties; one that cannot be read is as if it were not there."""
    head = Calendar()
    for line in lines:
        if name_of(line) not in _HEAD:
            continue
        with suppress(*STRANGE):
            one = Calendar.from_ical(f"BEGIN:VCALENDAR\r\n{line}\r\nEND:VCALENDAR\r\n")
            for name, value in one.items():
                head.setdefault(name, value)
    return head


def _digest(pieces: Any) -> str:
    digest = hashlib.sha256()
    for lines in (pieces.calendar, *pieces.zones, *pieces.events):
        for line in lines:
            if name_of(line) not in _CHANGING:
                digest.update(line.encode() + b"\n")
        digest.update(b"\0")
    return digest.hexdigest()


def _parsed(pieces: Iterable[list[str]], window: Window, check: Callable[[], None]) -> tuple[dict[str, list[Any]], int]:
    """The events that may have to do with the window, by their UIDs, and how many could not be read."""
    first, last = (
        f"{datetime.fromtimestamp(ts, UTC):%Y%m%d}" for ts in (window.start_ts - DAY_S, window.end_ts + DAY_S)
    )
    groups: dict[str, list[Any]] = {}
    unread = 0
    for lines in pieces:
        names = [name_of(line) for line in lines]
        if not REPEATS & set(names) and _lies_outside(names, lines, first, last):
            continue  # to parse it would be most of the work
        check()
        kept: dict[str, list[str]] = {}
        for name, line in zip(names, lines, strict=True):
            if name in KEPT and (name in MANY or name not in kept):
                kept.setdefault(name, []).append(line)
        text = "\r\n".join(["BEGIN:VEVENT", *(line for of_name in kept.values() for line in of_name), "END:VEVENT", ""])
        try:
            event = Event.from_ical(text)
            if not isinstance(event, Event):
                raise TypeError(text)
            uid = facts.text(event, "UID", len(text)) or _made_up_uid(kept)
        except STRANGE:
            unread += 1
        else:
            _tame(event, window)
            groups.setdefault(uid, []).append(event)
    return groups, unread


def _lies_outside(names: Sequence[str], lines: Iterable[str], first: str, last: str) -> bool:
    """Whether an event that does not repeat ends before a day or begins after another; False also if in doubt."""
    days = [match[1] for line in lines if (match := _TIMES.match(line)) is not None]
    times = names.count("DTSTART") + names.count("DTEND")
    return "DURATION" not in names and 0 < len(days) == times and (max(days) < first or min(days) > last)


def _made_up_uid(kept: dict[str, list[str]]) -> str:
    """For an event without: what hardly changes."""
    said = [line for name in ("DTSTART", "RRULE", "SUMMARY") for line in kept.get(name, ())]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _tame(event: Any, window: Window) -> None:
    """Take out rules that nobody could work off."""
    rules = facts.listed(event.get("RRULE"))
    if any(_steps(rule, event, window) > MAX_STEPS for rule in rules):
        del event["RRULE"]


def _steps(rule: Any, event: Any, window: Window) -> float:
    """How often a rule may step from the event's beginning to the window's end."""
    with suppress(*STRANGE):
        frequency = str(rule["FREQ"][0]).upper()
        each = 1
        for name in WITHIN_STEP.get(frequency, WITHIN_DAY):
            each *= max(len(rule.get(name, ())), 1)
        if each == 1 and frequency not in STEP_S:
            return 0
        until = min([window.end_ts, *(facts.seconds(one, UTC) for one in rule.get("UNTIL", ()))])
        begin = facts.seconds(event["DTSTART"].dt, UTC)
        step_s = STEP_S.get(frequency, DAY_S) * max(int(rule.get("INTERVAL", [1])[0]), 1)
        steps = (until - begin) / step_s * each
        if set(rule) <= {"FREQ", "INTERVAL", "COUNT", "WKST"} and "COUNT" in rule:
            return min(steps, int(rule["COUNT"][0]))
        return steps
    return 0


def _expanded(uid: str, group: list[Any], window: Window) -> Iterator[Found]:
    """The occurrences of what has one UID."""
    if not any(REPEATS & set(event) for event in group):
        yield from _single(uid, group)
        return
    shifts = dict(_shifts(group))
    calendar = Calendar()
    calendar.subcomponents = list(group)
    begin, end = (datetime.fromtimestamp(ts, UTC) for ts in (window.start_ts - DAY_S, window.end_ts + DAY_S))
    # Not by way of `of`: it moves what is in UTC into X-WR-TIMEZONE, and fails at one that is no IANA name.
    for item in CalendarQuery(calendar).between(begin, end):
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
