"""What the feed is told of an event."""

from typing import Final

from sidecar.calendar.calendars_store import CalendarState
from sidecar.calendar.provider import RemoteEvent
from sidecar.feed import FeedEvent, Origin

EVENT_TYPES: Final = {
    "focusTime": "focus_scheduled",
    "outOfOffice": "absence_scheduled",
    "workingLocation": "location_scheduled",
    "birthday": "birthday_scheduled",
}
"""What stands in Google's calendars without being a meeting."""


def feed_id(origin: Origin, calendar_id: str, event_id: str) -> str:
    """An event's id in the feed."""
    return f"{origin.source}:{origin.account_id}:{calendar_id}:{event_id}"


def feed_event(origin: Origin, calendar: CalendarState, event: RemoteEvent) -> FeedEvent:
    """An event as the feed has it.  What stands in a calendar of somebody else's is theirs."""
    organizer = event.organizer if isinstance(event.organizer, dict) else {}
    return FeedEvent(
        event_id=feed_id(origin, calendar.calendar_id, event.event_id),
        event_type=EVENT_TYPES.get(event.event_type or "", "event_scheduled"),
        at_ms=event.start_ts * 1000,
        end_ms=event.end_ts * 1000,
        local_date=event.start_time[:10] if event.all_day and event.start_time else None,
        local_end_date=event.end_time[:10] if event.all_day and event.end_time else None,
        title=event.title,
        description=event.description,
        url=event.html_link,
        actor=organizer.get("displayName") or organizer.get("email"),
        by_me=calendar.is_primary or calendar.access_role == "owner",
        container_id=calendar.calendar_id,
        container=calendar.name,
        object_id=event.recurring_event_id or event.event_id,
        status=_status(event),
    )


def _status(event: RemoteEvent) -> str:
    if event.response_status == "declined" or event.status == "cancelled":
        return "declined" if event.response_status == "declined" else "cancelled"
    return "tentative" if "tentative" in (event.response_status, event.status) else "confirmed"
