"""The Jira and Confluence accounts: what they add to the life cycle that all accounts share."""

from datetime import datetime
from typing import Final

from sidecar_protocol.accounts import AccountService, AccountStatus
from sidecar_protocol.atlassian import SiteAddressInvalid
from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.jira import SyncJira

from sidecar.accounts import Account, AccountLifecycle
from sidecar.atlassian.sign_in import SignedIn, SiteAuthenticator, site_address
from sidecar.atlassian.store import HINTS, AccountsStore, StoredAccount
from sidecar.atlassian.sync_cursor import SyncCursor
from sidecar.atlassian.sync_store import SyncStore
from sidecar.clock import DAY_MS, iso_now
from sidecar.job_handler import JobFailed
from sidecar.runtime import Runtime

SYNC_PERIOD_S: Final = 300
EXPIRY_WARNING_MS: Final = 14 * DAY_MS
"""How early the client is warned that a token expires: a new one may need an administrator's approval."""
SYNC_JOBS: Final[dict[AccountService, type[SyncJira | SyncConfluence]]] = {
    AccountService.JIRA: SyncJira,
    AccountService.CONFLUENCE: SyncConfluence,
}


class Accounts(AccountLifecycle):
    """The accounts of both products."""

    sign_in_hint = "Update the account with a new token."

    def __init__(self, runtime: Runtime, authenticator: SiteAuthenticator) -> None:
        super().__init__(runtime)
        self.authenticator = authenticator
        self.store = AccountsStore(runtime.database)
        self.sync_store = SyncStore(runtime)

    def site_address(self, account: StoredAccount) -> str:
        """Returns the site's address in canonical form; the old backend stored it as typed.  Raises `JobFailed`."""
        try:
            return site_address(account.base_url)
        except SiteAddressInvalid as error:
            hint = HINTS["site_address_invalid"]
            self.stop(account.account_id, "site_address_invalid", hint)
            raise JobFailed(error.message, kind="site_address_invalid", hint=hint) from None

    def token_accepted(self, before: StoredAccount, signed_in: SignedIn, base_url: str) -> None:
        """Records that a sync has signed in; if the token belongs to another user now, everything is read again."""
        owner_id = signed_in.owner.atlassian_account_id
        with self._runtime.database.write():
            if before.atlassian_account_id not in (None, owner_id):
                self.sync_store.request_reset(before)
            is_active = before.status == AccountStatus.ACTIVE
            if not is_active or before.api_route is None or before.atlassian_account_id != owner_id:
                columns = {**signed_in.columns(), "base_url": base_url}
                self.store.change(before.account_id, iso_now(self._runtime.clock), **columns)
            if not is_active:
                self.activate(before.account_id)

    def sync_succeeded(self, account: StoredAccount, cursor: SyncCursor | None) -> None:
        """Records a complete sync, with its cursor if that is still valid, inside the caller's transaction."""
        now = iso_now(self._runtime.clock)
        if cursor is not None:
            self.sync_store.set_cursor(account, cursor, last_sync_at=now)
        self.store.change(account.account_id, now, last_sync_at=now)
        stored = self.store.get(account.account_id)
        assert stored is not None
        reason = None
        if stored.token_expires_at is not None:
            expires_ms = datetime.fromisoformat(stored.token_expires_at).timestamp() * 1000
            if expires_ms - self._runtime.clock.now_ms() < EXPIRY_WARNING_MS:
                reason = "token_expires_soon"
        self.activate(account.account_id, reason)

    # --- for the life cycle ---------------------------------------------------------------------------------------

    def find_account(self, account_id: str) -> StoredAccount | None:
        return self.store.get(account_id)

    def all_accounts(self) -> list[StoredAccount]:
        return self.store.all()

    def sync_job(self, account: Account, *, full: bool = False) -> SyncJira | SyncConfluence:
        return SYNC_JOBS[account.service](account_id=account.account_id, full=full)

    def sync_period_s(self, account: Account) -> int:
        del account
        return SYNC_PERIOD_S

    def set_status(self, account_id: str, status: AccountStatus, reason: str | None, hint: str | None) -> None:
        del hint  # it depends on the reason
        self.store.change(account_id, iso_now(self._runtime.clock), status=status, reason=reason)

    async def delete_data(self, account: Account) -> bool:
        await self.sync_store.delete_objects(account.account_id)
        return False  # a token can be revoked at id.atlassian.com only

    def delete_row(self, account: Account) -> None:
        self.store.remove(account.account_id)

    def sign_in_replaced(self) -> JobFailed:
        return JobFailed("The account got a new token during the sync.", kind="token_replaced", retryable=True)


def account_deleted() -> JobFailed:
    return JobFailed("The account was deleted.", kind="account_gone")
