"""The handler of `calendar.sync`."""

from typing import Final

from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, CalendarSynced, SyncCalendar
from sidecar_protocol.entities import WaitingFor
from sidecar_protocol.errors import SecretsLocked

from sidecar.calendar.accounts import UNREADABLE, Accounts
from sidecar.calendar.accounts_store import AccountRow
from sidecar.calendar.changes import Books
from sidecar.calendar.provider import AccountRefused
from sidecar.calendar.sync import AccountSync
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed
from sidecar.storage.secrets import SecretUnreadable

AGAIN_S: Final = 1.0
LOCKED_S: Final = 60.0
"""The host hands over its key at the handshake, which mostly comes within the second."""


class SyncHandler:
    """Brings an account's calendars up to date."""

    def __init__(self, accounts: Accounts, books: Books) -> None:
        self._accounts = accounts
        self._books = books

    async def run(self, job: SyncCalendar, context: JobContext) -> CalendarSynced:
        if not self._accounts.writable(job.account_id):
            raise JobFailed("There is no such calendar account.", kind="account_not_found")
        account = self._accounts.get(job.account_id)
        try:
            return await self._sync(account, context, full=job.full)
        except AccountRefused as refusal:
            raise self._stop(account, refusal) from None
        except (SecretsLocked, SecretUnreadable) as locked:
            if isinstance(locked, SecretUnreadable) and not locked.is_locked:
                raise self._stop(account, UNREADABLE) from None
            message = "The stored sign-in waits for the host's key."
            raise JobSnoozed(message, delay_s=LOCKED_S, waiting_for=WaitingFor.APPROVAL) from None
        except CalendarProviderUnavailable as missing:
            raise JobFailed(missing.message, kind="provider_unavailable", hint=missing.data.get("hint")) from None

    async def _sync(self, account: AccountRow, context: JobContext, *, full: bool) -> CalendarSynced:
        provider = self._accounts.providers.get(account.provider)
        source = provider.open(self._accounts.opened(account))
        return await AccountSync(self._books, self._accounts, account, source, context, full=full).run()

    def _stop(self, account: AccountRow, refusal: AccountRefused) -> JobFailed | JobSnoozed:
        if self._accounts.get(account.account_id).signed_in_at != account.signed_in_at:
            message = "The account was connected anew meanwhile."
            return JobSnoozed(message, delay_s=AGAIN_S, waiting_for=WaitingFor.APPROVAL)
        self._accounts.stopped(account.account_id, refusal)
        return JobFailed(refusal.message, kind="needs_reauth", hint=refusal.hint, details={"reason": refusal.reason})
