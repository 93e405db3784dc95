"""The handler of `calendar.sync`."""

from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, CalendarSynced, SyncCalendar

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.credentials import CredentialsStore
from sidecar.calendar.event_writer import SyncedAccount
from sidecar.calendar.stores import Stores
from sidecar.calendar.sync import AccountSync
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import Runtime


class SyncHandler:
    """Brings an account's calendars up to date."""

    def __init__(self, runtime: Runtime, stores: Stores, credentials: CredentialsStore, accounts: Accounts) -> None:
        self._runtime = runtime
        self._stores = stores
        self._credentials = credentials
        self._accounts = accounts

    async def run(self, job: SyncCalendar, context: JobContext) -> CalendarSynced:
        account = self._accounts.find_account(job.account_id)
        if account is None or not self._accounts.is_writable(job.account_id):
            raise JobFailed("No calendar account has this id.", kind="account_not_found")
        row = self._accounts.get(job.account_id)

        async def sync() -> CalendarSynced:
            reader = self._accounts.providers.get(row.provider).open(self._credentials.open(row))
            target = SyncedAccount(self._runtime, self._stores, self._accounts, row, account.origin)
            result = await AccountSync(target, reader, context, job.full).run()
            with target.transaction():
                self._accounts.sync_succeeded(row.account_id)
            return result

        try:
            return await self._accounts.run_sync(account, sync)
        except CalendarProviderUnavailable as error:
            raise JobFailed(error.message, kind="provider_unavailable", hint=error.data.get("hint")) from None
