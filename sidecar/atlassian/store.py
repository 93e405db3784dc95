"""The table `atlassian_accounts`.  API tokens are stored encrypted."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.atlassian import AtlassianAccount

from sidecar.accounts.account import Account
from sidecar.accounts.store import AccountsStore, AccountsTable
from sidecar.storage.database import Row


@dataclass(frozen=True, slots=True)
class StoredAccount(Account):
    """An account's row, as a sync needs it; `sign_in` is the address with the encrypted token."""

    base_url: str
    api_token: str
    """Encrypted."""
    scope: str
    api_route: str | None
    """`site` or `gateway`; None if the old backend has created the account."""
    cloud_id: str | None
    """The site's id at Atlassian, which stays the same if its address changes; None until it is known."""
    atlassian_account_id: str | None
    token_expires_at: str | None


class AtlassianAccountsStore(AccountsStore[StoredAccount, AtlassianAccount]):
    """The accounts of both products."""

    table: ClassVar = AccountsTable(
        "atlassian_accounts",
        AtlassianAccount,
        (
            "service", "base_url", "api_token", "scope", "api_route", "cloud_id", "atlassian_account_id",
            "token_expires_at",
        ),
        condition="service IN ('jira', 'confluence')",  # the old backend did not check it
    )  # fmt: skip

    def make(self, common: Row, own: Row) -> StoredAccount:
        account_id, *state = common
        service, base_url, api_token, *others = own
        values: list[Any] = [*state, f"{base_url} {api_token}", base_url, api_token, *others]
        return StoredAccount(account_id, AccountService(service), *values)

    def account_counts(self) -> dict[str, int]:
        return dict(self._database.rows("SELECT service, count(*) FROM atlassian_accounts GROUP BY service"))
