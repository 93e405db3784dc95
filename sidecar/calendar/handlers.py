"""The handler of `calendar.sync`."""

from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, CalendarSynced, SyncCalendar

from sidecar.calendar.accounts import Accounts
from sidecar.calendar.changes import Books
from sidecar.calendar.sync import AccountSync
from sidecar.job_handler import JobContext, JobFailed


class SyncHandler:
    """Brings an account's calendars up to date."""

    def __init__(self, accounts: Accounts, books: Books) -> None:
        self._accounts = accounts
        self._books = books

    async def run(self, job: SyncCalendar, context: JobContext) -> CalendarSynced:
        account = self._accounts.find_account(job.account_id)
        if account is None or not self._accounts.is_writable(job.account_id):
            raise JobFailed("No calendar account has this id.", kind="account_not_found")
        row = self._accounts.get(job.account_id)

        async def sync() -> CalendarSynced:
            reader = self._accounts.providers.get(row.provider).open(self._accounts.load_credentials(row))
            return await AccountSync(self._books, self._accounts, row, reader, context, full=job.full).run()

        try:
            return await self._accounts.run_sync(account, sync)
        except CalendarProviderUnavailable as error:
            raise JobFailed(error.message, kind="provider_unavailable", hint=error.data.get("hint")) from None
