"""Google's calendars and events (Calendar API v3) as the rest of the feature knows them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from sidecar.calendar.provider import RemoteCalendar, RemoteEvent
from sidecar.clock import DAY_S
from sidecar.days import zone_or_utc

MAX_ATTENDEES: Final = 300
"""Google shows no more in its own interface; an all-hands would be a megabyte."""
FIELDS: Final = (
    "id,status,summary,description,location,start,end,visibility,transparency,eventType,iCalUID,sequence,htmlLink,"
    "recurringEventId,originalStartTime,hangoutLink,conferenceData/entryPoints(entryPointType,uri),"
    "organizer(email,displayName,self),attendees(email,displayName,self,responseStatus,organizer,resource,optional)"
)
"""What is asked for of an event."""


def calendar(entry: Mapping[str, Any]) -> RemoteCalendar:
    """An entry of the calendar list.  What the user has hidden at Google is not selected here."""
    return RemoteCalendar(
        calendar_id=str(entry["id"]),
        name=_text(entry.get("summaryOverride")) or _text(entry.get("summary")) or str(entry["id"]),
        description=_text(entry.get("description")),
        is_primary=entry.get("primary") is True,
        access_role=_text(entry.get("accessRole")),
        background_color=_text(entry.get("backgroundColor")),
        foreground_color=_text(entry.get("foregroundColor")),
        time_zone=_text(entry.get("timeZone")),
        selected=entry.get("primary") is True or (entry.get("selected") is True and entry.get("hidden") is not True),
    )


def event(item: Mapping[str, Any], zone: str) -> RemoteEvent | None:
    """An event that is not cancelled; None where it says no time, so that there is nothing to show."""
    begins, ends = item.get("start") or {}, item.get("end") or {}
    is_all_day = "date" in begins
    start_time = _text(begins.get("date")) or _text(begins.get("dateTime"))
    end_time = _text(ends.get("date")) or _text(ends.get("dateTime"))
    start_ts = _seconds(begins, zone)
    if start_ts is None or start_time is None:
        return None
    end_ts = _seconds(ends, zone)
    if end_ts is None or end_time is None or end_ts < start_ts:
        end_ts, end_time = start_ts + (DAY_S if is_all_day else 0), end_time or start_time
    attendees = item.get("attendees")
    attendees = attendees[:MAX_ATTENDEES] if isinstance(attendees, list) and attendees else None
    return RemoteEvent(
        event_id=str(item["id"]),
        start_ts=start_ts,
        end_ts=end_ts,
        start_time=start_time,
        end_time=end_time,
        all_day=is_all_day,
        title=_text(item.get("summary")),
        description=_text(item.get("description")),
        location=_text(item.get("location")),
        conference_url=_conference(item),
        visibility=_text(item.get("visibility")),
        status=_text(item.get("status")) or "confirmed",
        organizer=item.get("organizer") or None,
        attendees=attendees,
        html_link=_text(item.get("htmlLink")),
        time_zone=_text(begins.get("timeZone")),
        event_type=_text(item.get("eventType")),
        transparency=_text(item.get("transparency")),
        response_status=next((_text(one.get("responseStatus")) for one in attendees or () if one.get("self")), None),
        ical_uid=_text(item.get("iCalUID")),
        recurring_event_id=_text(item.get("recurringEventId")),
        original_start_time=_original(item.get("originalStartTime")),
        sequence=item.get("sequence") if isinstance(item.get("sequence"), int) else None,
    )


def _seconds(moment: Mapping[str, Any], zone: str) -> int | None:
    """A date is its midnight where the account is; a time without an offset is in its own zone."""
    try:
        if "date" in moment:
            day = date.fromisoformat(moment["date"])
            return int(datetime(day.year, day.month, day.day, tzinfo=zone_or_utc(zone)).timestamp())
        found = datetime.fromisoformat(moment["dateTime"])
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone_or_utc(moment.get("timeZone") or zone))
        return int(found.timestamp())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _conference(item: Mapping[str, Any]) -> str | None:
    entries = (item.get("conferenceData") or {}).get("entryPoints") or ()
    video = next((one.get("uri") for one in entries if one.get("entryPointType") == "video"), None)
    return _text(video) or _text(item.get("hangoutLink"))


def _original(moment: Any) -> str | None:
    return (_text(moment.get("dateTime")) or _text(moment.get("date"))) if isinstance(moment, dict) else None


def _text(value: Any) -> str | None:
    """What SQLite and JSON can hold: U+0000 would end the text for one of them."""
    return value.replace("\0", "") or None if isinstance(value, str) else None
