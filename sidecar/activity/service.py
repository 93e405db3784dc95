"""`activity.*`: the feed, as clients read it and as features write it."""

import heapq
import math
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final

from protocol.activity import Activity, ActivityChanged, ActivityEvent, ActivityPage
from protocol.contract import Notification, page
from sidecar.activity.rows import row_of
from sidecar.activity.store import ActivityFilter, ActivityStore, Stored
from sidecar.clock import Clock, iso
from sidecar.database import Database
from sidecar.feed import LOCAL, Feed, FeedChange, FeedEvent, Origin

TOLD_EVENTS: Final = 50
"""What a page of the feed shows: a host that wants more lists it."""
TOLD_BYTES: Final = 256 * 1024
"""The event log keeps each notification for a week."""
TOLD_REMOVED: Final = 500
SWEEP_ROWS: Final = 500
"""Looked at between two commits: a few milliseconds."""
BEGINNING: Final = (-(2**63), "")
END_TS: Final = 2**63 - 1


class ActivityService(Activity, Feed):
    """The one feed."""

    def __init__(
        self,
        database: Database,
        store: ActivityStore,
        clock: Clock,
        notify: Callable[[Notification], None],
        *,
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._notify = notify
        self._committed = committed

    def record(
        self,
        *,
        event_id: str,
        source: str,
        event_type: str,
        account_id: str = LOCAL,
        title: str | None = None,
        description: str | None = None,
        url: str | None = None,
        actor: str | None = None,
        event_ms: int | None = None,
        raw: Mapping[str, object] | None = None,
    ) -> None:
        """Put one event into the feed, or bring it up to date, and tell the host.

        `event_id` is stable: the same thing never becomes two rows.  `event_ms`: milliseconds since 1970; None: now.
        """
        event = FeedEvent(
            event_id=event_id,
            event_type=event_type,
            at_ms=self._clock.now_ms() if event_ms is None else event_ms,
            title=title,
            description=description,
            url=url,
            actor=actor,
            raw=raw,
        )
        self.write(Origin(source, account_id), [event])

    def write(self, origin: Origin, events: Iterable[FeedEvent] = (), *, remove: Collection[str] = ()) -> FeedChange:
        """See `Feed`."""
        now = iso(self._clock.now_ms())
        latest = {event.event_id: event for event in events}
        with self._database.write():
            removed = self._store.remove(origin, set(remove) - latest.keys()) if remove else []
            put = [self._store.put(row_of(origin, event), now) for event in latest.values()]
            return self._tell(origin, [one for one in put if one is not None], removed)

    def remove_below(self, origin: Origin, prefix: str) -> FeedChange:
        """See `Feed`."""
        return self.write(origin, remove=self._store.below(prefix))

    async def sweep(
        self,
        origin: Origin,
        seen: AbstractSet[str],
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        container_id: str | None = None,
    ) -> int:
        """See `Feed`."""
        position = BEGINNING if start_ms is None else (math.ceil(start_ms / 1000), "")
        end_ts = END_TS if end_ms is None else math.ceil(end_ms / 1000)
        removed = 0
        while rows := self._store.account_events(origin.account_id, position, end_ts, SWEEP_ROWS):
            position = rows[-1][:2]
            gone = [
                event_id
                for _, event_id, source, container in rows
                if source == origin.source and event_id not in seen and container_id in (None, container)
            ]
            removed += self.write(origin, remove=gone).removed
            await self._committed()
        return removed

    async def forget(self, origin: Origin, *, container_id: str | None = None) -> int:
        """See `Feed`."""
        return await self.sweep(origin, frozenset(), container_id=container_id)

    def _tell(self, origin: Origin, stored: list[Stored], removed: list[str]) -> FeedChange:
        added = sum(one.added for one in stored)
        change = FeedChange(added, len(stored) - added, len(removed))
        if change == FeedChange():
            return change
        newest = heapq.nlargest(TOLD_EVENTS, stored, key=lambda one: (one.event_ts, one.event_id))
        told = within(self._store.events([one.event_id for one in newest]), TOLD_BYTES)
        self._notify(
            ActivityChanged(
                source=origin.source,
                account_id=origin.account_id,
                added=change.added,
                updated=change.updated,
                removed=change.removed,
                events=[ActivityEvent.encoded(event) for event in told],
                removed_ids=removed[:TOLD_REMOVED],
            )
        )
        return change

    async def list_events(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        source: str | None = None,
        account_id: str | None = None,
        event_type: str | None = None,
        query: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ActivityPage:
        wanted = ActivityFilter(_seconds(start), _seconds(end), source, account_id, event_type, query)
        events, next_cursor = self._store.page(wanted, limit, cursor)
        return ActivityPage.encoded(page("events", events, next_cursor))


def within(encoded: list[bytes], limit: int) -> list[bytes]:
    """The first of these that weigh no more than `limit` together, and in any case the very first."""
    size = 0
    for number, one in enumerate(encoded):
        size += len(one)
        if size > limit and number:
            return encoded[:number]
    return encoded


def _seconds(moment: str | None) -> int | None:
    """Whole seconds since 1970, rounded up: `event_ts >= start` and `event_ts < end` then mean what they say."""
    return None if moment is None else math.ceil(datetime.fromisoformat(moment).timestamp())
