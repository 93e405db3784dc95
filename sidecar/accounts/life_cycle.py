"""The life cycle of an account, the same for every service.

    active <-> retrying -> needs_reauth -> active         any of them -> deleting -> deleted (there is no row any more)

An account has a schedule, which queues its syncs.  While its service refuses it, the schedule's next run is postponed,
and a notification says why and until when; a sync that succeeds, or a new sign-in, makes it active again.  A deletion
is committed as `deleting` before any data is removed, so that the next start can continue it after a crash.
"""

import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, Generic, TypeVar

from sidecar_protocol.accounts import (
    AccountErrorKind,
    AccountExists,
    AccountNotFound,
    AccountReason,
    AccountStatus,
    AccountUpdated,
)
from sidecar_protocol.contract import Encoded, JobSpec
from sidecar_protocol.entities import Job, JobStatus, WaitingFor
from sidecar_protocol.errors import InvalidParams, SecretsLocked

from sidecar.accounts.account import (
    Account,
    AccountRefused,
    State,
    Verdict,
    account_deleted,
    sign_in_replaced,
    state_after,
)
from sidecar.accounts.store import A, AccountsStore, M
from sidecar.clock import iso_now
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable
from sidecar.storage.sync_state import SyncState

log = logging.getLogger(__name__)
T = TypeVar("T")

LOCKED_RETRY_S: Final = 60.0
"""Delay before a sync with locked credentials is retried.  The client passes their key in its handshake."""


