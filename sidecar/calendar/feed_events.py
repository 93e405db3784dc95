"""Calendar events as events of the activity feed."""

from typing import Final

from sidecar.calendar.calendars_store import CalendarState
from sidecar.calendar.provider import RemoteEvent
from sidecar.feed import FeedEvent, Origin
from sidecar.json_reader import get_text

EVENT_TYPES: Final = {
    "focusTime": "focus_scheduled",
    "outOfOffice": "absence_scheduled",
    "workingLocation": "location_scheduled",
    "birthday": "birthday_scheduled",
}
"""The types of events that are not meetings, by Google's `eventType`."""


def feed_event_id(origin: Origin, calendar_id: str, event_id: str) -> str:
    return f"{origin.source}:{origin.account_id}:{calendar_id}:{event_id}"


def feed_event(origin: Origin, calendar: CalendarState, event: RemoteEvent) -> FeedEvent:
    """Converts an event.  Only events of the user's own calendars count as the user's (`by_me`)."""
    return FeedEvent(
        event_id=feed_event_id(origin, calendar.calendar_id, event.event_id),
        event_type=EVENT_TYPES.get(event.event_type or "", "event_scheduled"),
        at_ms=event.start_ts * 1000,
        end_ms=event.end_ts * 1000,
        local_date=event.start_time[:10] if event.all_day and event.start_time else None,
        local_end_date=event.end_time[:10] if event.all_day and event.end_time else None,
        title=event.title,
        description=event.description,
        url=event.html_link,
        actor=get_text(event.organizer, "displayName") or get_text(event.organizer, "email"),
        by_me=calendar.is_primary or calendar.access_role == "owner",
        container_id=calendar.calendar_id,
        container=calendar.name,
        object_id=event.recurring_event_id or event.event_id,
        status=_status(event),
    )


def _status(event: RemoteEvent) -> str:
    if event.response_status == "declined":
        return "declined"
    if event.status == "cancelled":
        return "cancelled"
    return "tentative" if "tentative" in (event.response_status, event.status) else "confirmed"
