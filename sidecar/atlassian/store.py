"""The table `atlassian_accounts`.  Rows leave as JSON that SQLite made, which `AtlassianAccount` describes.

`api_token` is read by `get` alone, sealed, for those who sign in with it.
"""

from dataclasses import dataclass
from typing import Any, Final

from sidecar_protocol.atlassian import AtlassianAccount
from sidecar_protocol.contract import Encoded

from sidecar.atlassian.reasons import HINTS
from sidecar.storage.database import Database


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


_HINT: Final = f"CASE reason {' '.join(f'WHEN {_quoted(why)} THEN {_quoted(hint)}' for why, hint in HINTS.items())} END"
ACCOUNT_JSON: Final = f"""json_object(
    'account_id', account_id, 'service', service, 'org', org, 'base_url', base_url, 'email', email,
    'status', status, 'reason', reason, 'hint', {_HINT}, 'display_name', display_name, 'scope', scope,
    'token_expires_at', token_expires_at, 'last_sync_at', last_sync_at,
    'created_at', created_at, 'updated_at', updated_at)"""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account as a sync needs it."""

    account_id: str
    service: str
    base_url: str
    email: str
    sealed_token: str
    status: str
    reason: str | None
    scope: str
    api_route: str | None
    cloud_id: str | None
    atlassian_account_id: str | None
    token_expires_at: str | None


_COLUMNS: Final = """account_id, service, base_url, email, api_token, status, reason, scope, api_route, cloud_id,
    atlassian_account_id, token_expires_at"""


class AtlassianStore:
    """Every statement about the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self, service: str) -> list[Encoded[AtlassianAccount]]:
        """All accounts of one product, the oldest first."""
        rows = self._database.rows(
            f"SELECT {ACCOUNT_JSON} FROM atlassian_accounts WHERE service = ? ORDER BY created_at, account_id",
            (service,),
        )
        return [Encoded(AtlassianAccount, row[0].encode()) for row in rows]

    def all(self) -> list[StoredAccount]:
        """Every account of the two products; the old backend would have taken others, too."""
        rows = self._database.rows(
            f"""
            SELECT {_COLUMNS} FROM atlassian_accounts WHERE service IN ('jira', 'confluence')
            ORDER BY created_at, account_id
            """
        )
        return [StoredAccount(*row) for row in rows]

    def get(self, account_id: str) -> StoredAccount | None:
        """One account, with its token as it is stored."""
        row = self._database.row(f"SELECT {_COLUMNS} FROM atlassian_accounts WHERE account_id = ?", (account_id,))
        return None if row is None else StoredAccount(*row)

    def account_counts(self) -> dict[str, int]:
        """Accounts by product."""
        return dict(self._database.rows("SELECT service, count(*) FROM atlassian_accounts GROUP BY service"))

    def add(self, account_id: str, now: str, **fields: Any) -> Encoded[AtlassianAccount]:
        """A new account."""
        values = {"account_id": account_id, **fields, "created_at": now, "updated_at": now}
        row = self._database.row(
            f"""
            INSERT INTO atlassian_accounts ({", ".join(values)}) VALUES ({", ".join("?" * len(values))})
            RETURNING {ACCOUNT_JSON}
            """,
            tuple(values.values()),
        )
        assert row is not None
        return Encoded(AtlassianAccount, row[0].encode())

    def change(self, account_id: str, now: str, **fields: Any) -> Encoded[AtlassianAccount] | None:
        """Set these columns; None: there is no such account any more."""
        row = self._database.row(
            f"""
            UPDATE atlassian_accounts SET {", ".join(f"{name} = ?" for name in (*fields, "updated_at"))}
            WHERE account_id = ? RETURNING {ACCOUNT_JSON}
            """,
            (*fields.values(), now, account_id),
        )
        return None if row is None else Encoded(AtlassianAccount, row[0].encode())

    def remove(self, account_id: str) -> None:
        """Delete the account's row, and with it its token."""
        self._database.execute("DELETE FROM atlassian_accounts WHERE account_id = ?", (account_id,))
