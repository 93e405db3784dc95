"""`activity.*`: the feed, as clients read it and as features write it."""

import heapq
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final, TypeVar

from sidecar_protocol.activity.feed import Activity, ActivityChanged, ActivityHit, ActivityHits, ActivityPage
from sidecar_protocol.contract import Encoded, Model, Notification, as_models, encode, json_members
from sidecar_protocol.entities import Highlight
from sidecar_protocol.scalars import DEFAULT_LIMIT

from sidecar.activity.filters import EVER, ActivityFilter, position_of, span
from sidecar.activity.keys import as_key
from sidecar.activity.rows import Found, Stored, row_of
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock, iso_now
from sidecar.feed import Feed, FeedChange, FeedEvent, Origin
from sidecar.storage.database import Database
from sidecar.storage.fulltext import search_terms, snippet

TOLD_EVENTS: Final = 50
"""What a page of the feed shows: a host that wants more lists it."""
TOLD_BYTES: Final = 256 * 1024
"""The event log keeps each notification for a week."""
TOLD_REMOVED: Final = 500
SWEEP_ROWS: Final = 500
"""Looked at between two commits: a few milliseconds."""

M = TypeVar("M", bound=Model)


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

    def write(self, origin: Origin, events: Iterable[FeedEvent] = (), *, remove: Collection[str] = ()) -> FeedChange:
        """See `Feed`."""
        now = iso_now(self._clock)
        latest = {event.event_id: event for event in events}
        with self._database.write():
            removed = self._store.remove(origin, set(remove) - latest.keys()) if remove else []
            put = [self._store.put(row_of(origin, event), event.at_ms, now) for event in latest.values()]
            return self._tell(origin, [one for one in put if one is not None], removed)

    def remove_prefix(self, origin: Origin, prefix: str) -> FeedChange:
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
        start = -EVER if start_ms is None else position_of(start_ms)
        end = EVER if end_ms is None else position_of(end_ms)
        removed = 0
        while rows := self._store.account_events(origin.account_id, start, end, SWEEP_ROWS):
            start = rows[-1][0] + 1
            gone = [
                event_id
                for _, event_id, source, container in rows
                if source == origin.source and event_id not in seen and container_id in (None, container)
            ]
            removed += self.write(origin, remove=gone).removed if gone else 0
            await self._committed()
        return removed

    async def remove_all(self, origin: Origin, *, container_id: str | None = None) -> int:
        """See `Feed`."""
        return await self.sweep(origin, frozenset(), container_id=container_id)

    def _tell(self, origin: Origin, stored: list[Stored], removed: list[str]) -> FeedChange:
        added = sum(one.added for one in stored)
        change = FeedChange(added, len(stored) - added, len(removed))
        if change == FeedChange():
            return change
        newest = heapq.nlargest(TOLD_EVENTS, (one.feed_key for one in stored))
        told = within(self._store.at(newest), TOLD_BYTES)
        self._notify(
            ActivityChanged(
                source=origin.source,
                account_id=origin.account_id,
                added=change.added,
                updated=change.updated,
                removed=change.removed,
                events=as_models(told),
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
        issue_key: str | None = None,
        query: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> ActivityPage:
        terms = () if query is None else (query,)
        wanted = ActivityFilter(
            *span(start, end),
            source=source,
            account_id=account_id,
            event_type=event_type,
            issue_key=issue_key,
            terms=terms,
        )
        found, next_cursor = self._store.page(wanted, limit, cursor)
        events = as_models(one.event for one in found)
        return encode(ActivityPage, events=events, next_cursor=next_cursor).as_model()

    async def search(
        self,
        *,
        query: str,
        start: str | None = None,
        end: str | None = None,
        source: str | None = None,
        account_id: str | None = None,
        event_type: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> ActivityHits:
        terms = search_terms(query)
        wanted = ActivityFilter(*span(start, end), source=source, account_id=account_id, event_type=event_type)
        wanted = replace(wanted, terms=tuple(terms))
        for term in terms:
            key = as_key(term)
            if key is not None and self._store.has_named(key):
                rest = tuple(one for one in terms if one != term)
                wanted = replace(wanted, issue_key=key, is_loose=True, terms=rest)
                break
        found, next_cursor = self._store.page(wanted, limit, cursor)
        hits = as_models(_hit(one, terms) for one in found)
        return encode(ActivityHits, hits=hits, next_cursor=next_cursor).as_model()


def within(encoded: list[Encoded[M]], limit: int) -> list[Encoded[M]]:
    """The first of these that weigh no more than `limit` together, and in any case the very first."""
    size = 0
    for number, one in enumerate(encoded):
        size += len(one.json)
        if size > limit and number:
            return encoded[:number]
    return encoded


def _hit(found: Found, terms: Sequence[str]) -> Encoded[ActivityHit]:
    shown = snippet(found.description, terms)
    if not shown.highlights:
        shown = snippet(found.title, terms)
    marks = [Highlight(start=start, end=end) for start, end in shown.highlights]
    more = json_members({"snippet": shown.text, "marks": marks})
    return Encoded(ActivityHit, b"%s,%s}" % (found.event.json[:-1], more))
