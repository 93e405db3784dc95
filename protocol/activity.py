"""Activity: what happened, over all sources, in one feed."""

from typing import Annotated, Any, ClassVar, Protocol

from pydantic import StringConstraints

from protocol.contract import Model, Notification, method
from protocol.errors import InvalidCursor
from protocol.scalars import AccountId, Count, Cursor, Limit, NextCursor, ShortText, UtcTime, When

SearchText = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ActivityEvent(Model):
    """One thing that happened."""

    event_id: str
    source: str
    """google_calendar, jira, confluence or claude."""
    account_id: str
    """`local` for what this machine did itself."""
    event_type: str
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor: str | None = None
    event_time: UtcTime | None = None
    event_ts: int | None = None
    """The same moment, seconds since 1970."""
    created_at: UtcTime
    updated_at: UtcTime
    raw: Any = None
    """What the source said, where it is worth keeping."""


class ActivityPage(Model):
    """Events, newest first."""

    events: list[ActivityEvent]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ActivityChanged(Notification):
    """The feed changed: how many events of one source and account, and the newest of them (at most 50)."""

    name: ClassVar[str] = "activity.changed"
    source: str
    account_id: str
    added: Count
    updated: Count
    removed: Count
    events: list[ActivityEvent]


class Activity(Protocol):
    """One feed over everything that happened."""

    @method("activity.events.list", raises=(InvalidCursor,), rest="GET /activity/events")
    async def list_events(
        self,
        *,
        start: When | None = None,
        end: When | None = None,
        source: ShortText | None = None,
        account_id: AccountId | None = None,
        event_type: ShortText | None = None,
        query: SearchText | None = None,
        limit: Limit = 50,
        cursor: Cursor | None = None,
    ) -> ActivityPage:
        """Events with start <= time < end, newest first; `query` is text that the title or description contains."""
        ...
