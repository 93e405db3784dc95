"""What single properties of an iCalendar event say: times, texts, people, and the ids that are made of them."""

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

MAX_TEXT: Final = 2_000
"""Of a title, a place, an address; nobody writes more on purpose."""
MAX_DESCRIPTION: Final = 100_000
"""Ten times what Google lets one write; a page of events has to fit into an answer."""
MAX_ATTENDEES: Final = 300
ID_CHARS: Final = 400
"""An id of the wire has at most 512 characters, with the stamp of the occurrence."""
ANSWERS: Final = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "declined"}
"""PARTSTAT (RFC 5545 §3.2.12) in the words that the calendar's rows have."""
MEETING_LINKS: Final = ("CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def listed(value: Any) -> list[Any]:
    """A property's values, however often it stands there."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(component: Any, name: str, most: int = MAX_TEXT) -> str:
    """A property as text, the first where there are several.  U+0000 would end the text in SQLite."""
    values = listed(component.get(name))
    return str(values[0]).replace("\0", "").strip()[:most] if values else ""


def number(value: Any) -> int | None:
    """A property as a number that SQLite can hold."""
    with suppress(TypeError, ValueError):
        return max(min(int(value), 2**31), -(2**31))
    return None


def link(component: Any, *names: str) -> str | None:
    """The first of these properties that is a web address."""
    found = (text(component, name) for name in names)
    return next((one for one in found if one.startswith(("https://", "http://"))), None)


def person(value: Any) -> dict[str, Any]:
    """An organizer or attendee in the words that the calendar's rows have."""
    params = getattr(value, "params", {})
    address = str(value).replace("\0", "")[:MAX_TEXT]
    known: dict[str, Any] = {
        "email": address[7:] if address[:7].lower() == "mailto:" else address,
        "displayName": str(params.get("CN", "")).replace("\0", "")[:MAX_TEXT] or None,
        "responseStatus": ANSWERS.get(str(params.get("PARTSTAT", "")).upper(), "needsAction"),
        "optional": str(params.get("ROLE", "")).upper() == "OPT-PARTICIPANT" or None,
        "resource": str(params.get("CUTYPE", "")).upper() in ("RESOURCE", "ROOM") or None,
    }
    return {name: said for name, said in known.items() if said is not None}


def span(item: Any) -> tuple[date, date]:
    """When it begins and ends: two dates, or two times."""
    start = item["DTSTART"].dt
    if not isinstance(start, date):
        raise TypeError("a beginning that is neither a date nor a time")
    lasts = item["DURATION"].dt if "DURATION" in item else timedelta(0)
    end = item["DTEND"].dt if "DTEND" in item else start + lasts
    if not isinstance(start, datetime):
        end = end.date() if isinstance(end, datetime) else end
        return start, max(end, start + timedelta(days=1))
    return start, end if isinstance(end, datetime) else datetime.combine(end, time(), start.tzinfo)


def seconds(moment: date, zone: tzinfo | None) -> int:
    """Seconds since 1970; a date is its midnight."""
    return int((_placed(moment, zone) - EPOCH) / timedelta(seconds=1))


def said(moment: date, zone: tzinfo | None) -> str:
    """ISO 8601: a plain date, or a time with its offset."""
    return _placed(moment, zone).isoformat() if isinstance(moment, datetime) else moment.isoformat()


def stamp(moment: date) -> str:
    """The same for the same moment, in letters that an id may have."""
    if not isinstance(moment, datetime):
        return f"{moment:%Y%m%d}"
    if moment.tzinfo is None:
        return f"{moment:%Y%m%dT%H%M%S}"
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def event_id(uid: str, original: date | None) -> str:
    """An occurrence is known by when it was to begin, wherever it was moved to; as Google names them."""
    return short_uid(uid) if original is None else f"{short_uid(uid)}_{stamp(original)}"


def short_uid(uid: str) -> str:
    """A UID, or what stands for one that is too long."""
    return uid if len(uid) <= ID_CHARS else hashlib.sha256(uid.encode()).hexdigest()


def comparable(moment: date) -> datetime:
    """What can be subtracted from another of its kind, by the clock on the wall."""
    moment = moment if isinstance(moment, datetime) else datetime.combine(moment, time())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _placed(moment: date, zone: tzinfo | None) -> datetime:
    """A time that says its zone; else it is in the given one, or, where that is None, where this computer is."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if moment.tzinfo is not None:
        return moment
    return moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
