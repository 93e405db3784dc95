"""The Jira and Confluence accounts: their additions to the life cycle that all accounts share."""

from datetime import datetime
from typing import Final

from sidecar_protocol.accounts import AccountReason, AccountService
from sidecar_protocol.atlassian import AtlassianAccount, SiteAddressInvalid
from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.jira import SyncJira

from sidecar.accounts.account import AccountRefused, Verdict
from sidecar.accounts.life_cycle import AccountLifeCycle
from sidecar.atlassian.sign_in import SignedIn, SiteAuthenticator, site_address
from sidecar.atlassian.store import AtlassianAccountsStore, StoredAccount
from sidecar.atlassian.sync_cursor import SyncCursor
from sidecar.atlassian.sync_store import SyncStore
from sidecar.clock import DAY_MS, iso_now
from sidecar.runtime import Runtime

SYNC_PERIOD_S: Final = 300
EXPIRY_WARNING_MS: Final = 14 * DAY_MS
"""How early the client is warned that a token expires: a new one may need an administrator's approval."""
EXPIRY_HINT: Final = "Create a new token at id.atlassian.com before this one expires, and update the account."
SYNC_JOBS: Final[dict[AccountService, type[SyncJira | SyncConfluence]]] = {
    AccountService.JIRA: SyncJira,
    AccountService.CONFLUENCE: SyncConfluence,
}


class Accounts(AccountLifeCycle[StoredAccount, AtlassianAccount]):
    """The accounts of both products."""

    sign_in_hint = "Update the account with a new token."

    def __init__(self, runtime: Runtime, authenticator: SiteAuthenticator) -> None:
        self.store = AtlassianAccountsStore(runtime.database)
        super().__init__(runtime, self.store)
        self.authenticator = authenticator
        self.sync_store = SyncStore(runtime)

    def has_address(self, account: StoredAccount, address: str) -> bool:
        """Returns whether this is an account's address; the old backend stored it in any form."""
        try:
            return site_address(account.base_url) == address
        except SiteAddressInvalid:
            return False

    def token_accepted(self, before: StoredAccount, signed_in: SignedIn, base_url: str) -> None:
        """Records that a sync has signed in; if the token belongs to another user now, everything is read again."""
        columns = signed_in.columns()
        known = (before.api_route, before.cloud_id, before.atlassian_account_id)
        if known == tuple(columns[name] for name in ("api_route", "cloud_id", "atlassian_account_id")):
            return
        with self._runtime.database.write():
            if before.atlassian_account_id not in (None, signed_in.owner.atlassian_account_id):
                self.sync_store.request_reset(before)
            self.store.change(before.account_id, iso_now(self._runtime.clock), base_url=base_url, **columns)

    def synced(self, account: StoredAccount, cursor: SyncCursor | None) -> None:
        """Records a complete sync, with its cursor if that is still valid, inside the caller's transaction."""
        if cursor is not None:
            self.sync_store.set_cursor(account, cursor, last_sync_at=iso_now(self._runtime.clock))
        stored = self.get(account.account_id)
        if stored.token_expires_at is not None:
            expires_ms = datetime.fromisoformat(stored.token_expires_at).timestamp() * 1000
            if expires_ms - self._runtime.clock.now_ms() < EXPIRY_WARNING_MS:
                self.sync_succeeded(account.account_id, AccountReason.TOKEN_EXPIRES_SOON, EXPIRY_HINT)
                return
        self.sync_succeeded(account.account_id)

    # --- for the life cycle ---------------------------------------------------------------------------------------

    def sync_job(self, account: StoredAccount, *, full: bool = False) -> SyncJira | SyncConfluence:
        return SYNC_JOBS[account.service](account_id=account.account_id, full=full)

    def sync_period_s(self, account: StoredAccount) -> int:
        del account
        return SYNC_PERIOD_S

    async def delete_data(self, account: StoredAccount) -> bool:
        await self.sync_store.delete_objects(account.account_id)
        return False  # a token can be revoked at id.atlassian.com only


def canonical_address(account: StoredAccount) -> str:
    """Returns the site's address in canonical form; the old backend stored it as typed.  Raises `AccountRefused`."""
    try:
        return site_address(account.base_url)
    except SiteAddressInvalid as error:
        hint = "Update the account with an address like https://example.atlassian.net."
        raise AccountRefused(AccountReason.SITE_ADDRESS_INVALID, error.message, hint, Verdict.FINAL) from None
