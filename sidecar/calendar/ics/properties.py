"""Reads properties of parsed iCalendar components: times, texts, people, and the event ids derived from them."""

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from sidecar.calendar.ics.times import localize
from sidecar.days import EPOCH

MAX_TEXT_CHARS: Final = 2_000
"""Maximum length of a title, a location or an address; real ones are far shorter."""
MAX_DESCRIPTION_CHARS: Final = 100_000
"""Ten times Google's limit; a page of events must still fit into one response."""
MAX_UID_CHARS: Final = 400
"""Leaves room for an occurrence's suffix: an event id may have 512 characters."""
RESPONSES: Final = {"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "declined"}
"""PARTSTAT (RFC 5545 §3.2.12) -> Google's `responseStatus`, which rows use for every provider."""
CONFERENCE_PROPERTIES: Final = ("CONFERENCE", "X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")


def as_list(value: Any) -> list[Any]:
    """Returns a property's values; icalendar holds a single one without a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(component: Any, name: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Returns the first value of a property, or ""; without U+0000, which would end the text in SQLite."""
    values = as_list(component.get(name))
    return str(values[0]).replace("\0", "").strip()[:max_chars] if values else ""


def integer(value: Any) -> int | None:
    """Returns a property as an integer, clamped to 32 bits, or None if it is not one."""
    with suppress(TypeError, ValueError):
        return max(min(int(value), 2**31), -(2**31))
    return None


def web_address(component: Any, *names: str) -> str | None:
    """Returns the first value of these properties that is an http or https URL, or None."""
    values = (
        str(value).replace("\0", "").strip()[:MAX_TEXT_CHARS]
        for name in names
        for value in as_list(component.get(name))
    )
    return next((value for value in values if value.startswith(("https://", "http://"))), None)


def person(value: Any) -> dict[str, Any]:
    """Converts an ORGANIZER or ATTENDEE to Google's form, which rows use for every provider."""
    params = getattr(value, "params", {})
    address = str(value)
    if address[:7].lower() == "mailto:":
        address = address[7:]
    elif email := str(params.get("EMAIL", "")):  # iCloud's value is the path of a person (RFC 7986 §6.2)
        address = email
    found: dict[str, Any] = {
        "email": address.replace("\0", "")[:MAX_TEXT_CHARS],
        "displayName": str(params.get("CN", "")).replace("\0", "")[:MAX_TEXT_CHARS] or None,
        "responseStatus": RESPONSES.get(str(params.get("PARTSTAT", "")).upper(), "needsAction"),
        "optional": str(params.get("ROLE", "")).upper() == "OPT-PARTICIPANT" or None,
        "resource": str(params.get("CUTYPE", "")).upper() in ("RESOURCE", "ROOM") or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def timestamp(moment: date, zone: tzinfo) -> int:
    """Returns seconds since 1970; a date counts from its midnight.  For `zone`, see `_localize`."""
    return int((_localize(moment, zone) - EPOCH) / timedelta(seconds=1))


def iso_text(moment: date, zone: tzinfo) -> str:
    """Returns ISO 8601: a date, or a time with its UTC offset.  For `zone`, see `_localize`."""
    return _localize(moment, zone).isoformat() if isinstance(moment, datetime) else moment.isoformat()


def id_suffix(moment: date) -> str:
    """Returns a date, a floating time or a UTC time in ISO 8601's basic format, as Google's occurrence ids have it."""
    if not isinstance(moment, datetime):
        return f"{moment:%Y%m%d}"
    if moment.tzinfo is None:
        return f"{moment:%Y%m%dT%H%M%S}"
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def event_id(uid: str, original_start: date | None) -> str:
    """Returns the id of an event, or of an occurrence by its start before it was moved."""
    return short_uid(uid) if original_start is None else f"{short_uid(uid)}_{id_suffix(original_start)}"


def short_uid(uid: str) -> str:
    """Returns the UID, or its digest if it is longer than MAX_UID_CHARS."""
    return uid if len(uid) <= MAX_UID_CHARS else hashlib.sha256(uid.encode()).hexdigest()


def _localize(moment: date, zone: tzinfo) -> datetime:
    """Interprets dates and floating times in `zone`."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment if moment.tzinfo is not None else localize(moment, zone)
