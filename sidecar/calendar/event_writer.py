"""Writes the events that a sync has read from a calendar, in steps.

A step is one transaction: rows, feed, `calendar.changed`, and in the last step the checkpoint.  Most syncs need one
step.  A large one, such as a first sync, needs several: additions and updates become visible step by step, and missing
events are deleted at the end.  After a crash the same query is repeated, because the checkpoint is written last.  So no
event that still exists disappears in between, and no cursor is stored before all events that it accounts for.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sidecar_protocol.calendar.calendars import CalendarAccount, CalendarChanged

from sidecar.accounts.account import account_deleted
from sidecar.accounts.life_cycle import AccountLifeCycle
from sidecar.calendar.accounts_store import AccountRow
from sidecar.calendar.calendars_store import CalendarKey, CalendarState, SyncCheckpoint
from sidecar.calendar.events_store import EventsStore, fingerprint
from sidecar.calendar.provider import RemoteEvent, RemoteEventPage, TimeRange
from sidecar.calendar.stores import Stores
from sidecar.clock import iso_now
from sidecar.feed import FEED_BATCH, FeedEvent
from sidecar.json_reader import get_text
from sidecar.runtime import Runtime

STEP_CHANGES: Final = 250
"""Changes after which a step is written; it blocks the loop for about 10 ms."""
COMPARED_IDS: Final = 1_000
"""Stored ids that are compared at a time."""
FEED_TYPES: Final = {
    "focusTime": "focus_scheduled",
    "outOfOffice": "absence_scheduled",
    "workingLocation": "location_scheduled",
    "birthday": "birthday_scheduled",
    "fromGmail": "booking_scheduled",
}
"""The types in the feed of events that are not meetings, by Google's `eventType`.

`fromGmail` are flights, hotels, tables and tickets that Google has found in mails.
"""


@dataclass(frozen=True, slots=True)
class SyncedAccount:
    """The account that a sync writes to."""

    runtime: Runtime
    stores: Stores
    accounts: AccountLifeCycle[AccountRow, CalendarAccount]
    row: AccountRow

    def write_feed(
        self, calendar: CalendarState, events: Iterable[RemoteEvent], remove_ids: Iterable[str] = ()
    ) -> None:
        """Updates the calendar's events in the feed, and removes those with these ids."""
        origin = self.row.origin
        prefix = f"{origin.source}:{origin.account_id}:{calendar.calendar_id}:"
        self.runtime.feed().write(
            origin,
            [_feed_event(prefix, calendar, event) for event in events],
            remove=[prefix + event_id for event_id in remove_ids],
        )

    @contextmanager
    def transaction(self) -> Iterator[str]:
        """Opens a transaction and yields the time.  Raises `JobFailed` if the account is being deleted."""
        with self.runtime.database.write():
            if not self.accounts.is_writable(self.row.account_id):
                raise account_deleted()
            yield iso_now(self.runtime.clock)

    def notify(self, calendar_id: str, **counts: int) -> None:
        """Sends `calendar.changed`; without counts, the calendar itself has changed."""
        counts = {"added": 0, "updated": 0, "removed": 0, **counts}
        self.runtime.notify(CalendarChanged(account_id=self.row.account_id, calendar_id=calendar_id, **counts))


