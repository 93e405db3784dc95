"""The table `atlassian_accounts`.  Rows leave as JSON that SQLite made, which `AtlassianAccount` describes.

No statement here reads `api_token`.
"""

from typing import Final

from sidecar.database import Database
from sidecar.secrets import SecretColumn

API_TOKEN: Final = SecretColumn("atlassian_accounts", "api_token", "account_id")

ACCOUNT_JSON: Final = """json_object(
    'account_id', account_id, 'service', service, 'org', org, 'base_url', base_url, 'email', email,
    'created_at', created_at, 'updated_at', updated_at)"""


class AtlassianStore:
    """Every statement about the accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accounts(self, service: str) -> list[bytes]:
        """All accounts of one product, the oldest first."""
        rows = self._database.rows(
            f"SELECT {ACCOUNT_JSON} FROM atlassian_accounts WHERE service = ? ORDER BY created_at, account_id",
            (service,),
        )
        return [row[0].encode() for row in rows]

    def account_counts(self) -> dict[str, int]:
        """Accounts by product."""
        return dict(self._database.rows("SELECT service, count(*) FROM atlassian_accounts GROUP BY service"))
