"""`jira.accounts.*` and `confluence.accounts.*`: the same methods for two products."""

from contextlib import suppress
from typing import Any, ClassVar, Final

from sidecar_protocol.accounts import AccountService, AccountStatus
from sidecar_protocol.atlassian import (
    AtlassianAccount,
    AtlassianAccountDeleted,
    AtlassianAccountExists,
    AtlassianAccountList,
    AtlassianAccountNotFound,
    AtlassianAccounts,
    AtlassianScope,
    CredentialsRejected,
    SiteAddressInvalid,
    SiteUnavailable,
)
from sidecar_protocol.confluence import Confluence
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.jira import Jira

from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.client import PRODUCT_NAMES, RequestRefused, TokenRejected
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.sign_in import SignedIn, site_address
from sidecar.atlassian.store import StoredAccount
from sidecar.clock import iso_now
from sidecar.http.client import BadResponse, HttpError, RateLimited
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.runtime import Runtime

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
        self._store = accounts.store

    async def list_accounts(self) -> AtlassianAccountList:
        return encode(AtlassianAccountList, accounts=as_models(self._store.accounts(self.service))).as_model()

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
        self._refuse_duplicate(address, email)
        account_id = self._runtime.new_id()
        sealed = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
        signed_in = await self._sign_in(address, email, api_token)
        self._refuse_duplicate(address, email)  # another call may have been faster
        with self._runtime.database.write():
            stored = self._store.add(
                account_id,
                iso_now(self._runtime.clock),
                service=self.service,
                org=org,
                base_url=address,
                email=email,
                api_token=sealed,
                scope=scope,
                token_expires_at=token_expires_at,
                **signed_in.columns(),
            )
            self._accounts.announce(account_id)
            self._accounts.request_sync(self._get(account_id))
        return stored.as_model()

    async def update_account(
        self,
        *,
        account_id: str,
        org: str | None = None,
        api_token: str | None = None,
        scope: AtlassianScope | None = None,
        token_expires_at: str | None = None,
    ) -> AtlassianAccount:
        before = self._get(account_id)
        fields: dict[str, Any] = {"org": org, "scope": scope, "token_expires_at": token_expires_at}
        changes = {name: value for name, value in fields.items() if value is not None}
        reset = scope is not None and scope != before.scope
        if api_token is not None:
            sealed = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
            address = site_address(before.base_url)
            signed_in = await self._sign_in(address, before.email, api_token)
            before = self._get(account_id)  # it may have been deleted meanwhile
            reset = reset or before.atlassian_account_id not in (None, signed_in.owner.atlassian_account_id)
            changes |= {"api_token": sealed, "base_url": address, "token_expires_at": token_expires_at}
            changes |= {"status": AccountStatus.ACTIVE, "reason": None, **signed_in.columns()}
        with self._runtime.database.write():
            stored = self._store.change(account_id, iso_now(self._runtime.clock), **changes)
            assert stored is not None
            account = self._get(account_id)
            if reset:
                self._accounts.sync_store.request_reset(account)
            if (account.status, account.reason) != (before.status, before.reason):
                self._accounts.announce(account_id)
            if api_token is not None or reset:
                self._accounts.schedule_syncs(account)
                # A new job, since a running one has begun with the old token or scope.
                self._runtime.queue.enqueue(self._accounts.sync_job(account))
        return stored.as_model()

    async def delete_account(self, *, account_id: str) -> AtlassianAccountDeleted:
        account = self._store.get(account_id)
        if account is None or account.service is not self.service:
            raise AtlassianAccountNotFound
        await self._accounts.delete_account(account)
        return AtlassianAccountDeleted(account_id=account_id)

    async def sync_account(self, *, account_id: str, full: bool = False) -> Job:
        return self._accounts.request_sync(self._get(account_id), full=full).as_model()

    def _get(self, account_id: str) -> StoredAccount:
        stored = self._store.get(account_id)
        if stored is None or stored.service is not self.service or stored.status == AccountStatus.DELETING:
            raise AtlassianAccountNotFound
        return stored

    async def _sign_in(self, address: str, email: str, api_token: str) -> SignedIn:
        """Checks a token at its site.  Raises `CredentialsRejected`, `SiteAddressInvalid` and `SiteUnavailable`."""
        try:
            return await self._accounts.authenticator.sign_in(self.service, address, (email, api_token))
        except TokenRejected:
            hint = _REJECTED_HINT.format(product=PRODUCT_NAMES[self.service])
            raise CredentialsRejected(hint=hint) from None
        except BadResponse as error:
            raise SiteAddressInvalid(f"{error}.", hint="Check the address of the site.") from None
        except RateLimited as error:
            raise SiteUnavailable(f"{error}.", retry_after_ms=round(error.retry_after_s * 1000)) from None
        except (HttpError, RequestRefused) as error:
            raise SiteUnavailable(f"{error}.", hint="Check the connection and the address.") from None
        except (JobFailed, JobSnoozed) as error:
            raise SiteUnavailable(error.message) from None

    def _refuse_duplicate(self, address: str, email: str) -> None:
        for account in self._store.all():
            if account.service is self.service and account.email.casefold() == email.casefold():
                with suppress(SiteAddressInvalid):
                    if site_address(account.base_url) == address:
                        details = [{"account_id": account.account_id}]
                        raise AtlassianAccountExists(hint="Update that account, or delete it first.", details=details)


class JiraService(_AccountsService, Jira):
    """Jira's accounts."""

    service = AccountService.JIRA


class ConfluenceService(_AccountsService, Confluence):
    """Confluence's accounts."""

    service = AccountService.CONFLUENCE
