"""The table `atlassian_accounts`.  API tokens are stored encrypted, and only `get` and `all` read them."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.accounts import AccountService
from sidecar_protocol.atlassian import AtlassianAccount
from sidecar_protocol.contract import Encoded

from sidecar.accounts import Account
from sidecar.storage.database import Database, Row
from sidecar.storage.paging import row_json

HINTS: Final = {
    "token_rejected": "The token has expired or was revoked: create one at id.atlassian.com and update the account.",
    "token_expires_soon": "Create a new token at id.atlassian.com before this one expires, and update the account.",
    "secret_unreadable": "This computer's key cannot decrypt the stored token: update the account with a new token.",
    "site_address_invalid": "Delete the account and connect the site by an address like https://example.atlassian.net.",
}
"""Suggested actions for the user, by the account's `reason`."""


_HINTS_JSON: Final = to_json(HINTS).decode().replace("'", "''")
_HINT: Final = f"json_extract('{_HINTS_JSON}', '$.' || reason)"
ACCOUNT_JSON: Final = row_json(AtlassianAccount, hint=_HINT)


@dataclass(frozen=True, slots=True)
class StoredAccount(Account):
    """An account's row, as a sync needs it; `sign_in` is the encrypted token."""

    base_url: str
    email: str
    api_token: str
    """Encrypted."""
    scope: str
    api_route: str | None
    """`site` or `gateway`; None if the old backend has created the account."""
    cloud_id: str | None
    atlassian_account_id: str | None
    token_expires_at: str | None


# The old backend did not check the column `service`.
_SELECT: Final = f"""
    SELECT account_id, service, status, reason, {_HINT}, api_token,
        base_url, email, api_token, scope, api_route, cloud_id, atlassian_account_id, token_expires_at
    FROM atlassian_accounts WHERE service IN ('jira', 'confluence')"""


class AccountsStore:
    """All SQL on the table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self, service: str) -> list[Encoded[AtlassianAccount]]:
        """Returns the accounts of one product, the oldest first."""
        sql = f"SELECT {ACCOUNT_JSON} FROM atlassian_accounts WHERE service = ? ORDER BY rowid"
        return self._database.all_encoded(AtlassianAccount, sql, (service,))

    def all(self) -> list[StoredAccount]:
        """Returns every account of the two products, the oldest first."""
        return [_stored(row) for row in self._database.rows(f"{_SELECT} ORDER BY rowid")]

    def get(self, account_id: str) -> StoredAccount | None:
        row = self._database.row(f"{_SELECT} AND account_id = ?", (account_id,))
        return None if row is None else _stored(row)

    def account_counts(self) -> dict[str, int]:
        return dict(self._database.rows("SELECT service, count(*) FROM atlassian_accounts GROUP BY service"))

    def add(self, account_id: str, now: str, **columns: Any) -> Encoded[AtlassianAccount]:
        values = {"account_id": account_id, **columns, "created_at": now, "updated_at": now}
        added = self._database.encoded(
            AtlassianAccount,
            f"""
            INSERT INTO atlassian_accounts ({", ".join(values)}) VALUES ({", ".join("?" * len(values))})
            RETURNING {ACCOUNT_JSON}
            """,
            tuple(values.values()),
        )
        assert added is not None
        return added

    def change(self, account_id: str, now: str, **columns: Any) -> Encoded[AtlassianAccount] | None:
        """Sets columns.  Returns the account, or None if it has been deleted."""
        return self._database.encoded(
            AtlassianAccount,
            f"""
            UPDATE atlassian_accounts SET {", ".join(f"{name} = ?" for name in (*columns, "updated_at"))}
            WHERE account_id = ? RETURNING {ACCOUNT_JSON}
            """,
            (*columns.values(), now, account_id),
        )

    def remove(self, account_id: str) -> None:
        self._database.execute("DELETE FROM atlassian_accounts WHERE account_id = ?", (account_id,))


def _stored(row: Row) -> StoredAccount:
    account_id, service, *others = row
    return StoredAccount(account_id, AccountService(service), *others)
