"""How features write into the activity feed: `FeedEvent`, and the interface `Feed`.

The activity feature implements the feed; other features get it from `Runtime.feed`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

LOCAL: Final = "local"
"""The account id of events on this computer, such as Claude's runs."""
FEED_BATCH: Final = 500
"""Suggested number of events per `write`, which takes tens of milliseconds; between writes the loop runs other work."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The account that events come from, and its service: `jira` and the account's id."""

    source: str
    account_id: str = LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """Something that happened.  Times are in milliseconds since 1970.

    `event_id` never changes, so that writing an event again updates its row.  It begins with source and account, for
    example `jira:<account_id>:history:10001:2`, because two accounts may see the same thing.

    `event_type` has the form `<object>_<verb>` in snake case.  Reports list an event by its object: `event` is a
    meeting, `issue` an issue, `page`, `blogpost` and `comment` a page, `run` and `turn` a run of Claude.  Calendar
    entries that are not meetings have the types `focus_scheduled`, `absence_scheduled`, `location_scheduled`,
    `birthday_scheduled` and `booking_scheduled`.
    """

    event_id: str
    event_type: str
    at_ms: int
    """When it happened or begins; for an all-day event midnight in the calendar's time zone."""
    end_ms: int | None = None
    """When it ended or will end, if it has a duration, such as a meeting or logged work."""
    local_date: str | None = None
    """The first day of an all-day event, for example `2026-11-25`, in every time zone; None for other events."""
    local_end_date: str | None = None
    """The day after an all-day event's last day; None if it has one day."""
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor: str | None = None
    by_me: bool = True
    """Whether the account's owner did it; reports omit other people's events."""
    container_id: str | None = None
    """The id of the calendar, project or space; `sweep` and `remove_all` can be limited to one."""
    container: str | None = None
    """The displayed name of the calendar, project or space."""
    object_id: str | None = None
    """The id of the page or series that several events are about."""
    issue_key: str | None = None
    """The issue that it is about, according to Jira; keys of the same project in other events' texts are then links."""
    links: Sequence[str] = ()
    """Keys of other issues that the source links.  Keys in title and description are found without this."""
    status: str | None = None
    """The status after this event: the name of an issue's status; for a meeting `confirmed`, `tentative`, `declined`
    (by the user) or `cancelled`.  Reports omit declined and cancelled meetings."""
    previous_status: str | None = None
    """The issue's status before this event."""
    status_kind: str | None = None
    """The meaning of an issue's status: `todo`, `doing`, `done` or `blocked`."""
    full_text: str | None = None
    """The complete text, if title and description are only a part of it: searched for issue keys, not stored."""
    raw: Mapping[str, object] | None = None
    """Further data from the source, a few hundred bytes, without secrets."""


@dataclass(frozen=True, slots=True)
class FeedChange:
    """The numbers of rows that a write inserted, changed and deleted."""

    added: int = 0
    updated: int = 0
    removed: int = 0

    def __add__(self, other: "FeedChange") -> "FeedChange":
        return FeedChange(self.added + other.added, self.updated + other.updated, self.removed + other.removed)


class Feed(Protocol):
    """The activity feed.  Each write that changes something sends one `activity.changed`."""

    def write(self, origin: Origin, events: Iterable[FeedEvent] = (), *, remove: Collection[str] = ()) -> FeedChange:
        """Inserts or updates events, and deletes the events with the ids in `remove`.

        The write is atomic and can be part of the caller's `with database.write():`, together with its cursor.
        Unchanged events are neither written nor counted, unknown ids are ignored, and the last event of an id wins.
        """

    def set_issue_states(self, origin: Origin, states: Mapping[str, str | None]) -> None:
        """Stores the current states of issues by key: `status_kind`, after everybody's changes; None if unknown.

        Reports need them where the feed has only the events of the account's owner.
        """

    def remove_prefix(self, origin: Origin, prefix: str) -> FeedChange:
        """Deletes the origin's events whose ids begin with this prefix, such as those of one page, atomically."""

    async def sweep(
        self,
        origin: Origin,
        seen: AbstractSet[str],
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        container_id: str | None = None,
    ) -> int:
        """Deletes events with start <= time < end whose ids a full sync has not `seen`; returns their number.

        It commits in steps, so store the new cursor after it, in a transaction of its own: after a crash the full sync
        is then repeated.
        """

    async def remove_all(self, origin: Origin, *, container_id: str | None = None) -> int:
        """Deletes all events of an origin, or those of one container; returns their number.

        It commits in steps, so delete the account's row after it: after a crash the account can be deleted again.
        """
