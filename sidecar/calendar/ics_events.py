"""An iCalendar file (RFC 5545) as the rest of the feature knows a calendar: what it is called, and its occurrences.

Pure, but not quick: a large file takes seconds, so call it in a thread.  Its two libraries take 100 ms to import, so
import this module late.
"""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final

import recurring_ical_events
from icalendar import Calendar, Event

from sidecar.calendar.provider import RemoteCalendar, RemoteEvent, Window
from sidecar.calendar.zones import known_zone, zone_of

CALENDAR_ID: Final = "ics"
"""A file is one calendar, and needs a name only within its account."""
MAX_OCCURRENCES: Final = 50_000
"""More than anybody has in two years; a rule without end could make any number."""
TOO_OFTEN: Final = frozenset({"SECONDLY", "MINUTELY"})
"""No person's calendar repeats like that, and a day of it is 86,400 occurrences: only the first one is taken."""
MAX_ATTENDEES: Final = 300
ID_CHARS: Final = 400
"""An id of the wire has at most 512 characters, with the stamp of the occurrence."""
ANSWERS: Final = {
    "NEEDS-ACTION": "needsAction",
    "ACCEPTED": "accepted",
    "DECLINED": "declined",
    "TENTATIVE": "tentative",
    "DELEGATED": "declined",
}
"""PARTSTAT (RFC 5545 §3.2.12) in the words that the calendar's rows have."""
MEETING_LINKS: Final = ("X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL", "CONFERENCE")


class NotACalendar(Exception):
    """The text is no iCalendar file, or was cut off."""


class IcsCalendar:
    """One parsed file.  Raises `NotACalendar`."""

    def __init__(self, body: bytes) -> None:
        text = body.decode("utf-8-sig", "replace").strip()
        if not text[:15].upper() == "BEGIN:VCALENDAR":
            raise NotACalendar("it does not begin as an iCalendar file does")
        if not text[-13:].upper() == "END:VCALENDAR":  # nothing else would tell a cut file from a short one
            raise NotACalendar("it is cut off")
        try:
            self._calendar = Calendar.from_ical(text)
        except ValueError:
            raise NotACalendar("it cannot be read as an iCalendar file") from None
        self._events = [one for one in self._calendar.walk("VEVENT") if isinstance(one, Event)]
        self._series = set(_repeating(self._events))

    def describe(self, fallback_name: str) -> RemoteCalendar:
        """The calendar itself; the names of properties are what Google, Apple and Outlook write, and RFC 7986."""
        return RemoteCalendar(
            calendar_id=CALENDAR_ID,
            name=self._text("X-WR-CALNAME") or self._text("NAME") or fallback_name,
            description=self._text("X-WR-CALDESC") or self._text("DESCRIPTION"),
            is_primary=True,
            access_role="reader",
            background_color=(self._text("X-APPLE-CALENDAR-COLOR") or self._text("COLOR") or "")[:7] or None,
            time_zone=self._zone(),
        )

    def occurrences(self, window: Window, zone: str, me: str) -> list[RemoteEvent]:
        """What happens in the window, in order; `me` is the e-mail address of the account's owner."""
        query = recurring_ical_events.of(self._calendar, skip_bad_series=True)
        found: dict[str, RemoteEvent] = {}
        for occurrence in islice(query.after(datetime.fromtimestamp(window.start_ts, UTC)), MAX_OCCURRENCES):
            event = self._event(occurrence, zone, me)
            if event is None:
                continue
            if event.start_ts >= window.end_ts:
                break
            found[event.event_id] = event
        return list(found.values())

    def _event(self, item: Any, zone: str, me: str) -> RemoteEvent | None:
        status = _text(item, "STATUS", "CONFIRMED").lower()
        if status == "cancelled":
            return None
        start, end = item.start, item.end
        uid = _text(item, "UID") or hashlib.sha256(item.to_ical()).hexdigest()
        original = item["RECURRENCE-ID"].dt if uid in self._series and "RECURRENCE-ID" in item else None
        attendees = [_person(one) for one in _listed(item.get("ATTENDEE"))][:MAX_ATTENDEES]
        mine = next((one for one in attendees if one["email"].casefold() == me.casefold()), None)
        link = _text(item, "URL")
        return RemoteEvent(
            event_id=_event_id(uid, original),
            start_ts=_seconds(start, zone),
            end_ts=max(_seconds(start, zone), _seconds(end, zone)),
            start_time=_said(start, zone),
            end_time=_said(end, zone),
            all_day=not isinstance(start, datetime),
            title=_text(item, "SUMMARY") or None,
            description=_text(item, "DESCRIPTION") or None,
            location=_text(item, "LOCATION") or None,
            conference_url=next((text for name in MEETING_LINKS if _is_link(text := _text(item, name))), None),
            visibility={"PRIVATE": "private", "CONFIDENTIAL": "confidential"}.get(_text(item, "CLASS").upper()),
            status=status if status in ("confirmed", "tentative") else "confirmed",
            organizer=_person(item["ORGANIZER"]) if "ORGANIZER" in item else None,
            attendees=attendees or None,
            html_link=link if _is_link(link) else None,
            time_zone=getattr(getattr(start, "tzinfo", None), "key", None),
            transparency="transparent" if _text(item, "TRANSP").upper() == "TRANSPARENT" else None,
            response_status=mine["responseStatus"] if mine else None,
            ical_uid=uid,
            recurring_event_id=uid[:ID_CHARS] if original is not None else None,
            original_start_time=None if original is None else _said(original, zone),
            sequence=_number(item.get("SEQUENCE")),
        )

    def _text(self, name: str) -> str | None:
        return _text(self._calendar, name) or None

    def _zone(self) -> str | None:
        """The calendar's own time zone: as it says, or as its events' are defined."""
        defined = (_text(one, "TZID") for one in self._calendar.walk("VTIMEZONE"))
        return next((name for name in (_text(self._calendar, "X-WR-TIMEZONE"), *defined) if known_zone(name)), None)


