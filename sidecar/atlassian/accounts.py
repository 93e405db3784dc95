"""The life cycle of Jira and Confluence accounts, which is the same for both."""

from datetime import datetime
from typing import Any, Final

from sidecar_protocol.accounts import AccountService, AccountStatus, AccountUpdated
from sidecar_protocol.atlassian import (
    AtlassianAccount,
    AtlassianAccountDeleted,
    AtlassianAccountExists,
    AtlassianAccountList,
    AtlassianAccountNotFound,
    AtlassianScope,
    AtlassianService,
    CredentialsRejected,
    SiteAddressInvalid,
    SiteUnavailable,
)
from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.address import site_address
from sidecar.atlassian.client import PRODUCT_NAMES, Credentials, Refused, SignedOut
from sidecar.atlassian.reasons import HINTS
from sidecar.atlassian.records import Records, connector
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.sign_in import Door, Owner, Reception
from sidecar.atlassian.store import StoredAccount
from sidecar.clock import DAY_MS, iso_now
from sidecar.feed import Origin
from sidecar.http.client import BadResponse, HttpError, RateLimited
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.runtime import Runtime

SYNC_EVERY_S: Final = 300
EXPIRY_WARNING_MS: Final = 14 * DAY_MS
"""The end of a token is told this long ahead: a new one may need an administrator's approval."""
SPECS: Final[dict[AtlassianService, type[SyncJira | SyncConfluence]]] = {
    AtlassianService.JIRA: SyncJira,
    AtlassianService.CONFLUENCE: SyncConfluence,
}
_REJECTED_HINT: Final = (
    "Check the e-mail address, and make a new token at id.atlassian.com. One with scopes needs those to read {product}."
)


