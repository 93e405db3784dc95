"""The table `calendar_accounts`, with the accounts' encrypted credentials."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.accounts import AccountService
from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.contract import Encoded

from sidecar.accounts import Account
from sidecar.calendar.provider import StoredAccount
from sidecar.calendar.sealed import CREDENTIALS
from sidecar.clock import iso_now
from sidecar.json_reader import parse_object
from sidecar.runtime import Runtime
from sidecar.storage.database import Database
from sidecar.storage.paging import row_json

ACCOUNT_JSON: Final = row_json(CalendarAccount)


@dataclass(frozen=True, slots=True)
class AccountRow(Account):
    """An account; its credentials are encrypted, and `sign_in` is the time of the last sign-in."""

    provider: str
    email: str
    credentials_json: str | None
    past_days: int
    future_days: int

    def is_user(self, provider: str, email: str) -> bool:
        """Returns whether the account belongs to this e-mail address at this provider."""
        return (self.provider, self.email.casefold()) == (provider, email.casefold())


_SELECT: Final = """
    SELECT account_id, status, reason, hint, signed_in_at, provider, email, credentials_json, past_days, future_days
    FROM calendar_accounts"""


class AccountsStore:
    """All SQL on the table.  `services` has the service of each provider; by default it is Google's."""

    def __init__(self, database: Database, services: Mapping[str, AccountService]) -> None:
        self._database = database
        self._services = services

    def accounts(self) -> list[Encoded[CalendarAccount]]:
        """Returns all accounts, oldest first."""
        sql = f"SELECT {ACCOUNT_JSON} FROM calendar_accounts ORDER BY rowid"
        return self._database.all_encoded(CalendarAccount, sql)

    def account(self, account_id: str) -> Encoded[CalendarAccount] | None:
        sql = f"SELECT {ACCOUNT_JSON} FROM calendar_accounts WHERE account_id = ?"
        return self._database.encoded(CalendarAccount, sql, (account_id,))

    def rows(self, condition: str = "TRUE", *parameters: str) -> list[AccountRow]:
        rows = self._database.rows(f"{_SELECT} WHERE {condition}", parameters)
        google = AccountService.GOOGLE_CALENDAR
        return [AccountRow(row[0], self._services.get(row[5], google), *row[1:]) for row in rows]

    def row(self, account_id: str) -> AccountRow | None:
        return next(iter(self.rows("account_id = ?", account_id)), None)

    def add(self, account_id: str, provider: str, email: str, now: str) -> None:
        self._database.execute(
            """
            INSERT INTO calendar_accounts (account_id, provider, email, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
            """,
            (account_id, provider, email, now, now),
        )

    def change(self, account_id: str, now: str, **values: Any) -> Encoded[CalendarAccount] | None:
        """Sets these columns.  Returns the changed account, or None if it does not exist."""
        sets = ", ".join(f"{name} = :{name}" for name in (*values, "updated_at"))
        sql = f"UPDATE calendar_accounts SET {sets} WHERE account_id = :account_id RETURNING {ACCOUNT_JSON}"
        return self._database.encoded(CalendarAccount, sql, {**values, "updated_at": now, "account_id": account_id})

    def set_last_sync(self, account_id: str, now: str) -> None:
        self._database.execute("UPDATE calendar_accounts SET last_sync_at = ? WHERE account_id = ?", (now, account_id))

    def delete(self, account_id: str) -> None:
        self._database.execute("DELETE FROM calendar_accounts WHERE account_id = ?", (account_id,))


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
