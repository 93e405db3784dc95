"""One sync of one account: lists the changed objects, reads them, updates the feed, and advances the cursor.

An object is gone only if a request for the object alone does not find it.  Its events are removed once two such
requests, at least a day apart, have not found it; its row stays, so that the daily look finds it again if it reappears.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from sidecar_protocol.atlassian import AtlassianSynced

from sidecar.accounts.account import account_deleted
from sidecar.accounts.concurrency import run_concurrently
from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.client import UNREADABLE
from sidecar.atlassian.sign_in import fetch_token_owner
from sidecar.atlassian.source import Fetched, FetchedObject, ListedObject, Source, SyncContext, listed_again
from sidecar.atlassian.sync_cursor import SyncCursor, SyncWindow, advance_cursor
from sidecar.atlassian.sync_store import SyncedObject, SyncStore
from sidecar.clock import DAY_MS, iso
from sidecar.feed import FEED_BATCH, FeedChange, FeedEvent
from sidecar.job_handler import JobContext
from sidecar.runtime import Runtime

MAX_CONCURRENT_FETCHES: Final = 3
"""With the listing that is 4 requests at once, as many as the HTTP client sends to one site."""

MAX_REREADS: Final = 2_000
"""Objects that the daily sync reads again because something was left out; the rest waits for the next one."""
REMEMBER_MISSING_MS: Final = 365 * DAY_MS
"""How long the daily sync looks for an object that is gone."""


@dataclass(slots=True)
class Sync:
    """One run, which began at `begun_ms` by the site's clock."""

    runtime: Runtime
    accounts: Accounts
    source: Source
    context: SyncContext
    job: JobContext
    begun_ms: int
    read: int = 0
    """Objects read so far."""
    change: FeedChange = field(default_factory=FeedChange)
    latest_ms: int | None = None
    """The latest change of the objects listed so far."""

    @property
    def store(self) -> SyncStore:
        return self.accounts.sync_store

    @property
    def account_id(self) -> str:
        return self.context.account.account_id

    async def run(self, cursor: SyncCursor, window: SyncWindow) -> AtlassianSynced:
        """Runs the sync."""
        if window.is_deep:
            with self.runtime.database.write():
                self.store.expect_checks(self.account_id, self.begun_ms)
        async for page in self.source.list_changed(window.lower_ms):
            times = [item.updated_ms for item in page]
            self.latest_ms = max(filter(None, (self.latest_ms, *times)), default=None)
            await self._fetch(page if window.is_deep else self._changed(page))
        if window.is_deep:
            unread = self.store.unread_since(self.account_id, self.begun_ms, MAX_REREADS)
            await self._fetch([listed_again(item) for item in unread])
            await self._look_for_all()
        await self._confirm_token()
        with self.runtime.database.write():
            self._ensure_writable()
            reset = self.store.cursor(self.context.account).reset  # the scope may have been changed during the sync
            advanced = None if reset else advance_cursor(cursor, window, self.latest_ms, self.begun_ms)
            self.accounts.synced(self.context.account, advanced)
        await self.runtime.committed()
        unreadable = len(self.context.skips.object_ids)
        return AtlassianSynced(read=self.read, full=window.is_full, unreadable=unreadable, **asdict(self.change))

    def _changed(self, page: Sequence[ListedObject]) -> list[ListedObject]:
        stored = self.store.get(self.account_id, [item.object_id for item in page])
        return [item for item in page if _has_changed(item, stored.get(item.object_id))]

    async def _fetch(self, listed: Sequence[ListedObject]) -> None:
        async def fetch(batch: Sequence[ListedObject]) -> None:
            try:
                fetched = await self.source.fetch(batch)
            except UNREADABLE:
                skipped = self.context.skips.object_ids
                self._mark([item for item in batch if item.object_id in skipped], Fetched())
                raise
            await self._write_fetched(fetched.objects)
            read = {item.listed.object_id for item in fetched.objects}
            others = [item for item in batch if item.object_id not in read]
            self._mark(others, fetched)
            await self._remove_confirmed([item.object_id for item in others if item.object_id in fetched.gone])
            self.read += len(batch)
            self.job.progress(None, f"{self.read:,} read")

        size = self.source.batch_size
        batches = [listed[start : start + size] for start in range(0, len(listed), size)]
        await run_concurrently(fetch, batches, MAX_CONCURRENT_FETCHES)

    def _mark(self, listed: Sequence[ListedObject], fetched: Fetched) -> None:
        """Records which objects are gone, and which could not be read, so that the daily sync tries again."""
        if not listed:
            return
        stored = self.store.get(self.account_id, [item.object_id for item in listed])
        marked = []
        for item in listed:
            before = stored.get(item.object_id) or SyncedObject(item.object_id, "", parent_id=item.parent_id)
            is_gone = item.object_id in fetched.gone
            since = before.missing_since or (iso(self.begun_ms) if is_gone else None)
            is_unread = not is_gone or (before.is_unread and before.event_suffixes != ())
            marked.append(
                before._replace(
                    remote_updated=item.remote_updated,
                    missing_since=since,
                    is_unread=is_unread,
                    shown_as=item.shown_as or before.shown_as,
                )
            )
        with self.runtime.database.write():
            self._ensure_writable()
            self.store.put(self.account_id, marked, self.begun_ms)

    async def _write_fetched(self, fetched: Sequence[FetchedObject]) -> None:
        for batch in _batches(fetched):
            stored = self.store.get(self.account_id, [item.listed.object_id for item in batch])
            objects = [self._synced_object(item) for item in batch]
            events = [event for item in batch for event in item.events]
            event_ids = {event.event_id for event in events}
            kept = {event_id for item in batch for event_id in self._ids(item.listed.object_id, item.kept)}
            before = (event_id for item in stored.values() for event_id in self._event_ids(item))
            removed = [event_id for event_id in before if event_id not in event_ids and event_id not in kept]
            if removed:
                await self._confirm_token()
            states = {key: kind for item in batch for key, kind in item.states.items()}
            while len(events) > FEED_BATCH:  # a single object; it counts as read with its last events
                await self._write(events[:FEED_BATCH])
                events = events[FEED_BATCH:]
            await self._write(events, removed, objects, states)

    def _synced_object(self, item: FetchedObject) -> SyncedObject:
        prefix = self.context.event_id_prefix(item.listed.object_id)
        suffixes = dict.fromkeys([*(event.event_id.removeprefix(prefix) for event in item.events), *item.kept])
        return SyncedObject(
            item.listed.object_id,
            item.listed.remote_updated,
            tuple(suffixes),
            item.parent_id,
            is_unread=not item.is_complete,
            shown_as=item.shown_as,
        )

    def _event_ids(self, item: SyncedObject) -> list[str]:
        return self._ids(item.object_id, item.event_suffixes)

    def _ids(self, object_id: str, suffixes: Iterable[str]) -> list[str]:
        prefix = self.context.event_id_prefix(object_id)
        return [prefix + suffix for suffix in suffixes]

    async def _look_for_all(self) -> None:
        """Looks at the objects that were not seen for the longest time: are they gone, there again, renamed?"""
        left = self.source.max_deletion_checks
        while objects := self.store.unchecked_since(self.account_id, self.begun_ms, min(self.source.batch_size, left)):
            left -= len(objects)
            self.job.progress(None, "Looking for deletions")
            looked = await self.source.look(objects)
            seen = [item for item in objects if item.object_id in looked.there]
            pending = (item for item in seen if item.missing_since and not item.is_removed)
            back = [item._replace(missing_since=None, is_unread=True) for item in pending]
            with self.runtime.database.write():
                self._ensure_writable()
                self.store.mark_checked(self.account_id, [item.object_id for item in objects], self.begun_ms)
                self.runtime.feed().set_issue_states(self.context.account.origin, looked.states)
                self.store.put(self.account_id, back, self.begun_ms)
            gone = [item for item in objects if item.object_id in looked.gone]
            self._mark([listed_again(item) for item in gone], Fetched(gone=looked.gone))
            await self._remove_confirmed([item.object_id for item in gone])
            there = ((looked.there[item.object_id], item) for item in seen)
            await self._fetch([listed for listed, item in there if _has_changed(listed, item)])
        with self.runtime.database.write():
            self.store.forget_missing(self.account_id, self.begun_ms - REMEMBER_MISSING_MS)

    async def _remove_confirmed(self, object_ids: Sequence[str]) -> None:
        """Removes the events of those of the objects that are gone for a day, and of what is a part of them."""
        stored = self.store.get(self.account_id, object_ids)
        confirmed = [item.object_id for item in stored.values() if self._is_confirmed(item)]
        objects = [item for object_id in confirmed for item in self.store.with_children(self.account_id, object_id)]
        objects = [item for item in objects if item.event_suffixes]
        if not objects:
            return
        await self._confirm_token()
        for start in range(0, len(objects), FEED_BATCH):
            batch = objects[start : start + FEED_BATCH]
            removed = [event_id for item in batch for event_id in self._event_ids(item)]
            since = iso(self.begun_ms)
            rows = [
                item._replace(event_suffixes=(), missing_since=item.missing_since or since, is_unread=False)
                for item in batch
            ]
            await self._write([], removed, rows)

    def _is_confirmed(self, item: SyncedObject) -> bool:
        return item.missing_since is not None and item.missing_since <= iso(self.begun_ms - DAY_MS)

    async def _write(
        self,
        events: Sequence[FeedEvent],
        removed: Sequence[str] = (),
        objects: Sequence[SyncedObject] = (),
        states: Mapping[str, str | None] | None = None,
    ) -> None:
        with self.runtime.database.write():
            self._ensure_writable()
            change = self.runtime.feed().write(self.context.account.origin, events, remove=removed)
            self.runtime.feed().set_issue_states(self.context.account.origin, states or {})
            self.store.put(self.account_id, objects, self.begun_ms)
        await self.runtime.committed()
        self.change += change

    async def _confirm_token(self) -> None:
        """Raises `TokenRejected` if the token has expired since the sync began."""
        await fetch_token_owner(self.context.client)

    def _ensure_writable(self) -> None:
        if not self.accounts.is_writable(self.account_id):
            raise account_deleted()


def _has_changed(item: ListedObject, stored: SyncedObject | None) -> bool:
    """Returns whether a listed object must be read: it is new, changed, renamed or there again."""
    if stored is None or stored.remote_updated != item.remote_updated or stored.missing_since is not None:
        return True
    return item.shown_as is not None and stored.shown_as != item.shown_as


def _batches(fetched: Sequence[FetchedObject]) -> Iterator[list[FetchedObject]]:
    """Groups objects so that each group's events fit into one write."""
    batch: list[FetchedObject] = []
    count = 0
    for item in fetched:
        if batch and count + len(item.events) > FEED_BATCH:
            yield batch
            batch, count = [], 0
        batch.append(item)
        count += len(item.events)
    if batch:
        yield batch
