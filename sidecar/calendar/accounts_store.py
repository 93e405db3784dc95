"""The table `calendar_accounts`, with the accounts' encrypted credentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic_core import to_json
from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.calendars import CalendarAccount

from sidecar.accounts.account import Account
from sidecar.accounts.store import AccountsStore, AccountsTable
from sidecar.calendar.provider import StoredAccount
from sidecar.calendar.sealed import CREDENTIALS
from sidecar.clock import iso_now
from sidecar.json_reader import parse_object
from sidecar.runtime import Runtime
from sidecar.storage.database import Database, Row


@dataclass(frozen=True, slots=True)
class AccountRow(Account):
    """An account; its credentials are encrypted, and `sign_in` is the time of the last sign-in."""

    provider: str
    credentials_json: str | None
    past_days: int
    future_days: int

    def is_user(self, provider: str, email: str) -> bool:
        """Returns whether the account belongs to this e-mail address at this provider."""
        return (self.provider, self.email.casefold()) == (provider, email.casefold())


class CalendarAccountsStore(AccountsStore[AccountRow, CalendarAccount]):
    """The accounts.  `services` has the service of each provider; by default it is Google's."""

    table: ClassVar = AccountsTable(
        "calendar_accounts",
        CalendarAccount,
        ("signed_in_at", "provider", "credentials_json", "past_days", "future_days"),
    )

    def __init__(self, database: Database, services: Mapping[str, AccountService]) -> None:
        super().__init__(database)
        self._services = services

    def make(self, common: Row, own: Row) -> AccountRow:
        account_id, *others = common
        service = self._services.get(own[1], AccountService.GOOGLE_CALENDAR)
        return AccountRow(account_id, service, *others, *own)


class CredentialsStore:
    """Encrypts, stores and decrypts credentials."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def open(self, row: AccountRow) -> StoredAccount:
        """Returns an account with its decrypted credentials.  Raises `SecretUnreadable`."""
        sealed = row.credentials_json
        text = self._runtime.vault.open(sealed, CREDENTIALS, row.account_id) if sealed else "{}"
        signed_in = datetime.fromisoformat(row.sign_in).timestamp() if row.sign_in else None
        signed_in_ms = None if signed_in is None else round(signed_in * 1_000)
        return StoredAccount(row.account_id, row.email, parse_object(text) or {}, signed_in_ms)

    def seal(self, account_id: str, credentials: Mapping[str, Any]) -> str:
        """Encrypts credentials for the account's row.  Raises `SecretsLocked`."""
        return self._runtime.vault.seal(to_json(dict(credentials)).decode(), CREDENTIALS, account_id)

    def replace(self, account_id: str, credentials: Mapping[str, Any]) -> None:
        """Stores credentials that the provider has replaced without a new sign-in.  Raises `SecretsLocked`."""
        sealed = self.seal(account_id, credentials)
        with self._runtime.database.write():
            self._runtime.database.execute(
                "UPDATE calendar_accounts SET credentials_json = ?, updated_at = ? WHERE account_id = ?",
                (sealed, iso_now(self._runtime.clock), account_id),
            )