def _repeating(events: Iterable[Event]) -> Iterator[str]:
    """The UIDs of series; a rule that nobody could look through is taken out on the way."""
    for event in events:
        rules = _listed(event.get("RRULE"))
        if any(TOO_OFTEN & {str(part).upper() for part in rule.get("FREQ", ())} for rule in rules):
            del event["RRULE"]
        if any(name in event for name in ("RRULE", "RDATE", "RECURRENCE-ID")):
            yield _text(event, "UID")


def _event_id(uid: str, original: date | None) -> str:
    """An occurrence is known by when it was to begin, wherever it was moved to; as Google names them."""
    short = uid if len(uid) <= ID_CHARS else hashlib.sha256(uid.encode()).hexdigest()
    if original is None:
        return short
    if not isinstance(original, datetime):
        return f"{short}_{original:%Y%m%d}"
    moment = original if original.tzinfo is None else original.astimezone(UTC)
    return f"{short}_{moment:%Y%m%dT%H%M%S}{'' if original.tzinfo is None else 'Z'}"


def _seconds(moment: date, zone: str) -> int:
    """Seconds since 1970; a date is its midnight in the account's zone, and a time without a zone is in it too."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    placed = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone_of(zone))
    return int((placed - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))


def _said(moment: date, zone: str) -> str:
    """ISO 8601: a plain date, or a time with its offset."""
    if isinstance(moment, datetime) and moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(zone))
    return moment.isoformat()


def _person(value: Any) -> dict[str, Any]:
    """An organizer or attendee in the words that the calendar's rows have."""
    params = getattr(value, "params", {})
    email = str(value).removeprefix("mailto:").removeprefix("MAILTO:")
    answer = ANSWERS.get(str(params.get("PARTSTAT", "")).upper(), "needsAction")
    person: dict[str, Any] = {
        "email": email,
        "displayName": str(params.get("CN", "")) or None,
        "responseStatus": answer,
    }
    if str(params.get("ROLE", "")).upper() == "OPT-PARTICIPANT":
        person["optional"] = True
    if str(params.get("CUTYPE", "")).upper() in ("RESOURCE", "ROOM"):
        person["resource"] = True
    return {name: said for name, said in person.items() if said is not None}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _text(component: Any, name: str, otherwise: str = "") -> str:
    """A property as text; the first where there are several.  U+0000 would end the text in SQLite."""
    values = _listed(component.get(name))
    return str(values[0]).replace("\0", "").strip() if values else otherwise


def _number(value: Any) -> int | None:
    with suppress(TypeError, ValueError):
        return int(value)
    return None


def _is_link(text: str) -> bool:
    return text.startswith(("https://", "http://"))
