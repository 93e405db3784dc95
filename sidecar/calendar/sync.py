"""A sync of one account: which calendars there are, and what has changed in each that is selected.

A calendar is read by its cursor.  Where there is none, or it has expired, all of its window is read, and what was not
found is swept.  That is done once a day besides: a window moves on, and occurrences of an untouched series that come
to lie in it are told by no cursor.  The daily pass leaves the cursor as it is, so that the chain of changes has no gap.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Final

from sidecar_protocol.calendar.accounts import CalendarSynced
from sidecar_protocol.calendar.calendars import CalendarChanged

from sidecar.accounts import run_concurrently
from sidecar.calendar.accounts import Accounts
from sidecar.calendar.accounts_store import AccountRow
from sidecar.calendar.calendars_store import CalendarState, SyncCheckpoint
from sidecar.calendar.changes import Books, ChangeCounts, Changes, empty, feed_passed
from sidecar.calendar.events_store import CalendarKey
from sidecar.calendar.provider import AccountReader, CalendarRefused, CursorExpired, EventQuery, TimeRange
from sidecar.clock import DAY_MS, DAY_S, iso, iso_now
from sidecar.feed import Origin
from sidecar.job_handler import JobContext, JobFailed

SWEEP_EVERY_MS: Final = DAY_MS
ACCOUNT_GONE: Final = "account_not_found"
AT_ONCE: Final = 4
"""Calendars of one account that are read side by side; the client of the clouds sends no more to one site."""


@dataclass(slots=True)
class AccountSync:
    """One run.  Raises `AccountRefused`, `JobFailed`, `JobSnoozed`."""

    books: Books
    accounts: Accounts
    account: AccountRow
    reader: AccountReader
    context: JobContext
    full: bool
    tally: ChangeCounts = field(default_factory=ChangeCounts)
    done: int = 0
    failed: int = 0

    async def run(self) -> CalendarSynced:
        """Do all of it."""
        self.context.progress(None, "Looking for calendars")
        calendars = await self._calendars()
        zone = next((one.time_zone for one in calendars if one.is_primary and one.time_zone), None) or "UTC"
        read: set[str] = set()
        while wanted := [one for one in calendars if one.calendar_id not in read and one.selected]:
            await self._each(wanted, zone)
            read.update(one.calendar_id for one in wanted)
            calendars = self.books.calendars.states(self.account.account_id)  # somebody may have selected another
        for calendar in calendars:
            if not calendar.selected and calendar.feed_watermark_ts is not None:
                await self._hide(calendar)
        with self.books.database.write():
            self._may_write()
            self.accounts.sync_succeeded(self.account.account_id)
        return CalendarSynced(
            calendars=self.done,
            failed_calendars=self.failed,
            added=self.tally.added,
            updated=self.tally.updated,
            removed=self.tally.removed,
        )

    async def _calendars(self) -> list[CalendarState]:
        """The account's calendars, after bringing their table up to date."""
        found = await self.reader.list_calendars()
        account_id = self.account.account_id
        ids = {one.calendar_id for one in found}
        for calendar in self.books.calendars.states(account_id):
            if calendar.calendar_id not in ids:
                await self._forget(calendar)
        with self.books.database.write():
            self._may_write()
            for calendar_id in self.books.calendars.put(account_id, found, iso_now(self.books.clock)):
                self._tell_changed(calendar_id)
        return self.books.calendars.states(account_id)

    async def _forget(self, calendar: CalendarState) -> None:
        """It is not the account's any more: unsubscribed, or deleted."""
        await self.books.feed.remove_all(self.origin, container_id=calendar.calendar_id)
        removed = await empty(self.books, CalendarKey(self.account.account_id, calendar.calendar_id))
        with self.books.database.write():
            self._may_write()
            self.books.calendars.remove(self.account.account_id, calendar.calendar_id)
            self._tell_changed(calendar.calendar_id, removed)
        self.tally.count(0, 0, removed)
        self.context.log(f"{calendar.name} is not there any more: {removed} events removed")

    async def _hide(self, calendar: CalendarState) -> None:
        """It was deselected: the feed forgets it until it is selected again; its rows stay."""
        # First back to the beginning: selected again after a crash in here, it has to be fed anew.
        for feed_watermark_ts in (0, None):
            with self.books.database.write():
                self._may_write()
                self.books.calendars.fed(self.account.account_id, calendar.calendar_id, feed_watermark_ts)
            if feed_watermark_ts is not None:
                await self.books.feed.remove_all(self.origin, container_id=calendar.calendar_id)

    async def _each(self, calendars: Sequence[CalendarState], zone: str) -> None:
        """Read the calendars, some side by side.

        Where one fails by itself the others are read all the same, and the sync fails at the end; what is about the
        account, or a pause that Google asks for, ends it at once.
        """

        async def read(calendar: CalendarState) -> None:
            self.context.progress((self.done + self.failed) / len(calendars), f"Reading {calendar.name}")
            await self._calendar(calendar, zone)

        def is_fatal(error: Exception) -> bool:
            return not isinstance(error, JobFailed) or error.kind == ACCOUNT_GONE

        await run_concurrently(read, calendars, AT_ONCE, is_fatal=is_fatal)

    async def _calendar(self, calendar: CalendarState, zone: str) -> None:
        tally = ChangeCounts()
        try:
            await self._read(calendar, zone, tally)
        except CalendarRefused as refusal:
            self.failed += 1
            with self.books.database.write():
                self._may_write()
                if self.books.calendars.refused(self.account.account_id, calendar.calendar_id, refusal.why):
                    self._tell_changed(calendar.calendar_id)
            self.context.log(f"{calendar.name} cannot be read: {refusal.why}", level="warning")
            return
        await feed_passed(self.books, self.origin, calendar, may_write=self._may_write)
        self.done += 1
        if tally != ChangeCounts():
            self.context.log(f"{calendar.name}: {tally.added} new, {tally.updated} changed, {tally.removed} gone")

    async def _read(self, calendar: CalendarState, zone: str, tally: ChangeCounts) -> None:
        """By the cursor, or all, or both."""
        now_ms = self.books.clock.now_ms()
        key = f"1:{zone}"
        wanted = EventQuery(calendar.calendar_id, self._time_range(), zone)
        cursor = calendar.sync_token if calendar.sync_token_settings == key and not self.full else None
        try:
            if cursor is not None:
                changes = self._changes(calendar, tally)
                found = await self._take(changes, replace(wanted, cursor=cursor))
                cursor = found or cursor
                await changes.finish(SyncCheckpoint(cursor, key, calendar.full_sync_at))
        except CursorExpired:
            self.context.log(f"{calendar.name} has to be read anew")
            cursor = None
        is_swept = iso(now_ms - SWEEP_EVERY_MS) < (calendar.full_sync_at or "") <= iso(now_ms)
        if cursor is None or not is_swept:
            changes = self._changes(calendar, tally)
            found = await self._take(changes, wanted)
            await changes.sweep()
            await changes.finish(SyncCheckpoint(cursor or found, key, iso(now_ms)))

    async def _take(self, changes: Changes, wanted: EventQuery) -> str | None:
        """Compare all of a listing; the cursor that it ended with."""
        cursor = None
        async with aclosing(self.reader.list_events(wanted)) as pages:
            async for page in pages:
                await changes.take(page)
                cursor = page.cursor
        return cursor

    def _changes(self, calendar: CalendarState, tally: ChangeCounts) -> Changes:
        return Changes(
            self.books,
            self.origin,
            calendar,
            self._time_range(),
            counts=(tally, self.tally),
            may_write=self._may_write,
        )

    def _time_range(self) -> TimeRange:
        """From a midnight to a midnight (UTC), so that a listing that takes a while keeps its bounds."""
        today = self.books.clock.now_ms() // 1_000 // DAY_S * DAY_S
        return TimeRange(today - self.account.past_days * DAY_S, today + (self.account.future_days + 1) * DAY_S)

    @property
    def origin(self) -> Origin:
        """Whose events these are, in the feed."""
        return self.accounts.origin(self.account)

    def _may_write(self) -> None:
        if not self.accounts.is_writable(self.account.account_id):
            raise JobFailed("The account is gone.", kind=ACCOUNT_GONE)

    def _tell_changed(self, calendar_id: str, removed: int = 0) -> None:
        self.books.notify(
            CalendarChanged(
                account_id=self.account.account_id, calendar_id=calendar_id, added=0, updated=0, removed=removed
            )
        )
