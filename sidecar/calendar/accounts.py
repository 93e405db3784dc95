"""The life cycle of calendar accounts, whatever their provider."""

from collections.abc import Mapping
from typing import Final

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, SyncCalendar
from sidecar_protocol.calendar.calendars import CalendarAccount, CalendarAccountNotFound
from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job, WaitingFor

from sidecar.accounts import Account, AccountLifecycle
from sidecar.calendar.accounts_store import AccountRow, CredentialsStore
from sidecar.calendar.calendars_store import CalendarKey
from sidecar.calendar.event_writer import delete_events
from sidecar.calendar.provider import AccountReader, ConnectedAccount, Provider
from sidecar.calendar.stores import Stores
from sidecar.clock import iso_now
from sidecar.job_handler import JobSnoozed
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable

DEFAULT_SYNC_PERIOD_S: Final = 300
"""Used for an account of an unknown provider, whose sync then fails with the reason."""
REPLACED_RETRY_S: Final = 1.0
"""Delay before a sync that was refused is retried with the credentials of the new sign-in."""


class Accounts(AccountLifecycle):
    """All calendar accounts.

    A stored account may have a provider that is unknown here, from a newer version or from the old backend.
    """

    def __init__(
        self, runtime: Runtime, stores: Stores, credentials: CredentialsStore, providers: Mapping[str, Provider]
    ) -> None:
        super().__init__(runtime)
        self.stores = stores
        self._store = stores.accounts
        self._credentials = credentials
        self.providers = providers

    def provider(self, provider_id: str) -> Provider:
        """Returns a provider.  Raises `CalendarProviderUnavailable` if it is unknown or not configured."""
        provider = self.providers.get(provider_id)
        if provider is None:
            hint = f"The providers are: {', '.join(sorted(self.providers))}."
            raise CalendarProviderUnavailable("No calendar provider has this id.", hint=hint)
        description = provider.describe()
        if not description.available:
            raise CalendarProviderUnavailable(hint=description.reason)
        return provider

    def reader(self, row: AccountRow) -> AccountReader:
        """Returns a reader of an account's calendars.  Raises `CalendarProviderUnavailable` or `SecretUnreadable`."""
        return self.provider(row.provider).open(self._credentials.open(row))

    def get(self, account_id: str) -> AccountRow:
        """Returns an account's row.  Raises `CalendarAccountNotFound`."""
        row = self._store.row(account_id)
        if row is None:
            raise CalendarAccountNotFound
        return row

    def with_email(self, provider_id: str, email: str) -> AccountRow | None:
        """Returns the account with this e-mail address at this provider, unless it is being deleted."""
        rows = (row for row in self._store.rows() if row.status != AccountStatus.DELETING)
        return next((row for row in rows if row.is_user(provider_id, email)), None)

    def connect(
        self, provider_id: str, found: ConnectedAccount, *, account_id: str | None = None
    ) -> Encoded[CalendarAccount]:
        """Stores an account that a provider has accepted, as a new one or over `account_id`, and starts its sync.

        Raises `SecretsLocked`, and `CalendarAccountNotFound` if the account has been deleted meanwhile.
        """
        now = iso_now(self._runtime.clock)
        is_new = account_id is None
        account_id = account_id or self._runtime.new_id()
        name = {} if found.display_name is None else {"display_name": found.display_name}
        sealed = self._credentials.seal(account_id, found.credentials)
        with self._runtime.database.write():
            if is_new:
                self._store.add(account_id, provider_id, found.email, now)
            elif not self.is_writable(account_id):
                raise CalendarAccountNotFound
            stored = self._store.change(
                account_id,
                now,
                email=found.email,
                credentials_json=sealed,
                signed_in_at=now,
                status=AccountStatus.ACTIVE,
                reason=None,
                hint=None,
                **name,
            )
            assert stored is not None
            self.stores.calendars.upsert(account_id, found.calendars, now)
            self.announce(account_id)
            self.sync(account_id)
        return stored

    def sync(self, account_id: str, *, full: bool = False) -> Encoded[Job]:
        """Starts a sync, or returns the one that is queued or running.  Raises `CalendarAccountNotFound`."""
        return self.request_sync(self.get(account_id), full=full)

    def sync_succeeded(self, account_id: str) -> None:
        """Records a complete sync, inside the caller's transaction."""
        account = self.find_account(account_id)
        if account is not None:
            now = iso_now(self._runtime.clock)
            self._store.set_last_sync(account_id, now)
            self._sync_state.set(account.connector, None, now)
            self.activate(account_id)

    # --- for the life cycle ---------------------------------------------------------------------------------------

    def find_account(self, account_id: str) -> AccountRow | None:
        return self._store.row(account_id)

    def all_accounts(self) -> list[AccountRow]:
        return self._store.rows()

    def sync_job(self, account: Account, *, full: bool = False) -> SyncCalendar:
        return SyncCalendar(account_id=account.account_id, full=full)

    def sync_period_s(self, account: Account) -> int:
        provider = self.providers.get(self.get(account.account_id).provider)
        return DEFAULT_SYNC_PERIOD_S if provider is None else provider.sync_period_s

    def can_sync(self, account: Account) -> bool:
        row = self.get(account.account_id)
        provider = self.providers.get(row.provider)
        return bool(row.credentials_json) and provider is not None and provider.describe().available

    def set_status(self, account_id: str, status: AccountStatus, reason: str | None, hint: str | None) -> None:
        self._store.change(account_id, iso_now(self._runtime.clock), status=status, reason=reason, hint=hint)

    async def delete_data(self, account: Account) -> bool:
        row = self._store.row(account.account_id)
        is_revoked = row is not None and await self._revoke(row)
        for calendar_id in self.stores.events.calendar_ids(account.account_id):
            await delete_events(self._runtime, self.stores.events, CalendarKey(account.account_id, calendar_id))
        return is_revoked

    def delete_row(self, account: Account) -> None:
        for calendar in self.stores.calendars.states(account.account_id):
            self.stores.calendars.delete(calendar.key)
        self._store.delete(account.account_id)

    def sign_in_replaced(self) -> JobSnoozed:
        message = "The account was connected again during the sync."
        return JobSnoozed(message, delay_s=REPLACED_RETRY_S, waiting_for=WaitingFor.APPROVAL)

    async def _revoke(self, row: AccountRow) -> bool:
        """Revokes the sign-in at the provider, unless another account of the same user depends on it."""
        for other in self._store.rows():
            if other.account_id != row.account_id and other.is_user(row.provider, row.email):
                return False
        try:
            return await self.provider(row.provider).revoke(self._credentials.open(row))
        except (SecretUnreadable, CalendarProviderUnavailable):
            return False
