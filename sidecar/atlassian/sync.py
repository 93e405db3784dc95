"""One sync of one account: lists what has changed, reads it, updates the feed, and advances the cursor."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from sidecar_protocol.atlassian import AtlassianSynced

from sidecar.accounts.account import account_deleted
from sidecar.accounts.concurrency import run_concurrently
from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.sign_in import fetch_token_owner
from sidecar.atlassian.source import FetchedObject, ListedObject, Source, SyncContext
from sidecar.atlassian.sync_cursor import SyncCursor, SyncWindow, advance_cursor
from sidecar.atlassian.sync_store import SyncedObject, SyncStore
from sidecar.feed import FEED_BATCH, FeedChange, FeedEvent
from sidecar.job_handler import JobContext
from sidecar.runtime import Runtime

MAX_CONCURRENT_FETCHES: Final = 3
"""With the listing that is 4 requests at once, as many as the HTTP client sends to one site."""


@dataclass(slots=True)
class Sync:
    """One run."""

    runtime: Runtime
    accounts: Accounts
    source: Source
    context: SyncContext
    job: JobContext
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

    async def run(self, cursor: SyncCursor, window: SyncWindow, begun_ms: int) -> AtlassianSynced:
        """Runs the sync; `begun_ms` is the site's time."""
        checks_begun_ms = self.runtime.clock.now_ms()
        async for page in self.source.list_changed(window.lower_ms):
            times = [item.updated_ms for item in page]
            self.latest_ms = max(filter(None, (self.latest_ms, *times)), default=None)
            await self._fetch(page if window.is_deep else self._changed(page))
        if window.is_deep:
            await self._remove_deleted(checks_begun_ms)
        await self._confirm_token()
        with self.runtime.database.write():
            self._ensure_writable()
            reset = self.store.cursor(self.context.account).reset  # the scope may have been changed during the sync
            advanced = None if reset else advance_cursor(cursor, window, self.latest_ms, begun_ms)
            self.accounts.synced(self.context.account, advanced)
        await self.runtime.committed()
        return AtlassianSynced(read=self.read, full=window.is_full, **asdict(self.change))

    def _changed(self, page: Sequence[ListedObject]) -> list[ListedObject]:
        stored = self.store.get(self.account_id, [item.object_id for item in page])
        times = {object_id: item.remote_updated for object_id, item in stored.items()}
        return [item for item in page if times.get(item.object_id) != item.remote_updated]

    async def _fetch(self, listed: Sequence[ListedObject]) -> None:
        async def fetch(batch: Sequence[ListedObject]) -> None:
            fetched = await self.source.fetch(batch)
            await self._write_fetched(fetched)
            found = {item.listed.object_id for item in fetched}
            await self._remove([item.object_id for item in batch if item.object_id not in found])
            self.read += len(batch)
            self.job.progress(None, f"{self.read:,} read")

        size = self.source.batch_size
        batches = [listed[start : start + size] for start in range(0, len(listed), size)]
        await run_concurrently(fetch, batches, MAX_CONCURRENT_FETCHES)

    async def _write_fetched(self, fetched: Sequence[FetchedObject]) -> None:
        for batch in _batches(fetched):
            stored = self.store.get(self.account_id, [item.listed.object_id for item in batch])
            objects = [self._synced_object(item) for item in batch]
            events = [event for item in batch for event in item.events]
            event_ids = {event.event_id for event in events}
            before = (event_id for item in stored.values() for event_id in self._event_ids(item))
            removed = [event_id for event_id in before if event_id not in event_ids]
            if removed:
                await self._confirm_token()
            while len(events) > FEED_BATCH:  # a single object; it counts as read with its last events
                await self._write(events[:FEED_BATCH])
                events = events[FEED_BATCH:]
            await self._write(events, removed, objects)

    def _synced_object(self, item: FetchedObject) -> SyncedObject:
        prefix = self.context.event_id_prefix(item.listed.object_id)
        suffixes = tuple(event.event_id.removeprefix(prefix) for event in item.events)
        return SyncedObject(item.listed.object_id, item.listed.remote_updated, suffixes, item.parent_id)

    def _event_ids(self, item: SyncedObject) -> list[str]:
        prefix = self.context.event_id_prefix(item.object_id)
        return [prefix + suffix for suffix in item.event_suffixes]

    async def _remove_deleted(self, before_ms: int) -> None:
        """Checks whether the objects that were not seen for the longest time still exist at the site."""
        left = self.source.max_deletion_checks
        while object_ids := self.store.unchecked_since(self.account_id, before_ms, min(self.source.batch_size, left)):
            left -= len(object_ids)
            self.job.progress(None, "Checking for deletions")
            missing = await self.source.find_missing(object_ids)
            with self.runtime.database.write():
                self.store.mark_checked(self.account_id, object_ids)
            await self._remove(sorted(missing))

    async def _remove(self, object_ids: Sequence[str]) -> None:
        objects = [item for object_id in object_ids for item in self.store.with_children(self.account_id, object_id)]
        if not objects:
            return
        await self._confirm_token()
        for start in range(0, len(objects), FEED_BATCH):
            batch = objects[start : start + FEED_BATCH]
            removed = [event_id for item in batch for event_id in self._event_ids(item)]
            await self._write([], removed, deleted=[item.object_id for item in batch])

    async def _write(
        self,
        events: Sequence[FeedEvent],
        removed: Sequence[str] = (),
        objects: Sequence[SyncedObject] = (),
        deleted: Sequence[str] = (),
    ) -> None:
        with self.runtime.database.write():
            self._ensure_writable()
            change = self.runtime.feed().write(self.context.account.origin, events, remove=removed)
            self.store.put(self.account_id, objects)
            self.store.delete(self.account_id, deleted)
        await self.runtime.committed()
        self.change += change

    async def _confirm_token(self) -> None:
        """Raises `TokenRejected` if the token has expired since the sync began."""
        await fetch_token_owner(self.context.client)

    def _ensure_writable(self) -> None:
        if not self.accounts.is_writable(self.account_id):
            raise account_deleted()


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