class Accounts:
    """Every account, of both products."""

    def __init__(self, records: Records, runtime: Runtime, reception: Reception) -> None:
        self._records = records
        self._store = records.accounts
        self._runtime = runtime
        self._reception = reception

    def list(self, service: AtlassianService) -> AtlassianAccountList:
        """All accounts of one product."""
        return encode(AtlassianAccountList, accounts=as_models(self._store.accounts(service))).as_model()

    async def create(
        self,
        service: AtlassianService,
        *,
        org: str,
        base_url: str,
        email: str,
        api_token: str,
        scope: AtlassianScope,
        token_expires_at: str | None,
    ) -> AtlassianAccount:
        """See `jira.accounts.create`."""
        address = site_address(base_url)
        self._refuse_duplicate(service, address, email)
        account_id = self._runtime.new_id()
        sealed = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
        door, person = await self._check(service, address, email, api_token)
        self._refuse_duplicate(service, address, email)  # somebody may have been quicker
        with self._records.database.write():
            account = self._store.add(
                account_id,
                iso_now(self._records.clock),
                service=service,
                org=org,
                base_url=address,
                email=email,
                api_token=sealed,
                scope=scope,
                token_expires_at=token_expires_at,
                **_known(door, person),
            )
            self._tell(account.load())
        self._schedule(service, account_id)
        self._runtime.schedules.run_now(_schedule_id(service, account_id))
        return account.as_model()

    async def update(
        self,
        service: AtlassianService,
        *,
        account_id: str,
        org: str | None,
        api_token: str | None,
        scope: AtlassianScope | None,
        token_expires_at: str | None,
    ) -> AtlassianAccount:
        """See `jira.accounts.update`."""
        before = self._get(service, account_id)
        fields: dict[str, Any] = {"org": org, "scope": scope, "token_expires_at": token_expires_at}
        changes = {name: value for name, value in fields.items() if value is not None}
        reads_anew = scope is not None and scope != before.scope
        if api_token is not None:
            sealed = self._runtime.vault.seal(api_token, API_TOKEN, account_id)
            address = site_address(before.base_url)
            door, person = await self._check(service, address, before.email, api_token)
            before = self._get(service, account_id)  # it may have been deleted meanwhile
            reads_anew = reads_anew or before.atlassian_account_id not in (None, person.atlassian_account_id)
            changes |= {"api_token": sealed, "base_url": address, "token_expires_at": token_expires_at}
            changes |= {"status": AccountStatus.ACTIVE, "reason": None, **_known(door, person)}
        with self._records.database.write():
            account = self._store.change(account_id, iso_now(self._records.clock), **changes)
            assert account is not None
            if reads_anew:
                self._records.read_anew(Origin(service, account_id))
            after = account.load()
            if (after.status, after.reason) != (before.status, before.reason):
                self._tell(after)
        if api_token is not None or reads_anew:
            self._schedule(service, account_id)
            # Not the job that is under way: that one began with what the account was.
            self._runtime.queue.enqueue(SPECS[service](account_id=account_id))
        return account.as_model()

    async def delete(self, service: AtlassianService, account_id: str) -> AtlassianAccountDeleted:
        """See `jira.accounts.delete`.  One whose deletion was given up half-way may be deleted again."""
        account = self._store.get(account_id)
        if account is None or account.service != service:
            raise AtlassianAccountNotFound
        await self._finish_deleting(account_id, service)
        return AtlassianAccountDeleted(account_id=account_id)

    async def sync(self, service: AtlassianService, account_id: str, *, full: bool) -> Job:
        """See `jira.accounts.sync`.  Never suspends."""
        account = self._get(service, account_id)
        if full or account.status != AccountStatus.ACTIVE:
            return self._runtime.queue.enqueue(SPECS[service](account_id=account_id, full=full)).as_model()
        self._schedule(service, account_id)
        return self._runtime.schedules.run_now(_schedule_id(service, account_id)).as_model()

    async def resume(self) -> None:
        """At a start: every active account has its schedule, and what was being deleted goes on to be."""
        for account in self._store.all():
            service = AtlassianService(account.service)
            if account.status == AccountStatus.ACTIVE:
                self._schedule(service, account.account_id)
            elif account.status == AccountStatus.DELETING:
                await self._finish_deleting(account.account_id, service)

    def address(self, account: StoredAccount) -> str:
        """The site's address in its one form, which the old backend did not see to.  Raises `JobFailed`."""
        try:
            return site_address(account.base_url)
        except SiteAddressInvalid as invalid:
            self.stopped(account.account_id, "site_address_invalid")
            hint = HINTS["site_address_invalid"]
            raise JobFailed(invalid.message, kind="site_address_invalid", hint=hint) from None

    def signed_in(self, account: StoredAccount, door: Door, person: Owner, base_url: str) -> None:
        """A sync has found the token to be good: note how, and for whom."""
        known = {**_known(door, person), "base_url": base_url}
        with self._records.database.write():
            if account.atlassian_account_id not in (None, person.atlassian_account_id):
                self._records.read_anew(Origin(account.service, account.account_id))
            if account.status == AccountStatus.ACTIVE:
                if account.api_route is None or account.atlassian_account_id != person.atlassian_account_id:
                    self._store.change(account.account_id, iso_now(self._records.clock), **known)
                return
            changed = self._store.change(
                account.account_id, iso_now(self._records.clock), status=AccountStatus.ACTIVE, reason=None, **known
            )
            if changed is not None:
                self._tell(changed.load())
                self._schedule(AtlassianService(account.service), account.account_id)

    def synced(self, account_id: str) -> None:
        """A sync has gone well: say so ahead of time where that will soon be over."""
        account = self._store.get(account_id)
        if account is None or account.status != AccountStatus.ACTIVE:
            return
        ends = account.token_expires_at
        soon = ends is not None and _ms(ends) - self._records.clock.now_ms() < EXPIRY_WARNING_MS
        reason = "token_expires_soon" if soon else None
        if reason != account.reason:
            self._set_status(account_id, AccountStatus.ACTIVE, reason)

    def stopped(self, account_id: str, reason: str) -> None:
        """The account cannot be synced until somebody has done something: no more tries, and one word to the host."""
        account = self._store.get(account_id)
        if account is None or account.status == AccountStatus.DELETING:
            return
        with self._records.database.write():
            self._runtime.schedules.remove(_schedule_id(AtlassianService(account.service), account_id))
            if (account.status, account.reason) != (AccountStatus.NEEDS_REAUTH, reason):
                self._set_status(account_id, AccountStatus.NEEDS_REAUTH, reason)

    async def _finish_deleting(self, account_id: str, service: AtlassianService) -> None:
        """In an order that a crash at any point leaves something to be resumed."""
        origin = Origin(service, account_id)
        with self._records.database.write():
            self._set_status(account_id, AccountStatus.DELETING, None)
            self._runtime.schedules.remove(_schedule_id(service, account_id))
            lock = SPECS[service](account_id=account_id).lock_key()
            self._runtime.queue.cancel_by_lock_key(lock, JobStatus.QUEUED, JobStatus.RUNNING)
        await self._records.forget(origin)
        if self._store.get(account_id) is None:  # asked for twice
            return
        with self._records.database.write():
            self._records.sync_state.remove(connector(origin))
            self._store.remove(account_id)
            told = AccountUpdated(service=AccountService(service), account_id=account_id, status=AccountStatus.DELETED)
            self._runtime.notify(told)

    def _set_status(self, account_id: str, status: AccountStatus, reason: str | None) -> None:
        with self._records.database.write():
            changed = self._store.change(account_id, iso_now(self._records.clock), status=status, reason=reason)
            if changed is not None:
                self._tell(changed.load())

    async def _check(self, service: AtlassianService, address: str, email: str, api_token: str) -> tuple[Door, Owner]:
        """Whether the site takes the token; raises what a client is told where it does not."""
        try:
            _, door, person = await self._reception.sign_in(service, address, Credentials(email, api_token))
        except SignedOut:
            raise CredentialsRejected(hint=_REJECTED_HINT.format(product=PRODUCT_NAMES[service])) from None
        except BadResponse as trouble:
            raise SiteAddressInvalid(f"{trouble}.", hint="Check the address of the site.") from None
        except RateLimited as trouble:
            raise SiteUnavailable(f"{trouble}.", retry_after_ms=round(trouble.retry_after_s * 1000)) from None
        except (HttpError, Refused) as trouble:
            raise SiteUnavailable(f"{trouble}.", hint="Check the connection and the address.") from None
        except (JobFailed, JobSnoozed) as trouble:
            raise SiteUnavailable(trouble.message) from None
        return door, person

    def _refuse_duplicate(self, service: AtlassianService, address: str, email: str) -> None:
        for account in self._store.all():
            if account.service == service and account.email.casefold() == email.casefold():
                try:
                    same = site_address(account.base_url) == address
                except SiteAddressInvalid:
                    same = False
                if same:
                    raise AtlassianAccountExists(
                        hint="Update that account instead, or delete it first.",
                        details=[{"account_id": account.account_id}],
                    )

    def _get(self, service: AtlassianService, account_id: str) -> StoredAccount:
        account = self._store.get(account_id)
        if account is None or account.service != service or account.status == AccountStatus.DELETING:
            raise AtlassianAccountNotFound
        return account

    def _schedule(self, service: AtlassianService, account_id: str) -> None:
        spec = SPECS[service](account_id=account_id)
        schedule_id = _schedule_id(service, account_id)
        self._runtime.schedules.ensure(schedule_id, spec, period_s=SYNC_EVERY_S, jitter_s=SYNC_EVERY_S)

    def _tell(self, account: AtlassianAccount) -> None:
        told = AccountUpdated(
            service=AccountService(account.service),
            account_id=account.account_id,
            status=account.status,
            reason=account.reason,
            hint=HINTS.get(account.reason or ""),
        )
        self._runtime.notify(told)


def _known(door: Door, person: Owner) -> dict[str, Any]:
    """What is learnt by signing in, by column."""
    return {
        "api_route": door.route,
        "cloud_id": door.cloud_id,
        "atlassian_account_id": person.atlassian_account_id,
        "display_name": person.display_name,
        "time_zone": person.time_zone,
    }


def _schedule_id(service: AtlassianService, account_id: str) -> str:
    return f"{service}.sync:{account_id}"


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