class AccountLifeCycle(ABC, Generic[A, M]):
    """The accounts of one feature, which supplies the abstract methods: its job and its data."""

    sign_in_hint: ClassVar[str] = "Connect the account again."
    """Hint if the stored credentials cannot be decrypted."""

    def __init__(self, runtime: Runtime, store: AccountsStore[A, M]) -> None:
        self._runtime = runtime
        self._store = store
        self._sync_state = SyncState(runtime.database)

    @abstractmethod
    def sync_job(self, account: A, *, full: bool = False) -> JobSpec: ...

    @abstractmethod
    def sync_period_s(self, account: A) -> int:
        """Returns the period of the account's schedule, in seconds."""

    @abstractmethod
    async def delete_data(self, account: A) -> bool:
        """Deletes what the account's syncs have stored, except in the feed, in committed steps.

        It is repeated after a crash.  Returns whether the sign-in was revoked at the vendor.
        """

    def delete_rest(self, account: A) -> None:
        """Deletes what must go together with the account's row, inside the caller's transaction."""

    def can_sync(self, account: A) -> bool:
        """Returns whether an account has what a sync needs; without it no schedule is created at a start."""
        del account
        return True

    def find(self, account_id: str) -> A | None:
        """Returns an account, also one that is being deleted."""
        return self._store.find(account_id)

    def get(self, account_id: str) -> A:
        """Returns an account.  Raises `AccountNotFound`, also if it is being deleted."""
        account = self._store.find(account_id)
        if account is None or account.status == AccountStatus.DELETING:
            raise AccountNotFound
        return account

    def first(self, is_meant: Callable[[A], bool]) -> A | None:
        """Returns the oldest account for which this is true, unless it is being deleted."""
        accounts = (one for one in self._store.all() if one.status != AccountStatus.DELETING)
        return next(filter(is_meant, accounts), None)

    def refuse_second(self, is_same: Callable[[A], bool], hint: str) -> None:
        """Raises `AccountExists` if this is true for an account."""
        first = self.first(is_same)
        if first is not None:
            raise AccountExists(hint=hint, details=[{"account_id": first.account_id}])

    def is_writable(self, account_id: str) -> bool:
        """Returns whether a sync may store data: not if the account is being deleted."""
        account = self._store.find(account_id)
        return account is not None and account.status != AccountStatus.DELETING

    def add(self, account_id: str, **columns: Any) -> Encoded[M]:
        """Stores a new account and queues its first sync."""
        with self._runtime.database.write():
            self._store.add(account_id, iso_now(self._runtime.clock), **columns)
            account = self.get(account_id)
            self._announce(account)
            self.request_sync(account)
        return self._store.encoded("account_id = ?", account_id)[0]

    def change(
        self, account: A, *, again: bool = False, sync: bool = False, full: bool = False, **columns: Any
    ) -> Encoded[M]:
        """Sets columns.  `again` if its user has connected it again, which makes it active.

        Each of `again`, `sync` and `full` queues a sync: a new one, since a running one has begun with the old values.
        """
        with self._runtime.database.write():
            stored = self._store.change(account.account_id, iso_now(self._runtime.clock), **columns)
            assert stored is not None
            if again:
                self._activate(account, State(AccountStatus.ACTIVE))
                stored = self._store.encoded("account_id = ?", account.account_id)[0]
            if again or sync or full:
                self._runtime.queue.enqueue(self.sync_job(account, full=full))
        return stored

    async def admit(self, job: Any) -> None:
        """Raises `InvalidParams` for a sync of an account that does not exist, or is another service's."""
        account = self._store.find(job.account_id) if self.is_writable(job.account_id) else None
        if account is None or not isinstance(job, type(self.sync_job(account))):
            raise InvalidParams(details=[{"path": "account_id", "message": "is no account of this service"}])

    def request_sync(self, account: A, *, full: bool = False) -> Encoded[Job]:
        """Returns the job of a sync: the unfinished one of the schedule, or a new one."""
        if full:
            return self._runtime.queue.enqueue(self.sync_job(account, full=True))
        self._ensure_schedule(account)
        return self._runtime.schedules.run_now(self._schedule_id(account))

    async def run_sync(self, account: A, sync: Callable[[], Awaitable[T]]) -> T:
        """Runs a sync.  If the account is refused, changes its state, and raises the `JobFailed` for that."""
        try:
            return await sync()
        except AccountRefused as error:
            refusal = error
        except (SecretsLocked, SecretUnreadable) as error:
            if isinstance(error, SecretsLocked) or error.is_locked:
                message = "Waiting for the key that decrypts the stored credentials."
                raise JobSnoozed(message, delay_s=LOCKED_RETRY_S, waiting_for=WaitingFor.APPROVAL) from None
            refusal = AccountRefused(
                AccountReason.SECRET_UNREADABLE,
                "The stored credentials cannot be decrypted with this computer's key.",
                self.sign_in_hint,
                Verdict.FINAL,
            )
        raise self._refused(account, refusal)

    def sync_succeeded(self, account_id: str, reason: AccountReason | None = None, hint: str | None = None) -> None:
        """Records a complete sync, inside the caller's transaction; with a reason, as a warning of the active account.

        The account must not be one that is being deleted.
        """
        account = self.get(account_id)
        self._store.set_last_sync(account_id, iso_now(self._runtime.clock))
        self._activate(account, State(AccountStatus.ACTIVE, reason, hint))

    async def delete(self, account_id: str, is_own: Callable[[A], bool] = lambda _: True) -> bool:
        """Deletes an account with its data, also one whose deletion was begun before.

        Returns whether the sign-in was revoked at the vendor.  Raises `AccountNotFound`, also for one that `is_own`
        excludes.
        """
        account = self._store.find(account_id)
        if account is None or not is_own(account):
            raise AccountNotFound
        with self._runtime.database.write():
            self._set_state(account, State(AccountStatus.DELETING))
            self._runtime.schedules.remove(self._schedule_id(account))
            lock = self.sync_job(account).lock_key()
            assert lock is not None
            self._runtime.queue.cancel_by_lock_key(lock, JobStatus.QUEUED, JobStatus.RUNNING)
        await self._runtime.committed()
        is_revoked = await self.delete_data(account)
        await self._runtime.feed().remove_all(account.origin)
        with self._runtime.database.write():
            if self._store.find(account_id) is not None:  # else another call was faster
                self._sync_state.remove(account.connector)
                self.delete_rest(account)
                self._store.remove(account_id)
                self._tell(account, State(AccountStatus.DELETED))
        return is_revoked

    async def resume(self) -> None:
        """Schedules the syncs of all accounts, and continues the deletions that a crash has interrupted."""
        try:
            for account_id in [account.account_id for account in self._store.all()]:
                account = self._store.find(account_id)
                if account is None:  # deleted while another deletion was awaited
                    continue
                if account.status == AccountStatus.DELETING:
                    await self.delete(account_id)
                elif self.can_sync(account):
                    self._ensure_schedule(account)
                    if account.reason == AccountReason.SECRET_UNREADABLE:
                        self._try_soon(account)  # this start may have the right key
                else:
                    self._runtime.schedules.remove(self._schedule_id(account))
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("the accounts could not be read; the next start tries again")

    def _refused(self, account: A, refusal: AccountRefused) -> JobFailed:
        """Changes the account's state after a refusal, and returns the sync's failure."""
        current = self._store.find(account.account_id)
        if current is None or current.status == AccountStatus.DELETING:
            return account_deleted()
        if current.sign_in != account.sign_in:
            return sign_in_replaced()
        now_ms = self._runtime.clock.now_ms()
        after, delay_s = state_after(current, refusal, now_ms)
        next_try_at = current.next_try_at
        is_due = next_try_at is None or next_try_at <= iso_now(self._runtime.clock)
        with self._runtime.database.write():
            if is_due or after.status != current.status:  # a sync by hand does not postpone the next try
                self._ensure_schedule(current)
                next_try_at = self._runtime.schedules.postpone(self._schedule_id(current), delay_s)
            self._set_state(current, after._replace(next_try_at=next_try_at))
        needs_reauth = after.status == AccountStatus.NEEDS_REAUTH
        return JobFailed(
            refusal.message,
            kind=AccountErrorKind.NEEDS_REAUTH if needs_reauth else AccountErrorKind.ACCOUNT_REFUSED,
            hint=refusal.hint,
            details={"reason": refusal.reason},
        )

    def _activate(self, account: A, state: State) -> None:
        self._ensure_schedule(account)
        if account.status != AccountStatus.ACTIVE:
            self._runtime.schedules.postpone(self._schedule_id(account), 0)
        self._set_state(account, state)

    def _try_soon(self, account: A) -> None:
        with self._runtime.database.write():
            next_try_at = self._runtime.schedules.postpone(self._schedule_id(account), 0)
            self._set_state(account, _state(account)._replace(next_try_at=next_try_at))

    def _set_state(self, account: A, state: State) -> None:
        """Stores a state and notifies the client, unless it is the account's, inside the caller's transaction."""
        before = _state(account)
        if state == before:
            return
        self._store.change(account.account_id, iso_now(self._runtime.clock), **state._asdict())
        if state._replace(refused_at=before.refused_at, hint=before.hint) != before:
            self._tell(account, state)

    def _announce(self, account: A) -> None:
        self._tell(account, _state(account))

    def _tell(self, account: A, state: State) -> None:
        self._runtime.notify(
            AccountUpdated(
                service=account.service,
                account_id=account.account_id,
                status=state.status,
                reason=None if state.reason is None else AccountReason(state.reason),
                hint=state.hint,
                next_try_at=state.next_try_at,
            )
        )

    def _ensure_schedule(self, account: A) -> None:
        schedule_id, period_s = self._schedule_id(account), self.sync_period_s(account)
        self._runtime.schedules.ensure(schedule_id, self.sync_job(account), period_s=period_s, jitter_s=period_s)

    def _schedule_id(self, account: A) -> str:
        return f"{self.sync_job(account).type}:{account.account_id}"


def _state(account: Account) -> State:
    status = AccountStatus(account.status)
    return State(status, account.reason, account.hint, account.refused_at, account.next_try_at)
