"""Syncs an account: its list of calendars, and the events of the selected ones.

A calendar is read from its cursor.  If it has none or the cursor has expired, all events of the time range are read,
and stored events that are missing from the answer are deleted.  This full read is also done by the first sync of a day:
the time range moves on, and no cursor reports the occurrences of an unchanged series that enter it.  The daily read
does not replace the cursor, so that no change is missed.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from sidecar_protocol.accounts import AccountErrorKind
from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, CalendarSynced, SyncCalendar

from sidecar.accounts.account import account_deleted
from sidecar.accounts.concurrency import run_concurrently
from sidecar.calendar.accounts import Accounts
from sidecar.calendar.calendars_store import CalendarState, SyncCheckpoint
from sidecar.calendar.event_writer import (
    EventWriter,
    SyncedAccount,
    add_ended_events,
    delete_events,
)
from sidecar.calendar.problems import Problems
from sidecar.calendar.provider import AccountReader, CalendarRefused, CursorExpired, EventQuery, TimeRange
from sidecar.clock import iso
from sidecar.days import begins_ms, computer_zone_name, local, zone_or_utc
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import Runtime
from sidecar.storage.sync_state import SyncState

MAX_CALENDARS_AT_ONCE: Final = 4
"""Calendars of an account that are read concurrently; the HTTP client sends four requests to a server at a time."""
QUERY_VERSION: Final = 1
"""Increase it when the events of another query would be stored, so that no older cursor is used."""


class SyncHandler:
    """Runs `calendar.sync` jobs."""

    def __init__(self, runtime: Runtime, accounts: Accounts) -> None:
        self._runtime = runtime
        self._accounts = accounts
        self._sync_state = SyncState(runtime.database)

    async def run(self, job: SyncCalendar, context: JobContext) -> CalendarSynced:
        account = self._accounts.find(job.account_id)
        if account is None or not self._accounts.is_writable(job.account_id):
            raise account_deleted()

        async def sync() -> CalendarSynced:
            target = SyncedAccount(self._runtime, self._accounts.stores, self._accounts, account)
            result = await AccountSync(target, self._accounts.reader(account), context, job.full).run()
            with target.transaction() as now:
                self._sync_state.set(account.connector, None, now)
                self._accounts.sync_succeeded(account.account_id)
            return result

        try:
            return await self._accounts.run_sync(account, sync)
        except CalendarProviderUnavailable as error:
            raise JobFailed(error.message, kind="provider_unavailable", hint=error.data.get("hint")) from None


@dataclass(slots=True)
class AccountSync:
    """A sync of an account.  `full` reads every calendar completely."""

    account: SyncedAccount
    reader: AccountReader
    context: JobContext
    full: bool
    counts: Counter[str] = field(default_factory=Counter)
    synced: int = 0
    failed: int = 0

    async def run(self) -> CalendarSynced:
        """Runs the sync.  Raises `AccountRefused`, `JobFailed` or `JobSnoozed`."""
        self.context.progress(None, "Reading the list of calendars")
        calendars = await self._sync_calendar_list()
        own_zone = next((one.time_zone for one in calendars if one.is_primary and one.time_zone), None)
        zone = own_zone or computer_zone_name() or "UTC"
        read: set[str] = set()
        while unread := [one for one in calendars if one.calendar_id not in read and one.selected]:
            await self._sync_calendars(unread, zone)
            read.update(one.calendar_id for one in unread)
            calendars = self._states()  # the user may have selected another calendar meanwhile
        for calendar in calendars:
            if not calendar.selected and calendar.feed_watermark_ts is not None:
                await self._remove_from_feed(calendar)
        return CalendarSynced(
            calendars=self.synced,
            failed_calendars=self.failed,
            added=self.counts["added"],
            updated=self.counts["updated"],
            removed=self.counts["removed"],
        )

    def _states(self) -> list[CalendarState]:
        return self.account.stores.calendars.states(self.account.row.account_id)

    async def _sync_calendar_list(self) -> list[CalendarState]:
        remote = await self.reader.list_calendars()
        remote_ids = {calendar.calendar_id for calendar in remote}
        for calendar in self._states():
            if calendar.calendar_id not in remote_ids:
                await self._delete(calendar)
        with self.account.transaction() as now:
            for calendar_id in self.account.stores.calendars.upsert(self.account.row.account_id, remote, now):
                self.account.notify(calendar_id)
        return self._states()

    async def _delete(self, calendar: CalendarState) -> None:
        runtime, stores = self.account.runtime, self.account.stores
        await runtime.feed().remove_all(self.account.row.origin, container_id=calendar.calendar_id)
        removed = await delete_events(runtime, stores.events, calendar.key)
        with self.account.transaction():
            stores.calendars.delete(calendar.key)
            self.account.notify(calendar.calendar_id, removed=removed)
        self.counts["removed"] += removed
        self.context.log(f"{calendar.name} no longer exists: removed {removed} events")

    async def _remove_from_feed(self, calendar: CalendarState) -> None:
        """Removes a deselected calendar from the feed; its events remain stored."""
        # 0 first: if the process ends before the feed is cleared, selecting the calendar again adds all of its events.
        for watermark_ts in (0, None):
            with self.account.transaction():
                self.account.stores.calendars.set_feed_watermark(calendar.key, watermark_ts)
            if watermark_ts is not None:
                await self.account.runtime.feed().remove_all(self.account.row.origin, container_id=calendar.calendar_id)

    async def _sync_calendars(self, calendars: Sequence[CalendarState], zone: str) -> None:
        """Syncs calendars concurrently.

        If one fails, the others are synced nevertheless, and the first failure is raised at the end.  A failure of the
        whole account, or a rate limit, cancels the others.
        """

        async def sync(calendar: CalendarState) -> None:
            self.context.progress((self.synced + self.failed) / len(calendars), f"Reading {calendar.name}")
            await self._sync_calendar(calendar, zone)

        def is_fatal(error: Exception) -> bool:
            return not isinstance(error, JobFailed) or error.kind == AccountErrorKind.ACCOUNT_NOT_FOUND

        await run_concurrently(sync, calendars, MAX_CALENDARS_AT_ONCE, is_fatal=is_fatal)

    async def _sync_calendar(self, calendar: CalendarState, zone: str) -> None:
        counts: Counter[str] = Counter()
        try:
            await self._read(calendar, zone, counts)
        except CalendarRefused as refusal:
            self.failed += 1
            with self.account.transaction():
                if self.account.stores.calendars.set_sync_error(calendar.key, refusal.error):
                    self.account.notify(calendar.calendar_id)
            self.context.log(f"{calendar.name} could not be read: {refusal.error}", level="warning")
            return
        finally:
            self.counts.update(counts)
        await add_ended_events(self.account, calendar)
        self.synced += 1
        if counts.total():
            numbers = ", ".join(f"{counts[name]} {name}" for name in ("added", "updated", "removed"))
            self.context.log(f"{calendar.name}: {numbers}")

    async def _read(self, calendar: CalendarState, zone: str, counts: Counter[str]) -> None:
        now_ms = self.account.runtime.clock.now_ms()
        row = self.account.row
        today_ts = _day_ts(now_ms, zone, 0)
        time_range = TimeRange(_day_ts(now_ms, zone, -row.past_days), _day_ts(now_ms, zone, row.future_days + 1))
        query = EventQuery(calendar.calendar_id, time_range, zone)
        settings = f"{QUERY_VERSION}:{zone}:{row.past_days}:{row.future_days}"
        cursor = calendar.sync_token if calendar.sync_token_settings == settings and not self.full else None
        try:
            if cursor is not None:
                writer = EventWriter(self.account, calendar, query.time_range, counts)
                problems = Problems()
                cursor = await self._copy(replace(query, cursor=cursor), writer, problems) or cursor
                problems.log(self.context, calendar)
                await writer.finish(SyncCheckpoint(cursor, settings, calendar.full_sync_at))
        except CursorExpired:
            self.context.log(f"{calendar.name}: the cursor has expired, reading all events")
            cursor = None
        # A time in the future was stored before the clock was set back.
        is_recent = iso(today_ts * 1_000) <= (calendar.full_sync_at or "") <= iso(now_ms)
        if cursor is None or not is_recent:
            writer = EventWriter(self.account, calendar, query.time_range, counts)
            problems = Problems()
            new_cursor = await self._copy(query, writer, problems)
            await writer.remove_missing()
            problems.log(self.context, calendar)
            problems.store(self.account, calendar)
            await writer.finish(SyncCheckpoint(cursor or new_cursor, settings, iso(now_ms)))

    async def _copy(self, query: EventQuery, writer: EventWriter, problems: Problems) -> str | None:
        """Writes all events of a query, and returns the new cursor if there is one."""
        cursor = None
        async with aclosing(self.reader.list_events(query)) as pages:
            async for page in pages:
                await writer.add(page)
                problems.add(page.problems)
                cursor = page.cursor
        return cursor


def _day_ts(now_ms: int, zone_name: str, days: int) -> int:
    """Returns when the day begins that is this many days after today in a zone, in seconds since 1970."""
    zone = zone_or_utc(zone_name)
    return begins_ms(local(now_ms, zone).date() + timedelta(days=days), zone) // 1_000
