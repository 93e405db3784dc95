"""`jira.accounts.*` and `confluence.accounts.*`: the same methods for two products."""

from collections.abc import Callable
from typing import Any, ClassVar, Final

from sidecar_protocol.accounts import (
    AccessDenied,
    AccountNotFound,
    AccountService,
    CredentialsRejected,
    ServiceUnreachable,
)
from sidecar_protocol.atlassian import (
    AtlassianAccount,
    AtlassianAccountDeleted,
    AtlassianAccountList,
    AtlassianAccounts,
    AtlassianScope,
    SiteAddressInvalid,
)
from sidecar_protocol.confluence import Confluence
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import SecretsLocked
from sidecar_protocol.jira import Jira

from sidecar.accounts.account import AccountRefused
from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.client import DENIED_HINT, PRODUCT_NAMES, RequestRefused, TokenRejected
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.sign_in import SignedIn, site_address
from sidecar.atlassian.store import StoredAccount
from sidecar.http.client import BadResponse, HttpError, RateLimited
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.runtime import Runtime
from sidecar.storage.secrets import SecretUnreadable

_REJECTED_HINT: Final = (
    "Check the e-mail address, or create a new token at id.atlassian.com. A token with scopes needs those that read "
    "{product}."
)


class _AccountsService(AtlassianAccounts):
    """The accounts of one product."""

    service: ClassVar[AccountService]

    def __init__(self, runtime: Runtime, accounts: Accounts) -> None:
        self._runtime = runtime
        self._accounts = accounts

    async def list_accounts(self) -> AtlassianAccountList:
        accounts = self._accounts.store.encoded("service = ?", self.service)
        return encode(AtlassianAccountList, accounts=as_models(accounts)).as_model()

    async def create_account(
        self,
        *,
        org: str,
        base_url: str,
        email: str,
        api_token: str,
        scope: AtlassianScope = AtlassianScope.MINE,
        token_expires_at: str | None = None,
    ) -> AtlassianAccount:
        address = site_address(base_url)

        def is_same(account: StoredAccount) -> bool:
            is_users = (account.service, account.email.casefold()) == (self.service, email.casefold())
            return is_users and self._accounts.has_address(account, address)

        self._refuse_second(is_same)
        account_id = self._runtime.new_id()
        sealed = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
        signed_in = await self._sign_in(address, email, api_token)
        # Another call may have been faster, or the site may have several addresses.
        self._refuse_second(lambda one: is_same(one) or self._is_user(one, signed_in))
        return self._accounts.add(
            account_id,
            service=self.service,
            org=org,
            base_url=address,
            email=email,
            api_token=sealed,
            scope=scope,
            token_expires_at=token_expires_at,
            **signed_in.columns(),
        ).as_model()

    async def update_account(
        self,
        *,
        account_id: str,
        org: str | None = None,
        base_url: str | None = None,
        api_token: str | None = None,
        scope: AtlassianScope | None = None,
        token_expires_at: str | None = None,
    ) -> AtlassianAccount:
        before = self._get(account_id)
        fields: dict[str, Any] = {"org": org, "scope": scope, "token_expires_at": token_expires_at}
        changes = {name: value for name, value in fields.items() if value is not None}
        reset = scope is not None and scope != before.scope
        moved = False
        if api_token is not None:
            changes["api_token"] = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
            changes["token_expires_at"] = token_expires_at
        if api_token is not None or base_url is not None:
            address = site_address(base_url or before.base_url)
            signed_in = await self._sign_in(address, before.email, api_token or self._token(before))
            before = self._get(account_id)  # it may have been deleted meanwhile
            self._refuse_second(lambda one: one.account_id != account_id and self._is_user(one, signed_in))
            moved = not self._accounts.has_address(before, address)
            if moved:
                reset = not self._is_same_site(before, signed_in) or reset
            reset = reset or before.atlassian_account_id not in (None, signed_in.owner.atlassian_account_id)
            changes |= {**signed_in.columns(), "base_url": address, "cloud_id": signed_in.cloud_id or before.cloud_id}
        with self._runtime.database.write():
            if reset:
                self._accounts.sync_store.request_reset(before)
            # After a move everything is read again, so that all links lead to the new address.
            return self._accounts.change(
                before, again="base_url" in changes, sync=reset, full=moved and not reset, **changes
            ).as_model()

    async def delete_account(self, *, account_id: str) -> AtlassianAccountDeleted:
        await self._accounts.delete(account_id, lambda account: account.service is self.service)
        return AtlassianAccountDeleted(account_id=account_id)

    async def sync_account(self, *, account_id: str, full: bool = False) -> Job:
        return self._accounts.request_sync(self._get(account_id), full=full).as_model()

    def _get(self, account_id: str) -> StoredAccount:
        stored = self._accounts.get(account_id)
        if stored.service is not self.service:
            raise AccountNotFound
        return stored

    def _token(self, account: StoredAccount) -> str:
        """Returns an account's token.  Raises `SecretsLocked`, and `CredentialsRejected` if it cannot be decrypted."""
        try:
            return self._runtime.vault.open(account.api_token, API_TOKEN, account.account_id)
        except SecretUnreadable as error:
            if error.is_locked:
                raise SecretsLocked from None
            message = "The stored token cannot be decrypted with this computer's key."
            raise CredentialsRejected(message, hint="Pass a new token as well.") from None

    def _is_same_site(self, account: StoredAccount, signed_in: SignedIn) -> bool:
        """Returns whether an account's new address is known to lead to the same site.

        Raises `SiteAddressInvalid` if it leads to another one.
        """
        if account.cloud_id is None:
            return False
        if signed_in.cloud_id is None:
            message = "The site's id could not be read, so it is not known whether this is the same site."
            raise ServiceUnreachable(message, hint="Try again later.")
        if account.cloud_id != signed_in.cloud_id:
            message = "This is the address of another site."
            raise SiteAddressInvalid(message, hint="Connect the other site as a new account.")
        return True

    def _is_user(self, account: StoredAccount, signed_in: SignedIn) -> bool:
        """Returns whether an account is that of this user at this site, by whichever address."""
        user = account.service, account.cloud_id, account.atlassian_account_id
        return signed_in.cloud_id is not None and user == (
            self.service,
            signed_in.cloud_id,
            signed_in.owner.atlassian_account_id,
        )

    def _refuse_second(self, is_same: Callable[[StoredAccount], bool]) -> None:
        self._accounts.refuse_second(is_same, "Update that account, or delete it first.")

    async def _sign_in(self, address: str, email: str, api_token: str) -> SignedIn:
        """Checks a token at its site.

        Raises `CredentialsRejected`, `AccessDenied`, `SiteAddressInvalid` and `ServiceUnreachable`.
        """
        try:
            return await self._accounts.authenticator.sign_in(self.service, address, (email, api_token))
        except TokenRejected:
            hint = _REJECTED_HINT.format(product=PRODUCT_NAMES[self.service])
            raise CredentialsRejected(hint=hint) from None
        except BadResponse as error:
            raise SiteAddressInvalid(f"{error}.", hint="Check the address of the site.") from None
        except RateLimited as error:
            raise ServiceUnreachable(f"{error}.", retry_after_ms=round(error.retry_after_s * 1000)) from None
        except RequestRefused as error:
            if error.status == 403:
                raise AccessDenied(f"{error}.", hint=DENIED_HINT) from None
            raise ServiceUnreachable(f"{error}.") from None
        except HttpError as error:
            raise ServiceUnreachable(f"{error}.", hint="Check the connection and the address.") from None
        except AccountRefused as error:
            raise ServiceUnreachable(error.message, hint="If the site was renamed, enter its new address.") from None
        except (JobFailed, JobSnoozed) as error:
            raise ServiceUnreachable(error.message) from None


class JiraService(_AccountsService, Jira):
    """Jira's accounts."""

    service = AccountService.JIRA


class ConfluenceService(_AccountsService, Confluence):
    """Confluence's accounts."""

    service = AccountService.CONFLUENCE
