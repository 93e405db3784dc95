"""The calendar accounts of all providers: their additions to the life cycle that all accounts share."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from sidecar_protocol.calendar.accounts import CalendarProviderUnavailable, SyncCalendar
from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.contract import Encoded

from sidecar.accounts.life_cycle import AccountLifeCycle
from sidecar.calendar.accounts_store import AccountRow, CredentialsStore
from sidecar.calendar.calendars_store import CalendarKey
from sidecar.calendar.event_writer import delete_events
from sidecar.calendar.provider import AccountReader, ConnectedAccount, Provider
from sidecar.calendar.stores import Stores
from sidecar.clock import iso_now
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable

DEFAULT_SYNC_PERIOD_S: Final = 300
"""Used for an account of an unknown provider, whose sync then fails with the reason."""


class Accounts(AccountLifeCycle[AccountRow, CalendarAccount]):
    """All calendar accounts.

    A stored account may have a provider that is unknown here, from a newer version or from the old backend.
    """

    def __init__(
        self, runtime: Runtime, stores: Stores, credentials: CredentialsStore, providers: Mapping[str, Provider]
    ) -> None:
        super().__init__(runtime, stores.accounts)
        self.stores = stores
        self._credentials = credentials
        self.providers = providers
        self._identities: dict[str, tuple[str | None, bytes]] = {}
        """The sealed credentials of accounts and digests of what they lead to: opening thousands takes a second."""

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

    def with_email(self, provider_id: str, email: str) -> AccountRow | None:
        """Returns the account with this e-mail address at this provider, unless it is being deleted."""
        return self.first(lambda row: row.is_user(provider_id, email))

    def refuse_same(self, provider: Provider, found: ConnectedAccount, account_id: str | None = None) -> None:
        """Raises `AccountExists` if another account than this has the same calendars."""
        identity = _digest(provider.identity(found.credentials))

        def is_same(row: AccountRow) -> bool:
            if identity is None or row.provider != provider.provider_id or row.account_id == account_id:
                return False
            try:
                return self._identity(provider, row) == identity
            except SecretUnreadable:
                return False

        self.refuse_second(is_same, "Sync or update that account, or delete it first.")

    def _identity(self, provider: Provider, row: AccountRow) -> bytes | None:
        """Raises `SecretUnreadable`."""
        sealed, identity = self._identities.get(row.account_id, (None, b""))
        if not identity or sealed != row.credentials_json:
            identity = _digest(provider.identity(self._credentials.open(row).credentials)) or b""
            self._identities[row.account_id] = row.credentials_json, identity
        return identity

    def connect(
        self, provider_id: str, found: ConnectedAccount, *, account_id: str | None = None
    ) -> Encoded[CalendarAccount]:
        """Stores an account that a provider has accepted, as a new one or over `account_id`, and starts its sync.

        Raises `SecretsLocked`, and `AccountNotFound` if the account has been deleted meanwhile.
        """
        now = iso_now(self._runtime.clock)
        before = None if account_id is None else self.get(account_id)
        account_id = account_id or self._runtime.new_id()
        columns: dict[str, Any] = {"email": found.email, "signed_in_at": now}
        columns["credentials_json"] = self._credentials.seal(account_id, found.credentials)
        if found.display_name is not None:
            columns["display_name"] = found.display_name
        with self._runtime.database.write():
            if before is None:
                stored = self.add(account_id, provider=provider_id, **columns)
            else:
                stored = self.change(before, again=True, **columns)
            self.stores.calendars.upsert(account_id, found.calendars, now)
        return stored

    # --- for the life cycle ---------------------------------------------------------------------------------------

    def sync_job(self, account: AccountRow, *, full: bool = False) -> SyncCalendar:
        return SyncCalendar(account_id=account.account_id, full=full)

    def sync_period_s(self, account: AccountRow) -> int:
        provider = self.providers.get(account.provider)
        return DEFAULT_SYNC_PERIOD_S if provider is None else provider.sync_period_s

    def can_sync(self, account: AccountRow) -> bool:
        provider = self.providers.get(account.provider)
        return bool(account.credentials_json) and provider is not None and provider.describe().available

    async def delete_data(self, account: AccountRow) -> bool:
        is_revoked = await self._revoke(account)
        for calendar_id in self.stores.events.calendar_ids(account.account_id):
            await delete_events(self._runtime, self.stores.events, CalendarKey(account.account_id, calendar_id))
        return is_revoked

    def delete_rest(self, account: AccountRow) -> None:
        self._identities.pop(account.account_id, None)
        for calendar in self.stores.calendars.states(account.account_id):
            self.stores.calendars.delete(calendar.key)

    async def _revoke(self, account: AccountRow) -> bool:
        """Revokes the sign-in at the provider, unless another account of the same user depends on it."""
        for other in self.stores.accounts.all():
            if other.account_id != account.account_id and other.is_user(account.provider, account.email):
                return False
        try:
            return await self.provider(account.provider).revoke(self._credentials.open(account))
        except (SecretUnreadable, CalendarProviderUnavailable):
            return False


def _digest(identity: str | None) -> bytes | None:
    return None if identity is None else sha256(identity.encode("utf-8", "surrogatepass")).digest()
