"""The table `calendar_accounts`."""

from typing import Any, Final, NamedTuple

from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.contract import Encoded

from sidecar.storage.database import Database

ACCOUNT_JSON: Final = """json_object(
    'account_id', account_id, 'provider', provider, 'email', email, 'display_name', display_name,
    'status', status, 'reason', reason, 'hint', hint, 'past_days', past_days, 'future_days', future_days,
    'last_sync_at', last_sync_at, 'created_at', created_at, 'updated_at', updated_at)"""


class AccountRow(NamedTuple):
    """An account with its credentials and config, which are encrypted."""

    account_id: str
    provider: str
    email: str
    credentials: str | None
    config: str | None
    status: str
    reason: str | None
    hint: str | None
    signed_in_at: str | None
    past_days: int
    future_days: int


_ROW: Final = """account_id, provider, email, credentials_json, config_json, status, reason, hint, signed_in_at,
    past_days, future_days"""


class AccountsStore:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self) -> list[Encoded[CalendarAccount]]:
        """Returns all accounts, oldest first."""
        rows = self._database.rows(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts ORDER BY created_at, account_id")
        return [Encoded(CalendarAccount, row[0].encode()) for row in rows]

    def account(self, account_id: str) -> Encoded[CalendarAccount] | None:
        row = self._database.row(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else Encoded(CalendarAccount, row[0].encode())

    def counts(self) -> dict[str, int]:
        """Returns the number of accounts by provider."""
        return dict(self._database.rows("SELECT provider, count(*) FROM calendar_accounts GROUP BY provider"))

    def rows(self) -> list[AccountRow]:
        return [AccountRow(*row) for row in self._database.rows(f"SELECT {_ROW} FROM calendar_accounts")]

    def row(self, account_id: str) -> AccountRow | None:
        row = self._database.row(f"SELECT {_ROW} FROM calendar_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else AccountRow(*row)

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
        row = self._database.row(
            f"UPDATE calendar_accounts SET {sets} WHERE account_id = :account_id RETURNING {ACCOUNT_JSON}",
            {**values, "updated_at": now, "account_id": account_id},
        )
        return None if row is None else Encoded(CalendarAccount, row[0].encode())

    def set_last_sync(self, account_id: str, now: str) -> None:
        self._database.execute("UPDATE calendar_accounts SET last_sync_at = ? WHERE account_id = ?", (now, account_id))

    def delete(self, account_id: str) -> None:
        self._database.execute("DELETE FROM calendar_accounts WHERE account_id = ?", (account_id,))
