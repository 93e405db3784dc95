"""Converts calendars and events of the Calendar API v3."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from sidecar.calendar.provider import RemoteCalendar, RemoteEvent, stored_attendees
from sidecar.days import zone_or_utc
from sidecar.json_reader import get_object, get_objects, get_text

FIELDS: Final = (
    "id,status,summary,description,location,start,end,visibility,transparency,eventType,iCalUID,sequence,htmlLink,"
    "recurringEventId,originalStartTime,hangoutLink,conferenceData/entryPoints(entryPointType,uri),"
    "organizer(email,displayName,self),attendees(email,displayName,self,responseStatus,organizer,resource,optional)"
)
"""The requested fields of an event."""


def calendar(item: Mapping[str, Any]) -> RemoteCalendar:
    """Converts an entry of the calendar list.  One that is hidden at Google is not selected here."""
    calendar_id = str(item["id"])
    is_primary = item.get("primary") is True
    return RemoteCalendar(
        calendar_id=calendar_id,
        name=_text(item, "summaryOverride") or _text(item, "summary") or calendar_id,
        description=_text(item, "description"),
        is_primary=is_primary,
        access_role=_text(item, "accessRole"),
        background_color=_text(item, "backgroundColor"),
        foreground_color=_text(item, "foregroundColor"),
        time_zone=_text(item, "timeZone"),
        selected=is_primary or (item.get("selected") is True and item.get("hidden") is not True),
    )


def event(item: Mapping[str, Any], zone: str) -> RemoteEvent | None:
    """Converts an event that is not cancelled.  Returns None if it has no valid start."""
    start, end = get_object(item, "start"), get_object(item, "end")
    is_all_day = _text(start, "date") is not None
    start_time, end_time = _time(start), _time(end)
    start_ts, end_ts = _timestamp(start, zone), _timestamp(end, zone)
    if start_ts is None or start_time is None:
        return None
    if is_all_day and (end_ts is None or end_ts <= start_ts) and date.fromisoformat(start_time) < date.max:
        # The end is exclusive, so that an event that ends on the day of its start would have no day.
        end = {"date": (date.fromisoformat(start_time) + timedelta(days=1)).isoformat()}
        end_time, end_ts = _time(end), _timestamp(end, zone)
    if end_ts is None or end_time is None or end_ts < start_ts:
        end_ts, end_time = start_ts, start_time
    attendees = get_objects(item, "attendees")
    owner = next((one for one in attendees if one.get("self")), None)
    sequence = item.get("sequence")
    return RemoteEvent(
        event_id=str(item["id"]),
        start_ts=start_ts,
        end_ts=end_ts,
        start_time=start_time,
        end_time=end_time,
        all_day=is_all_day,
        title=_text(item, "summary"),
        description=_text(item, "description"),
        location=_text(item, "location"),
        conference_url=_conference_url(item),
        visibility=_text(item, "visibility"),
        status=_text(item, "status") or "confirmed",
        organizer=get_object(item, "organizer") or None,
        attendees=stored_attendees(attendees, owner),
        html_link=_text(item, "htmlLink"),
        time_zone=_text(start, "timeZone"),
        event_type=_text(item, "eventType"),
        transparency=_text(item, "transparency"),
        response_status=_text(owner, "responseStatus"),
        ical_uid=_text(item, "iCalUID"),
        recurring_event_id=_text(item, "recurringEventId"),
        original_start_time=_time(get_object(item, "originalStartTime")),
        sequence=sequence if isinstance(sequence, int) else None,
    )


def _time(moment: Mapping[str, Any]) -> str | None:
    return _text(moment, "date") or _text(moment, "dateTime")


def _timestamp(moment: Mapping[str, Any], zone: str) -> int | None:
    """Returns seconds since 1970, for a date those of its midnight in `zone`; None if the time is invalid."""
    try:
        if (text := _text(moment, "date")) is not None:
            day = date.fromisoformat(text)
            return int(datetime(day.year, day.month, day.day, tzinfo=zone_or_utc(zone)).timestamp())
        time = datetime.fromisoformat(moment["dateTime"])
        if time.tzinfo is None:
            time = time.replace(tzinfo=zone_or_utc(moment.get("timeZone") or zone))
        return int(time.timestamp())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _conference_url(item: Mapping[str, Any]) -> str | None:
    entry_points = get_objects(item, "conferenceData", "entryPoints")
    video = next((one for one in entry_points if one.get("entryPointType") == "video"), None)
    return _text(video, "uri") or _text(item, "hangoutLink")


def _text(value: object, name: str) -> str | None:
    """Returns a member that is text, without U+0000, which ends a text for some readers of SQLite; None if empty."""
    text = get_text(value, name)
    return text.replace("\0", "") or None if text is not None else None
