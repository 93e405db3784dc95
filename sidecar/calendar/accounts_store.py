"""The table `calendar_accounts`.

Rows leave as JSON that SQLite made, which `CalendarAccount` describes; it never holds what an account signs in with.
"""

from typing import Any, Final, NamedTuple

from sidecar_protocol.calendar.calendars import CalendarAccount
from sidecar_protocol.contract import Encoded

from sidecar.storage.database import Database

ACCOUNT_JSON: Final = """json_object(
    'account_id', account_id, 'provider', provider, 'email', email, 'display_name', display_name,
    'status', status, 'reason', reason, 'hint', hint, 'past_days', past_days, 'future_days', future_days,
    'last_sync_at', last_sync_at, 'created_at', created_at, 'updated_at', updated_at)"""

CHANGEABLE: Final = frozenset(
    {
        "email",
        "display_name",
        "credentials_json",
        "config_json",
        "status",
        "reason",
        "hint",
        "signed_in_at",
        "past_days",
        "future_days",
    }
)


class AccountRow(NamedTuple):
    """An account as the feature itself needs it; `credentials` and `config` are sealed."""

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
    """Every statement about calendar accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self) -> list[Encoded[CalendarAccount]]:
        """All accounts, the oldest first."""
        rows = self._database.rows(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts ORDER BY created_at, account_id")
        return [Encoded(CalendarAccount, row[0].encode()) for row in rows]

    def account(self, account_id: str) -> Encoded[CalendarAccount] | None:
        """One account."""
        row = self._database.row(f"SELECT {ACCOUNT_JSON} FROM calendar_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else Encoded(CalendarAccount, row[0].encode())

    def counts(self) -> dict[str, int]:
        """Accounts by provider."""
        return dict(self._database.rows("SELECT provider, count(*) FROM calendar_accounts GROUP BY provider"))

    def rows(self) -> list[AccountRow]:
        """All accounts as they stand."""
        return [AccountRow(*row) for row in self._database.rows(f"SELECT {_ROW} FROM calendar_accounts")]

    def row(self, account_id: str) -> AccountRow | None:
        """One account as it stands."""
        row = self._database.row(f"SELECT {_ROW} FROM calendar_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else AccountRow(*row)

    def add(self, account_id: str, provider: str, email: str, now: str) -> None:
        """A new account, of which nothing else is known yet."""
        self._database.execute(
            """
            INSERT INTO calendar_accounts (account_id, provider, email, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
            """,
            (account_id, provider, email, now, now),
        )

    def change(self, account_id: str, now: str, **values: Any) -> Encoded[CalendarAccount] | None:
        """Set columns of CHANGEABLE; the account then, None where there is none."""
        assert values.keys() <= CHANGEABLE
        sets = ", ".join(f"{name} = :{name}" for name in (*values, "updated_at"))
        row = self._database.row(
            f"UPDATE calendar_accounts SET {sets} WHERE account_id = :account_id RETURNING {ACCOUNT_JSON}",
            {**values, "updated_at": now, "account_id": account_id},
        )
        return None if row is None else Encoded(CalendarAccount, row[0].encode())

    def synced(self, account_id: str, now: str) -> None:
        """All of the account's calendars have been looked at."""
        self._database.execute("UPDATE calendar_accounts SET last_sync_at = ? WHERE account_id = ?", (now, account_id))

    def remove(self, account_id: str) -> None:
        """Forget an account."""
        self._database.execute("DELETE FROM calendar_accounts WHERE account_id = ?", (account_id,))
