"""What a listing changes in one calendar: compared with what is stored, and written in steps that are each whole.

A step is one transaction: rows, feed, `calendar.changed`, and with the last one the cursor.  A usual sync is a single
step.  A larger one (a first sync, a calendar that was replaced) takes several: additions and changes become visible as
they come, what is gone goes at the end, and the cursor comes with the last step; after a crash the listing is made
again.  So there is never less to see than before, and never a cursor for what was not stored.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sidecar_protocol.calendar.calendars import CalendarChanged
from sidecar_protocol.contract import Notification

from sidecar.calendar.calendars_store import CalendarsStore, CalendarState, SyncCheckpoint
from sidecar.calendar.events_store import CalendarKey, EventsStore, fingerprint
from sidecar.calendar.meetings import feed_event, feed_id
from sidecar.calendar.provider import EventPage, RemoteEvent, TimeRange
from sidecar.clock import Clock, iso_now
from sidecar.feed import FEED_BATCH, Feed, Origin
from sidecar.storage.database import Database

STEP: Final = 250
"""Changes after which a step is due: some ten milliseconds of writing, while others wait."""
SWEPT_AT_ONCE: Final = 1_000
"""Stored ids that are compared at a stretch."""


@dataclass(frozen=True, slots=True)
class Books:
    """What is written to, and how others learn of it."""

    database: Database
    calendars: CalendarsStore
    events: EventsStore
    feed: Feed
    clock: Clock
    notify: Callable[[Notification], None]
    committed: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class ChangeCounts:
    """How many events were added, changed, removed."""

    added: int = 0
    updated: int = 0
    removed: int = 0

    def count(self, added: int, updated: int, removed: int) -> None:
        """Add to it."""
        self.added += added
        self.updated += updated
        self.removed += removed


class Changes:
    """The changes of one listing of one calendar.  `may_write` says, before each step, whether the account is still
    there; it raises where not.
    """

    def __init__(
        self,
        books: Books,
        origin: Origin,
        calendar: CalendarState,
        time_range: TimeRange,
        *,
        counts: Sequence[ChangeCounts],
        may_write: Callable[[], None],
    ) -> None:
        self._books = books
        self._origin = origin
        self._calendar = calendar
        self._key = CalendarKey(origin.account_id, calendar.calendar_id)
        self._time_range = time_range
        self._tallies = counts
        self._may_write = may_write
        self._seen: set[str] = set()
        self._put: dict[str, tuple[RemoteEvent, str]] = {}
        self._new: set[str] = set()
        self._gone: set[str] = set()

    async def take(self, page: EventPage) -> None:
        """Compare a page, and write once enough has come together."""
        known = self._books.events.known(self._key, [event.event_id for event in page.events])
        for event in page.events:
            self._compare(event, known)
        for event_id in page.removed:
            for one in (event_id, *self._books.events.occurrences(self._key, event_id)):
                self._drop(one)
        if len(self._put) + len(self._gone) >= STEP:
            self._write(None)
        await self._books.committed()  # even if nothing was written, so that the loop can run other work

    async def sweep(self) -> None:
        """After a full listing: whatever of its time_range was not in it is gone."""
        after = ""
        while ids := self._books.events.within(self._key, self._time_range, after=after, limit=SWEPT_AT_ONCE):
            after = ids[-1]
            self._gone.update(event_id for event_id in ids if event_id not in self._seen)
            if len(self._gone) >= STEP:
                self._write(None)
            await self._books.committed()

    async def finish(self, progress: SyncCheckpoint) -> None:
        """The last step: what is left, and how far this has got."""
        self._write(progress)
        await self._books.committed()

    def _compare(self, event: RemoteEvent, known: dict[str, str | None]) -> None:
        event_id = event.event_id
        is_known = event_id in known or event_id in self._put
        if event.start_ts >= self._time_range.end_ts:  # a series has no end; it is read when the time_range gets there
            if is_known:
                self._drop(event_id)
            return
        if event.end_ts <= self._time_range.start_ts and not is_known:
            return
        self._seen.add(event_id)
        self._gone.discard(event_id)
        digest = fingerprint(event)
        if known.get(event_id) == digest:
            self._put.pop(event_id, None)
        else:
            self._put[event_id] = event, digest
            if event_id not in known:
                self._new.add(event_id)

    def _drop(self, event_id: str) -> None:
        self._put.pop(event_id, None)
        self._new.discard(event_id)
        self._seen.discard(event_id)
        self._gone.add(event_id)

    def _write(self, progress: SyncCheckpoint | None) -> None:
        books, key = self._books, self._key
        with books.database.write():
            self._may_write()
            removed = books.events.remove(key, self._gone) if self._gone else 0
            books.events.put(key, self._put.values(), iso_now(self._books.clock))
            self._tell_feed()
            added = len(self._new)
            updated = len(self._put) - added
            if progress is not None:
                books.calendars.reached(*key, progress, iso_now(self._books.clock))
            if added or updated or removed:
                for tally in self._tallies:
                    tally.count(added, updated, removed)
                books.notify(
                    CalendarChanged(
                        account_id=key.account_id,
                        calendar_id=key.calendar_id,
                        added=added,
                        updated=updated,
                        removed=removed,
                    )
                )
        self._put, self._new, self._gone = {}, set(), set()

    def _tell_feed(self) -> None:
        """What is in the feed already, or belongs there now; `feed_passed` brings what passes."""
        feed_watermark_ts = self._calendar.feed_watermark_ts
        events = [event for event, _ in self._put.values()]
        passed = [] if feed_watermark_ts is None else [event for event in events if event.end_ts <= feed_watermark_ts]
        kept = {event.event_id for event in passed}
        out = [*self._gone, *(event.event_id for event in events if event.event_id not in kept | self._new)]
        if passed or out:
            self._books.feed.write(
                self._origin,
                [feed_event(self._origin, self._calendar, event) for event in passed],
                remove=[feed_id(self._origin, self._key.calendar_id, event_id) for event_id in out],
            )


async def feed_passed(books: Books, origin: Origin, calendar: CalendarState, *, may_write: Callable[[], None]) -> None:
    """Put what has ended since the last time into the feed."""
    key = CalendarKey(origin.account_id, calendar.calendar_id)
    until_ts = books.clock.now_ms() // 1000
    position = (calendar.feed_watermark_ts, "\U0010ffff") if calendar.feed_watermark_ts is not None else (-(2**62), "")
    while True:
        events = books.events.ended(key, position, until_ts, FEED_BATCH)
        is_last = len(events) < FEED_BATCH
        with books.database.write():
            may_write()
            if events:
                books.feed.write(origin, [feed_event(origin, calendar, event) for event in events])
                position = (events[-1].end_ts, events[-1].event_id)
            if is_last:
                books.calendars.fed(*key, max(until_ts, calendar.feed_watermark_ts or until_ts))
        await books.committed()
        if is_last:
            return


async def empty(books: Books, key: CalendarKey) -> int:
    """Remove all that is stored of a calendar's events, in steps; how many there were.  The feed is the caller's."""
    removed = 0
    while ids := books.events.some_ids(key, FEED_BATCH):
        with books.database.write():
            removed += books.events.remove(key, ids)
        await books.committed()
    return removed
