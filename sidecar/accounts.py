"""The life cycle of an account at a vendor's cloud, the same for every service.

    active <-> needs_reauth        either of them -> deleting -> deleted (there is no row any more)

An active account has a schedule, which queues its syncs.  When the vendor refuses an account, its schedule is removed,
its status becomes `needs_reauth`, and the client is notified once; a new sign-in makes it active again.  A deletion is
committed as `deleting` before any data is removed, so that the next start can continue it after a crash.
"""

import logging
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final, TypeVar

import anyio
from sidecar_protocol.accounts import AccountService, AccountStatus, AccountUpdated
from sidecar_protocol.contract import Encoded, JobSpec
from sidecar_protocol.entities import Job, JobStatus, WaitingFor
from sidecar_protocol.errors import SecretsLocked

from sidecar.feed import Origin
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable
from sidecar.storage.sync_state import SyncState

log = logging.getLogger(__name__)
T = TypeVar("T")

LOCKED_RETRY_S: Final = 60.0
"""Delay before a sync with locked credentials is retried.  The client passes their key in its handshake."""


@dataclass(eq=False)
class AccountRefused(Exception):
    """The vendor refuses the account until its user signs in again.

    `reason` is a stable word for programs (`token_revoked`); `message` and `hint` are for the user.
    """

    reason: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account, as far as its life cycle depends on it."""

    account_id: str
    service: AccountService
    status: str
    reason: str | None
    hint: str | None
    sign_in: str | None
    """Changes whenever the user signs in again."""

    @property
    def origin(self) -> Origin:
        return Origin(self.service, self.account_id)

    @property
    def connector(self) -> str:
        return f"{self.service}:{self.account_id}"


class AccountLifecycle(ABC):
    """The accounts of one feature, which supplies the abstract methods: its table, its job and its data."""

    sign_in_hint: ClassVar[str] = "Connect the account again."
    """Hint if the stored credentials cannot be decrypted."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._sync_state = SyncState(runtime.database)

    @abstractmethod
    def find_account(self, account_id: str) -> Account | None: ...

    @abstractmethod
    def all_accounts(self) -> Sequence[Account]: ...

    @abstractmethod
    def sync_job(self, account: Account, *, full: bool = False) -> JobSpec: ...

    @abstractmethod
    def sync_period_s(self, account: Account) -> int:
        """Returns the period of the account's schedule, in seconds."""

    @abstractmethod
    def set_status(self, account_id: str, status: AccountStatus, reason: str | None, hint: str | None) -> None:
        """Stores the status, inside the caller's transaction."""

    @abstractmethod
    async def delete_data(self, account: Account) -> bool:
        """Deletes what the account's syncs have stored, except in the feed, in committed steps.

        It is repeated after a crash.  Returns whether the sign-in was revoked at the vendor.
        """

    @abstractmethod
    def delete_row(self, account: Account) -> None:
        """Deletes the account's row, inside the caller's transaction."""

    @abstractmethod
    def sign_in_replaced(self) -> JobFailed | JobSnoozed:
        """Returns the outcome of a sync that was refused after its user had signed in again."""

    def can_sync(self, account: Account) -> bool:
        """Returns whether an active account has what a sync needs; without it no schedule is created at a start."""
        del account
        return True

    def is_writable(self, account_id: str) -> bool:
        """Returns whether a sync may store data: not if the account is being deleted."""
        account = self.find_account(account_id)
        return account is not None and account.status != AccountStatus.DELETING

    def announce(self, account_id: str) -> None:
        account = self.find_account(account_id)
        if account is not None:
            self._notify(account)

    def activate(self, account_id: str, reason: str | None = None, hint: str | None = None) -> None:
        """Makes an account active, with a warning if there is a reason, and schedules its syncs."""
        account = self.find_account(account_id)
        if account is None or account.status == AccountStatus.DELETING:
            return
        with self._runtime.database.write():
            self._change_status(account, AccountStatus.ACTIVE, reason, hint)
            self.schedule_syncs(account)

    def schedule_syncs(self, account: Account) -> None:
        schedule_id, period_s = self._schedule_id(account), self.sync_period_s(account)
        self._runtime.schedules.ensure(schedule_id, self.sync_job(account), period_s=period_s, jitter_s=period_s)

    def request_sync(self, account: Account, *, full: bool = False) -> Encoded[Job]:
        """Returns the job of a sync: the unfinished one of the schedule, or a new one."""
        if full or account.status != AccountStatus.ACTIVE:
            return self._runtime.queue.enqueue(self.sync_job(account, full=full))
        self.schedule_syncs(account)
        return self._runtime.schedules.run_now(self._schedule_id(account))

    async def run_sync(self, account: Account, sync: Callable[[], Awaitable[T]]) -> T:
        """Runs a sync.  If the account is refused, stops its schedule and raises the `JobFailed` `needs_reauth`."""
        try:
            return await sync()
        except AccountRefused as error:
            refusal = error
        except (SecretsLocked, SecretUnreadable) as error:
            if isinstance(error, SecretsLocked) or error.is_locked:
                message = "Waiting for the key that decrypts the stored credentials."
                raise JobSnoozed(message, delay_s=LOCKED_RETRY_S, waiting_for=WaitingFor.APPROVAL) from None
            refusal = AccountRefused(
                "secret_unreadable",
                "The stored credentials cannot be decrypted with this computer's key.",
                self.sign_in_hint,
            )
        current = self.find_account(account.account_id)
        if current is not None and current.sign_in != account.sign_in:
            raise self.sign_in_replaced()
        self.stop(account.account_id, refusal.reason, f"{refusal.message} {refusal.hint}")
        details = {"reason": refusal.reason}
        raise JobFailed(refusal.message, kind="needs_reauth", hint=refusal.hint, details=details)

    def stop(self, account_id: str, reason: str, hint: str) -> None:
        """Stops syncing an account until its user acts, and notifies the client unless it already knows the reason."""
        account = self.find_account(account_id)
        if account is None or account.status == AccountStatus.DELETING:
            return
        with self._runtime.database.write():
            self._runtime.schedules.remove(self._schedule_id(account))
            self._change_status(account, AccountStatus.NEEDS_REAUTH, reason, hint)

    async def delete_account(self, account: Account) -> bool:
        """Deletes an account with its data.  Returns whether the sign-in was revoked at the vendor."""
        with self._runtime.database.write():
            self._change_status(account, AccountStatus.DELETING, None, None)
            self._runtime.schedules.remove(self._schedule_id(account))
            lock = self.sync_job(account).lock_key()
            assert lock is not None
            self._runtime.queue.cancel_by_lock_key(lock, JobStatus.QUEUED, JobStatus.RUNNING)
        await self._runtime.committed()
        is_revoked = await self.delete_data(account)
        await self._runtime.feed().remove_all(account.origin)
        with self._runtime.database.write():
            if self.find_account(account.account_id) is not None:  # else another call was faster
                self._sync_state.remove(account.connector)
                self.delete_row(account)
                self._notify(replace(account, status=AccountStatus.DELETED, reason=None, hint=None))
        return is_revoked

    async def resume(self) -> None:
        """Schedules the syncs of the active accounts and continues the deletions that a crash has interrupted."""
        try:
            for account_id in [account.account_id for account in self.all_accounts()]:
                account = self.find_account(account_id)
                if account is None:  # deleted while another deletion was awaited
                    continue
                if account.status == AccountStatus.DELETING:
                    await self.delete_account(account)
                elif account.status == AccountStatus.ACTIVE and self.can_sync(account):
                    self.schedule_syncs(account)
                else:
                    self._runtime.schedules.remove(self._schedule_id(account))
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("the accounts could not be read; the next start tries again")

    def _schedule_id(self, account: Account) -> str:
        return f"{self.sync_job(account).type}:{account.account_id}"

    def _change_status(self, account: Account, status: AccountStatus, reason: str | None, hint: str | None) -> None:
        if (account.status, account.reason) != (status, reason):
            self.set_status(account.account_id, status, reason, hint)
            self.announce(account.account_id)

    def _notify(self, account: Account) -> None:
        self._runtime.notify(
            AccountUpdated(
                service=account.service,
                account_id=account.account_id,
                status=AccountStatus(account.status),
                reason=account.reason,
                hint=account.hint,
            )
        )


async def run_concurrently(
    work: Callable[[T], Awaitable[None]],
    items: Iterable[T],
    limit: int,
    *,
    is_fatal: Callable[[Exception], bool] = lambda _: True,
) -> None:
    """Calls `work` with each item, at most `limit` at a time.  A fatal error cancels the other calls.

    Raises the first fatal error, or else the first one, without an exception group around it.
    """
    pending = iter(items)
    errors: list[Exception] = []

    async def run() -> None:
        for item in pending:
            try:
                await work(item)
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
                if is_fatal(error):
                    tasks.cancel_scope.cancel()
                    return

    async with anyio.create_task_group() as tasks:
        for _ in range(limit):
            tasks.start_soon(run)
    if errors:
        raise next(filter(is_fatal, errors), errors[0])
