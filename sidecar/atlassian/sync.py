"""One sync of one account: lists what has changed, reads it, brings the feed up to date, and moves the position.

The position never gets ahead of the feed: it is stored after everything listed is, and only once the site has said
again whose token it is.  Before events are removed it is asked, too: to a token that has expired everything is gone.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

import anyio
from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.atlassian import AtlassianSynced

from sidecar.atlassian.objects import ReadObject
from sidecar.atlassian.records import Records, account_gone, connector
from sidecar.atlassian.source import Asking, Found, Listed, Reading, Source
from sidecar.atlassian.sync_cursor import Position, advanced, plan
from sidecar.clock import iso_now
from sidecar.feed import FEED_BATCH, FeedChange, FeedEvent, Origin
from sidecar.job_handler import JobContext

T = TypeVar("T")
AT_ONCE: Final = 3
"""Readings under way at a time: a site is slow to answer, but four requests at once are all that it gets."""


class Sync:
    """One run; `confirm` raises where the token is nobody's any more."""

    def __init__(
        self,
        records: Records,
        source: Source,
        asking: Asking,
        context: JobContext,
        confirm: Callable[[], Awaitable[object]],
    ) -> None:
        self._records = records
        self._source = source
        self._asking = asking
        self._context = context
        self._confirm = confirm
        self._origin = Origin(asking.source, asking.account_id)
        self._read = 0
        self._change = FeedChange()
        self._seen_ms: int | None = None

    async def run(self, position: Position, begun_ms: int, *, full: bool) -> AtlassianSynced:
        """Do all of it; `begun_ms` is the site's time."""
        done = plan(position, begun_ms, full=full)
        looked_ms = self._records.clock.now_ms()
        await self._source.begin(lambda text: self._context.log(text, level="warning"))
        async for page in self._source.changed(done.lower_ms):
            stamps = [one.at_ms for one in page if one.at_ms is not None]
            self._seen_ms = max(stamps + ([] if self._seen_ms is None else [self._seen_ms]), default=None)
            await self._take(page if done.deep else self._unread(page))
        if done.deep:
            await self._find_deleted(looked_ms)
        await self._confirm()
        with self._records.database.write():
            self._ensure_wanted()
            now = iso_now(self._records.clock)
            if not self._records.position(self._origin).reset:  # meanwhile somebody may have set another scope
                moved = advanced(position, done, self._seen_ms, begun_ms)
                self._records.sync_state.set(connector(self._origin), moved.model_dump_json(), now)
            self._records.accounts.change(self._asking.account_id, now, last_sync_at=now)
        await self._records.committed()
        return AtlassianSynced(
            read=self._read,
            added=self._change.added,
            updated=self._change.updated,
            removed=self._change.removed,
            full=done.full,
        )

    def _unread(self, page: Sequence[Listed]) -> list[Listed]:
        """Those that have changed since they were read."""
        known = self._records.objects.known(self._asking.account_id, [one.object_id for one in page])
        return [
            one
            for one in page
            if one.object_id not in known or known[one.object_id].remote_updated != one.remote_updated
        ]

    async def _take(self, listed: Sequence[Listed]) -> None:
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def take(some: Sequence[Listed]) -> None:
            async with limit:
                await self._store(await self._source.read(some))
                self._read += len(some)
                self._context.progress(None, f"{self._read:,} read")

        size = self._source.read_at_once
        await together(take, [listed[start : start + size] for start in range(0, len(listed), size)])

    async def _store(self, reading: Reading) -> None:
        """Bring the feed in line with what was read."""
        for found in _batches(reading.found):
            known = self._known([one.listed.object_id for one in found])
            objects = [self._object(one) for one in found]
            removed = [
                self._asking.prefix(one.object_id) + end
                for one in objects
                if one.object_id in known
                for end in set(known[one.object_id].event_suffixes) - set(one.event_suffixes)
            ]
            if removed:
                await self._confirm()
            events = [event for one in found for event in one.events]
            while len(events) > FEED_BATCH:  # one thing with a long past; it counts as read with the last of it
                await self._write(events[:FEED_BATCH])
                events = events[FEED_BATCH:]
            await self._write(events, removed, objects)
        await self._remove(reading.missing)

    def _known(self, object_ids: Sequence[str]) -> dict[str, ReadObject]:
        return self._records.objects.known(self._asking.account_id, object_ids)

    def _object(self, found: Found) -> ReadObject:
        prefix = self._asking.prefix(found.listed.object_id)
        ends = tuple(event.event_id.removeprefix(prefix) for event in found.events)
        return ReadObject(found.listed.object_id, found.listed.remote_updated, ends, found.parent)

    async def _find_deleted(self, looked_ms: int) -> None:
        """Ask after things that have not been seen for the longest time."""
        left = self._source.probes
        size = self._source.read_at_once
        while left > 0:
            object_ids = self._records.objects.unchecked(self._asking.account_id, looked_ms, min(size, left))
            if not object_ids:
                return
            left -= len(object_ids)
            self._context.progress(None, "Looking for what was deleted")
            gone = await self._source.gone(object_ids)
            with self._records.database.write():
                self._records.objects.checked(self._asking.account_id, object_ids, self._records.clock.now_ms())
            await self._remove(sorted(gone))

    async def _remove(self, object_ids: Sequence[str]) -> None:
        """These are gone, and with them what belongs to them."""
        family = [
            one for object_id in object_ids for one in self._records.objects.family(self._asking.account_id, object_id)
        ]
        if not family:
            return
        await self._confirm()
        for start in range(0, len(family), FEED_BATCH):
            some = family[start : start + FEED_BATCH]
            removed = [self._asking.prefix(one.object_id) + end for one in some for end in one.event_suffixes]
            await self._write([], removed, [], [one.object_id for one in some])

    async def _write(
        self,
        events: Sequence[FeedEvent],
        removed: Sequence[str] = (),
        objects: Sequence[ReadObject] = (),
        dropped: Sequence[str] = (),
    ) -> None:
        records = self._records
        with records.database.write():
            self._ensure_wanted()
            change = records.feed.write(self._origin, events, remove=removed)
            records.objects.put(self._asking.account_id, objects, records.clock.now_ms())
            records.objects.drop(self._asking.account_id, dropped)
        await records.committed()
        self._change = FeedChange(
            self._change.added + change.added,
            self._change.updated + change.updated,
            self._change.removed + change.removed,
        )

    def _ensure_wanted(self) -> None:
        """Nothing may be written for an account that is being deleted."""
        account = self._records.accounts.get(self._asking.account_id)
        if account is None or account.status == AccountStatus.DELETING:
            raise account_gone()


def _batches(found: Sequence[Found]) -> Iterator[list[Found]]:
    """Things together, as long as their events are not too many for one write."""
    batch: list[Found] = []
    count = 0
    for one in found:
        if batch and count + len(one.events) > FEED_BATCH:
            yield batch
            batch, count = [], 0
        batch.append(one)
        count += len(one.events)
    if batch:
        yield batch


async def together(work: Callable[[T], Awaitable[None]], parts: Sequence[T]) -> None:
    """Do this with all of them at a time.  The first failure ends the others and is raised as it is."""
    failures: list[Exception] = []

    async def one(part: T, scope: anyio.CancelScope) -> None:
        try:
            await work(part)
        except Exception as failure:  # noqa: BLE001 - passed on below, without the group that would hide its class
            failures.append(failure)
            scope.cancel()

    async with anyio.create_task_group() as tasks:
        for part in parts:
            tasks.start_soon(one, part, tasks.cancel_scope)
    if failures:
        raise failures[0]