class EventWriter:
    """Writes the result of one query.  The changes are added to `counts`."""

    def __init__(
        self, account: SyncedAccount, calendar: CalendarState, time_range: TimeRange, counts: Counter[str]
    ) -> None:
        self._account = account
        self._calendar = calendar
        self._key = calendar.key
        self._time_range = time_range
        self._counts = counts
        self._events = account.stores.events
        self._committed = account.runtime.committed
        self._seen: set[str] = set()
        # The changes of the next step.
        self._changed: dict[str, tuple[RemoteEvent, str]] = {}
        self._new: set[str] = set()
        self._removed: set[str] = set()

    async def add(self, page: RemoteEventPage) -> None:
        """Compares a page with the stored events; writes a step once there are enough changes."""
        known = self._events.fingerprints(self._key, [event.event_id for event in page.events])
        for event in page.events:
            self._compare(event, known)
        for event_id in page.removed:
            for removed_id in (event_id, *self._events.occurrence_ids(self._key, event_id)):
                self._remove(removed_id)
        if len(self._changed) + len(self._removed) >= STEP_CHANGES:
            self._write(None)
        await self._committed()  # also if nothing was written, so that the loop runs other work

    async def remove_missing(self) -> None:
        """Removes the stored events that no page had, except older ones.  Only after a query without a cursor.

        The range has no rim in which events would be kept in doubt: what overlaps it as we place events is listed.
        """
        after = ""
        start_ts = self._time_range.start_ts
        while ids := self._events.ids_since(self._key, start_ts, after=after, limit=COMPARED_IDS):
            after = ids[-1]
            self._removed.update(event_id for event_id in ids if event_id not in self._seen)
            if len(self._removed) >= STEP_CHANGES:
                self._write(None)
            await self._committed()

    async def finish(self, checkpoint: SyncCheckpoint) -> None:
        self._write(checkpoint)
        await self._committed()

    def _compare(self, event: RemoteEvent, known: dict[str, str | None]) -> None:
        event_id = event.event_id
        is_known = event_id in known or event_id in self._changed
        if event.start_ts >= self._time_range.end_ts:
            # One change of an endless series lists occurrences years ahead; the daily full read adds them in time.
            if is_known:
                self._remove(event_id)
            return
        if event.is_over(self._time_range.start_ts) and not is_known:
            return
        self._seen.add(event_id)
        self._removed.discard(event_id)
        digest = fingerprint(event)
        if known.get(event_id) == digest:
            self._changed.pop(event_id, None)
        else:
            self._changed[event_id] = event, digest
            if event_id not in known:
                self._new.add(event_id)

    def _remove(self, event_id: str) -> None:
        self._changed.pop(event_id, None)
        self._new.discard(event_id)
        self._seen.discard(event_id)
        self._removed.add(event_id)

    def _write(self, checkpoint: SyncCheckpoint | None) -> None:
        with self._account.transaction() as now:
            removed = self._events.delete(self._key, self._removed) if self._removed else 0
            self._events.upsert(self._key, self._changed.values(), now)
            self._write_feed()
            if checkpoint is not None:
                self._account.stores.calendars.set_checkpoint(self._key, checkpoint, now)
            counts = {"added": len(self._new), "updated": len(self._changed) - len(self._new), "removed": removed}
            if any(counts.values()):
                self._counts.update(counts)
                self._account.notify(self._key.calendar_id, **counts)
        self._changed, self._new, self._removed = {}, set(), set()

    def _write_feed(self) -> None:
        """Updates the feed, which has the events that ended by the watermark; `add_ended_events` moves it on."""
        watermark_ts = self._calendar.feed_watermark_ts
        events = [event for event, _ in self._changed.values()]
        ended = [event for event in events if watermark_ts is not None and event.end_ts <= watermark_ts]
        ended_ids = {event.event_id for event in ended}
        not_ended = [event_id for event_id in self._changed if event_id not in ended_ids | self._new]
        removed_ids = [*self._removed, *not_ended]
        if ended or removed_ids:
            self._account.write_feed(self._calendar, ended, removed_ids)


async def add_ended_events(account: SyncedAccount, calendar: CalendarState) -> None:
    """Adds the events to the feed that have ended since the watermark, and moves the watermark to the present."""
    watermark_ts = calendar.feed_watermark_ts
    now_ts = account.runtime.clock.now_ms() // 1000
    after = (-(2**62), "") if watermark_ts is None else (watermark_ts, "\U0010ffff")
    is_last = False
    while not is_last:
        events = account.stores.events.ended(calendar.key, after, now_ts, FEED_BATCH)
        is_last = len(events) < FEED_BATCH
        with account.transaction():
            if events:
                account.write_feed(calendar, events)
                after = (events[-1].end_ts, events[-1].event_id)
            if is_last:
                account.stores.calendars.set_feed_watermark(calendar.key, max(now_ts, watermark_ts or now_ts))
        await account.runtime.committed()


async def delete_events(runtime: Runtime, events: EventsStore, key: CalendarKey) -> int:
    """Deletes a calendar's events in committed steps, but not from the feed.  Returns their number."""
    total = 0
    while True:
        with runtime.database.write():
            deleted = events.delete_some(key, FEED_BATCH)
        await runtime.committed()
        total += deleted
        if deleted < FEED_BATCH:
            return total


def _feed_event(id_prefix: str, calendar: CalendarState, event: RemoteEvent) -> FeedEvent:
    """Converts an event.  Only events of the user's own calendars count as the user's (`by_me`)."""
    return FeedEvent(
        event_id=id_prefix + event.event_id,
        event_type=FEED_TYPES.get(event.event_type or "", "event_scheduled"),
        at_ms=event.start_ts * 1000,
        end_ms=event.end_ts * 1000,
        local_date=event.start_time[:10] if event.all_day and event.start_time else None,
        local_end_date=event.end_time[:10] if event.all_day and event.end_time else None,
        title=event.title,
        description=event.description,
        url=event.html_link,
        actor=get_text(event.organizer, "displayName") or get_text(event.organizer, "email"),
        by_me=calendar.is_primary or calendar.access_role == "owner",
        container_id=calendar.calendar_id,
        container=calendar.name,
        object_id=event.recurring_event_id or event.event_id,
        status=_status(event),
    )


def _status(event: RemoteEvent) -> str:
    if event.response_status == "declined":
        return "declined"
    if event.status == "cancelled":
        return "cancelled"
    return "tentative" if "tentative" in (event.response_status, event.status) else "confirmed"
