"""Methods that read the activity feed, and the feed itself, which other features write."""

import heapq
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from pydantic_core import from_json
from sidecar_protocol.activity.feed import (
    Activity,
    ActivityChanged,
    ActivityEvent,
    ActivityHit,
    ActivityHits,
    ActivityPage,
)
from sidecar_protocol.contract import Encoded, Model, Notification, as_models, encode
from sidecar_protocol.entities import Highlight
from sidecar_protocol.scalars import DEFAULT_LIMIT

from sidecar.activity.filters import MAX_FEED_KEY, ActivityFilter, first_key
from sidecar.activity.issue_states import IssueStateStore
from sidecar.activity.keys import parse_key
from sidecar.activity.rows import WrittenRow, to_row
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock, iso_now
from sidecar.feed import Feed, FeedChange, FeedEvent, Origin
from sidecar.storage.database import Database
from sidecar.storage.fulltext import UPDATE_ROWS, phrase_terms, search_terms, snippet

MAX_NOTIFIED_EVENTS: Final = 50
"""Events in one `activity.changed`: about a screenful; a client that needs more lists them."""
MAX_NOTIFIED_BYTES: Final = 256 * 1024
"""Limit of these events' size, because the event log stores each notification for a week."""
MAX_NOTIFIED_IDS: Final = 500
"""Ids of removed events in one `activity.changed`."""
SWEEP_ROWS: Final = 500
"""Rows examined between two commits, which takes a few milliseconds."""

M = TypeVar("M", bound=Model)


@dataclass(slots=True)
class ActivityService(Activity, Feed):
    """The activity feed."""

    database: Database
    store: ActivityStore
    issue_states: IssueStateStore
    clock: Clock
    notify: Callable[[Notification], None]
    committed: Callable[[], Awaitable[None]]

    def write(self, origin: Origin, events: Iterable[FeedEvent] = (), *, remove: Collection[str] = ()) -> FeedChange:
        now = iso_now(self.clock)
        latest = {event.event_id: event for event in events}
        with self.database.write():
            removed = self.store.remove(origin, set(remove) - latest.keys()) if remove else []
            rows = [self.store.upsert(to_row(origin, event), event.at_ms, now) for event in latest.values()]
            self.store.index.update(len(rows) + UPDATE_ROWS)
            return self._notify_change(origin, [row for row in rows if row is not None], removed)

    def set_issue_states(self, origin: Origin, states: Mapping[str, str | None]) -> None:
        with self.database.write():
            self.issue_states.put(origin.account_id, states)

    def remove_prefix(self, origin: Origin, prefix: str) -> FeedChange:
        return self.write(origin, remove=self.store.ids_with_prefix(prefix))

    async def sweep(
        self,
        origin: Origin,
        seen: AbstractSet[str],
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        container_id: str | None = None,
    ) -> int:
        start = -MAX_FEED_KEY if start_ms is None else first_key(start_ms)
        end = MAX_FEED_KEY if end_ms is None else first_key(end_ms)
        removed = 0
        while rows := self.store.account_events(origin.account_id, start, end, SWEEP_ROWS):
            start = rows[-1][0] + 1
            unseen = [
                event_id
                for _, event_id, source, container in rows
                if source == origin.source and event_id not in seen and container_id in (None, container)
            ]
            removed += self.write(origin, remove=unseen).removed if unseen else 0
            await self.committed()
        return removed

    async def remove_all(self, origin: Origin, *, container_id: str | None = None) -> int:
        removed = await self.sweep(origin, frozenset(), container_id=container_id)
        if container_id is None:
            with self.database.write():
                self.issue_states.remove(origin.account_id)
            await self.committed()
        return removed

    def _notify_change(self, origin: Origin, written: list[WrittenRow], removed: list[str]) -> FeedChange:
        added = sum(row.is_new for row in written)
        change = FeedChange(added, len(written) - added, len(removed))
        if change == FeedChange():
            return change
        newest = heapq.nlargest(MAX_NOTIFIED_EVENTS, (row.feed_key for row in written))
        self.notify(
            ActivityChanged(
                source=origin.source,
                account_id=origin.account_id,
                added=change.added,
                updated=change.updated,
                removed=change.removed,
                events=as_models(_first_within(self.store.events_at(newest), MAX_NOTIFIED_BYTES)),
                removed_ids=removed[:MAX_NOTIFIED_IDS],
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
        wanted = ActivityFilter.of(
            start,
            end,
            issue_key=issue_key,
            terms=None if query is None else phrase_terms(query),
            source=source,
            account_id=account_id,
            event_type=event_type,
        )
        found, next_cursor = self.store.page(wanted, limit, cursor)
        return encode(ActivityPage, events=as_models(found), next_cursor=next_cursor).as_model()

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
        wanted = ActivityFilter.of(start, end, terms=terms, source=source, account_id=account_id, event_type=event_type)
        for term in terms:
            key = parse_key(term)
            if key is not None and self.store.has_issue(key):
                others = tuple(other for other in terms if other != term)
                wanted = replace(wanted, issue_key=key, includes_mentions=True, terms=others or None)
                terms.append(key.lower())  # to be highlighted, if the query spells it in another way
                break
        found, next_cursor = self.store.page(wanted, limit, cursor)
        hits = as_models(_hit(item, terms) for item in found)
        return encode(ActivityHits, hits=hits, next_cursor=next_cursor).as_model()


def _first_within(values: list[Encoded[M]], limit: int) -> list[Encoded[M]]:
    """Returns the first values whose total size is within the limit, but at least one."""
    size = 0
    for number, value in enumerate(values):
        size += len(value.json)
        if size > limit and number:
            return values[:number]
    return values


def _hit(event: Encoded[ActivityEvent], terms: Sequence[str]) -> Encoded[ActivityHit]:
    texts = from_json(event.json)
    excerpt = snippet(texts["description"] or "", terms)
    if not excerpt.highlights:
        excerpt = snippet(texts["title"] or "", terms)
    highlights = [Highlight(start=start, end=end) for start, end in excerpt.highlights]
    return event.extended(ActivityHit, snippet=excerpt.text, highlights=highlights)
