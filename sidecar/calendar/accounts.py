"""The accounts: how one comes to be, changes, stops working and goes, whichever provider it is with."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json, to_json
from sidecar_protocol.accounts import AccountService, AccountStatus, AccountUpdated
from sidecar_protocol.calendar.accounts import CalendarAccountDeleted, CalendarProviderUnavailable, SyncCalendar
from sidecar_protocol.calendar.calendars import (
    Calendar,
    CalendarAccount,
    CalendarAccountNotFound,
    CalendarChanged,
    CalendarNotFound,
)
from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job, JobStatus

from sidecar.calendar.accounts_store import AccountRow, AccountsStore
from sidecar.calendar.changes import Books, empty
from sidecar.calendar.events_store import CalendarKey
from sidecar.calendar.provider import AccountRefused, Connected, StoredAccount
from sidecar.calendar.providers import Providers
from sidecar.calendar.sealed import CREDENTIALS
from sidecar.clock import iso_now
from sidecar.feed import Origin
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable
from sidecar.storage.sync_state import SyncState

log = logging.getLogger(__name__)

UNREADABLE: Final = AccountRefused(
    "secret_unreadable",
    "The account's stored sign-in cannot be read with the key of this computer.",
    "Connect the account again.",
)


class Accounts:
    """Every calendar account."""

    def __init__(
        self, store: AccountsStore, books: Books, sync_state: SyncState, providers: Providers, runtime: Runtime
    ) -> None:
        self._store = store
        self._books = books
        self._sync_state = sync_state
        self._runtime = runtime
        self.providers = providers

    def get(self, account_id: str) -> AccountRow:
        """An account's row.  Raises `CalendarAccountNotFound`."""
        row = self._store.row(account_id)
        if row is None:
            raise CalendarAccountNotFound
        return row

    def origin(self, row: AccountRow) -> Origin:
        """What its events are of, in the feed."""
        return Origin(self.providers.service(row.provider), row.account_id)

    def writable(self, account_id: str) -> bool:
        """Whether what a sync found may still be stored."""
        row = self._store.row(account_id)
        return row is not None and row.status != AccountStatus.DELETING

    def find(self, provider_id: str, email: str) -> AccountRow | None:
        """The account of this person at this provider, unless it is being deleted."""
        wanted = (provider_id, email.casefold())
        standing = (one for one in self._store.rows() if one.status != AccountStatus.DELETING)
        return next((one for one in standing if (one.provider, one.email.casefold()) == wanted), None)

    def existing(self, provider_id: str, found: Connected) -> str | None:
        """The account that is connected anew by this, where a person has one account at the provider."""
        row = self.find(provider_id, found.email) if self.providers.is_one_a_person(provider_id) else None
        return None if row is None else row.account_id

    def opened(self, row: AccountRow) -> StoredAccount:
        """An account with what it signs in with.  Raises `SecretUnreadable`."""
        sealed = row.credentials
        text = self._runtime.vault.open(sealed, CREDENTIALS, row.account_id) if sealed else "{}"
        try:
            credentials = from_json(text)
        except ValueError:
            credentials = {}
        signed_in = datetime.fromisoformat(row.signed_in_at) if row.signed_in_at else None
        return StoredAccount(
            row.account_id,
            row.email,
            credentials if isinstance(credentials, dict) else {},
            None if signed_in is None else round(signed_in.timestamp() * 1_000),
        )

    async def connected(
        self, provider_id: str, found: Connected, *, account_id: str | None = None
    ) -> Encoded[CalendarAccount]:
        """Store an account that was let in, or that it was let in again, and begin to sync it.  Never suspends.

        Raises `SecretsLocked`.
        """
        now = iso_now(self._books.clock)
        is_new = account_id is None
        account_id = account_id or self._runtime.new_id()
        changes: dict[str, Any] = {"status": AccountStatus.ACTIVE, "reason": None, "hint": None, "signed_in_at": now}
        if found.display_name is not None:
            changes["display_name"] = found.display_name
        changes["credentials_json"] = self._sealed(account_id, found.credentials)
        with self._books.database.write():
            if is_new:
                self._store.add(account_id, provider_id, found.email, now)
            elif not self.writable(account_id):  # it was deleted while its owner signed in again
                raise CalendarAccountNotFound
            account = self._store.change(account_id, now, email=found.email, **changes)
            assert account is not None
            self._books.calendars.put(account_id, found.calendars, now)
            self.tell(account_id)
            self._ensure_schedule(account_id, provider_id)
        self._runtime.schedules.run_now(_schedule_id(account_id))
        return account

    def keep(self, account_id: str, credentials: Mapping[str, Any]) -> None:
        """Store new credentials that the provider gave unasked.  Raises `SecretsLocked`."""
        with self._books.database.write():
            self._store.change(
                account_id, iso_now(self._books.clock), credentials_json=self._sealed(account_id, credentials)
            )

    async def update(self, account_id: str, **values: Any) -> Encoded[CalendarAccount]:
        """See `calendar.accounts.update`."""
        changes = {name: value for name, value in values.items() if value is not None}
        before = self.get(account_id)
        if not changes:
            account = self._store.account(account_id)
            assert account is not None
            return account
        with self._books.database.write():
            account = self._store.change(account_id, iso_now(self._books.clock), **changes)
            assert account is not None
            if changes.keys() - {"display_name"}:
                self._books.calendars.read_anew(account_id)
        if before.status == AccountStatus.ACTIVE and changes.keys() - {"display_name"}:
            await self.sync(account_id)
        return account

    async def select(self, account_id: str, calendar_id: str, *, selected: bool) -> Encoded[Calendar]:
        """See `calendar.calendars.update`.  A sync under way looks again before it ends."""
        with self._books.database.write():
            calendar = self._books.calendars.select(
                account_id, calendar_id, iso_now(self._books.clock), selected=selected
            )
            if calendar is None:
                raise CalendarNotFound
            told = CalendarChanged(account_id=account_id, calendar_id=calendar_id, added=0, updated=0, removed=0)
            self._books.notify(told)
        row = self._store.row(account_id)
        if row is not None and row.status == AccountStatus.ACTIVE:
            await self.sync(account_id)
        return calendar

    async def sync(self, account_id: str, *, full: bool = False) -> Encoded[Job]:
        """See `calendar.accounts.sync`.  Never suspends."""
        row = self.get(account_id)
        if full or row.status != AccountStatus.ACTIVE:
            return self._runtime.queue.enqueue(SyncCalendar(account_id=account_id, full=full))
        self._ensure_schedule(account_id, row.provider)
        return self._runtime.schedules.run_now(_schedule_id(account_id))

    def succeeded(self, account_id: str) -> None:
        """A sync is through; part of the caller's `write`."""
        row = self._store.row(account_id)
        if row is None or row.status == AccountStatus.DELETING:
            return
        now = iso_now(self._books.clock)
        self._store.synced(account_id, now)
        self._sync_state.set(_connector(self.origin(row)), None, now)
        if row.status != AccountStatus.ACTIVE:
            self._store.change(account_id, now, status=AccountStatus.ACTIVE, reason=None, hint=None)
            self.tell(account_id)
            self._ensure_schedule(account_id, row.provider)

    def stopped(self, account_id: str, refusal: AccountRefused) -> None:
        """Nothing can be synced until somebody has done something: no more tries, and one word to the host."""
        row = self._store.row(account_id)
        if row is None or row.status == AccountStatus.DELETING:
            return
        with self._books.database.write():
            self._runtime.schedules.remove(_schedule_id(account_id))
            if (row.status, row.reason) != (AccountStatus.NEEDS_REAUTH, refusal.reason):
                self._store.change(
                    account_id,
                    iso_now(self._books.clock),
                    status=AccountStatus.NEEDS_REAUTH,
                    reason=refusal.reason,
                    hint=f"{refusal.message} {refusal.hint}",
                )
                self.tell(account_id)

    async def delete(self, account_id: str) -> CalendarAccountDeleted:
        """See `calendar.accounts.delete`.  In an order that leaves something to be resumed after a crash anywhere."""
        row = self.get(account_id)
        with self._books.database.write():
            if row.status != AccountStatus.DELETING:
                self._store.change(
                    account_id, iso_now(self._books.clock), status=AccountStatus.DELETING, reason=None, hint=None
                )
                self.tell(account_id)
            self._runtime.schedules.remove(_schedule_id(account_id))
            lock = SyncCalendar(account_id=account_id).lock_key()
            self._runtime.queue.cancel_holders(lock, JobStatus.QUEUED, JobStatus.RUNNING)
        await self._books.committed()
        revoked = await self._revoke(row)
        origin = self.origin(row)
        await self._books.feed.forget(origin)
        for calendar_id in self._books.events.calendar_ids(account_id):
            await empty(self._books, CalendarKey(account_id, calendar_id))
        with self._books.database.write():
            for calendar in self._books.calendars.states(account_id):
                self._books.calendars.remove(account_id, calendar.calendar_id)
            if self._store.row(account_id) is not None:
                self._sync_state.remove(_connector(origin))
                self._store.remove(account_id)
                self._tell(row.provider, account_id, AccountStatus.DELETED)
        return CalendarAccountDeleted(account_id=account_id, revoked=revoked)

    async def resume(self) -> None:
        """At a start: each account that can be synced has its schedule, and what was being deleted goes on to be."""
        ready = {one.id for one in self.providers.describe() if one.available}
        for row in self._store.rows():
            if row.status == AccountStatus.DELETING:
                await self.delete(row.account_id)
            elif row.status == AccountStatus.ACTIVE and row.provider in ready and row.credentials:
                self._ensure_schedule(row.account_id, row.provider)
            else:
                self._runtime.schedules.remove(_schedule_id(row.account_id))

    def tell(self, account_id: str) -> None:
        """`accounts.updated`, of the account as it stands."""
        stored = self._store.account(account_id)
        assert stored is not None
        account = stored.load()
        self._tell(account.provider, account_id, account.status, account.reason, account.hint)

    def _tell(
        self,
        provider_id: str,
        account_id: str,
        status: AccountStatus,
        reason: str | None = None,
        hint: str | None = None,
    ) -> None:
        service: AccountService = self.providers.service(provider_id)
        self._books.notify(
            AccountUpdated(service=service, account_id=account_id, status=status, reason=reason, hint=hint)
        )

    async def _revoke(self, row: AccountRow) -> bool:
        others = [one for one in self._store.rows() if one.account_id != row.account_id]
        if any((one.provider, one.email.casefold()) == (row.provider, row.email.casefold()) for one in others):
            return False
        try:
            return await self.providers.get(row.provider).revoke(self.opened(row))
        except (SecretUnreadable, CalendarProviderUnavailable):
            return False

    def _sealed(self, account_id: str, credentials: Mapping[str, Any]) -> str:
        return self._runtime.vault.seal(to_json(dict(credentials)).decode(), CREDENTIALS, account_id)

    def _ensure_schedule(self, account_id: str, provider_id: str) -> None:
        every_s = self.providers.every_s(provider_id)
        self._runtime.schedules.ensure(
            _schedule_id(account_id),
            SyncCalendar(account_id=account_id),
            period_s=every_s,
            jitter_s=every_s,
        )


def _schedule_id(account_id: str) -> str:
    return f"calendar.sync:{account_id}"


def _connector(origin: Origin) -> str:
    return f"{origin.source}:{origin.account_id}"
