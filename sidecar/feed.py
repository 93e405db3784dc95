"""How a feature writes into the one feed: what it says of an event, and the promise of who takes it.

The feed itself is the activity feature; features.py hands it to the others as a `Feed`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Protocol

LOCAL: Final = "local"
"""The account of what this machine did itself."""
FEED_BATCH: Final = 500
"""Events per `write` if the caller may choose: some tens of milliseconds, after which the loop runs other work."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose events these are: `jira` and the account's id."""

    source: str
    account_id: str = LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedEvent:
    """Something that happened, as its source tells it; times are milliseconds since 1970.

    `event_id` is stable and the same for ever, so that the same thing never becomes two rows; it begins with source and
    account (`jira:<account_id>:history:10001:2`), since two accounts may see one thing.

    `event_type` is `<object>_<what happened>` in snake_case, and reports go by the object: `event_` is a meeting,
    `issue_`, `page_` or `blogpost_` or `comment_`, `run_` or `turn_` of Claude.  What stands in a calendar without
    being a meeting has an object of its own: `focus_scheduled`, `absence_scheduled`, `location_scheduled`,
    `birthday_scheduled`.
    """

    event_id: str
    event_type: str
    at_ms: int
    """When it happened or begins; of all-day events the midnight at which they begin where the calendar is."""
    end_ms: int | None = None
    """When it ended or will end, where it has a duration: a meeting, logged work."""
    local_date: str | None = None
    """Set for all-day events only: their first day, `2026-11-25`, which is that date in every zone."""
    local_end_date: str | None = None
    """The day after an all-day event's last; None: it has one day."""
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor: str | None = None
    by_me: bool = True
    """Whether the account's owner did it; reports leave out what others did."""
    container_id: str | None = None
    """What it lies in: the calendar's, project's or space's id.  A sweep may be limited to one."""
    container: str | None = None
    """That one's name for people."""
    object_id: str | None = None
    """What it is about (the page, the series), where several events are about one thing."""
    issue_key: str | None = None
    """The issue that it is about, said by Jira itself: its project is known then, and keys of it in texts are links."""
    links: Sequence[str] = ()
    """Further issue keys that the source itself names.  Those in title and description are found without this."""
    status: str | None = None
    """How that thing stands by this event.  An issue: its status's name.  A meeting: `confirmed`, `tentative`,
    `declined` (by me) or `cancelled`; reports leave out the last two."""
    previous_status: str | None = None
    """An issue's status before."""
    status_kind: str | None = None
    """What an issue's status means, whatever its name: `todo`, `doing`, `done` or `blocked`."""
    full_text: str | None = None
    """The whole text where title and description are a part of it: searched for issue keys, not stored."""
    raw: Mapping[str, object] | None = None
    """What else the source said and is worth keeping, a few hundred bytes; never a secret."""


@dataclass(frozen=True, slots=True)
class FeedChange:
    """What a write came to: rows that are new, rows that differ now, rows that are gone."""

    added: int = 0
    updated: int = 0
    removed: int = 0


class Feed(Protocol):
    """Takes events.  Whatever changes something tells the host once, by one `activity.changed`."""

    def write(self, origin: Origin, events: Iterable[FeedEvent] = (), *, remove: Collection[str] = ()) -> FeedChange:
        """Put these events into the feed, or bring them up to date, and delete those of these ids.

        All or nothing, and part of the caller's own `with database.write():`, where it stores its cursor.  What is
        there already and says the same is neither counted nor touched; ids that are not there are no error.  Of an id
        that is given twice the last one holds.
        """

    def remove_prefix(self, origin: Origin, prefix: str) -> FeedChange:
        """Delete the origin's events whose ids begin so: all that is known of one page or issue.  As `write`."""

    async def sweep(
        self,
        origin: Origin,
        seen: AbstractSet[str],
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        container_id: str | None = None,
    ) -> int:
        """After a full sync: delete those that begin in start <= time < end and were not seen; how many.

        In steps that are committed one by one: store the new cursor after it, in a transaction of its own.  After a
        crash in between, the full sync is simply made again.
        """

    async def remove_all(self, origin: Origin, *, container_id: str | None = None) -> int:
        """Delete all events of an origin, or what lies in one container of it; how many.  In steps, as `sweep`.

        Before the account's own row: after a crash in between, the account is still there to be deleted again.
        """
