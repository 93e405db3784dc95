"""The accounts: how one comes to be, changes, stops working and goes.  Jira's and Confluence's are alike in all of it.

What talks to a site is imported when it is first wanted: httpx is slow to import.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

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
from sidecar_protocol.contract import Encoded, JobSpec, Notification, as_models, encode
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.address import site_address
from sidecar.atlassian.reasons import HINTS
from sidecar.atlassian.records import Records, connector
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.store import StoredAccount
from sidecar.atlassian.sync_cursor import DAY_MS
from sidecar.clock import iso
from sidecar.feed import Origin
from sidecar.ids import MakeId
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.storage.secrets import Vault

if TYPE_CHECKING:
    from sidecar.atlassian.sign_in import Door, Owner, Reception

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


class Queue(Protocol):
    """What the accounts need of the queue."""

    def enqueue(self, spec: JobSpec) -> Encoded[Job]:
        """Queue a job."""

    def cancel_holders(self, lock_key: str, *statuses: JobStatus) -> None:
        """Cancel the jobs that have this lock or want it."""


class Schedule(Protocol):
    """What the accounts need of the scheduler."""

    def ensure(self, schedule_id: str, spec: JobSpec, *, period_s: int, jitter_s: int = 0) -> None:
        """See to it that there is a schedule."""

    def remove(self, schedule_id: str) -> None:
        """End a schedule."""

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        """Make its job now, or answer with the one that is still live."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the accounts are given of the rest of the process."""

    queue: Queue
    schedule: Schedule
    vault: Vault
    new_id: MakeId
    notify: Callable[[Notification], None]
    reception: "Callable[[], Reception]"


class Accounts:
    """Every account, of both products."""

    def __init__(self, records: Records, around: Surroundings) -> None:
        self._records = records
        self._store = records.accounts
        self._around = around

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
        account_id = self._around.new_id()
        sealed = self._around.vault.seal(api_token, API_TOKEN, account_id)
        door, person = await self._check(service, address, email, api_token)
        self._refuse_duplicate(service, address, email)  # somebody may have been quicker
        with self._records.database.write():
            account = self._store.add(
                account_id,
                self._now(),
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
        self._around.schedule.run_now(_schedule_id(service, account_id))
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
            sealed = self._around.vault.seal(api_token, API_TOKEN, account_id)
            address = site_address(before.base_url)
            door, person = await self._check(service, address, before.email, api_token)
            before = self._get(service, account_id)  # it may have been deleted meanwhile
            reads_anew = reads_anew or before.atlassian_id not in (None, person.atlassian_id)
            changes |= {"api_token": sealed, "base_url": address, "token_expires_at": token_expires_at}
            changes |= {"status": AccountStatus.ACTIVE, "reason": None, **_known(door, person)}
        with self._records.database.write():
            account = self._store.change(account_id, self._now(), **changes)
            assert account is not None
            if reads_anew:
                self._records.read_anew(Origin(service, account_id))
            after = account.load()
            if (after.status, after.reason) != (before.status, before.reason):
                self._tell(after)
        if api_token is not None or reads_anew:
            self._schedule(service, account_id)
            # Not the job that is under way: that one began with what the account was.
            self._around.queue.enqueue(SPECS[service](account_id=account_id))
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
            return self._around.queue.enqueue(SPECS[service](account_id=account_id, full=full)).as_model()
        self._schedule(service, account_id)
        return self._around.schedule.run_now(_schedule_id(service, account_id)).as_model()

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

    def signed_in(self, account: StoredAccount, door: "Door", person: "Owner", base_url: str) -> None:
        """A sync has found the token to be good: note how, and for whom."""
        known = {**_known(door, person), "base_url": base_url}
        with self._records.database.write():
            if account.atlassian_id not in (None, person.atlassian_id):
                self._records.read_anew(Origin(account.service, account.account_id))
            if account.status == AccountStatus.ACTIVE:
                if account.route is None or account.atlassian_id != person.atlassian_id:
                    self._store.change(account.account_id, self._now(), **known)
                return
            changed = self._store.change(
                account.account_id, self._now(), status=AccountStatus.ACTIVE, reason=None, **known
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
            self._around.schedule.remove(_schedule_id(AtlassianService(account.service), account_id))
            if (account.status, account.reason) != (AccountStatus.NEEDS_REAUTH, reason):
                self._set_status(account_id, AccountStatus.NEEDS_REAUTH, reason)

    async def _finish_deleting(self, account_id: str, service: AtlassianService) -> None:
        """In an order that a crash at any point leaves something to be resumed."""
        origin = Origin(service, account_id)
        with self._records.database.write():
            self._set_status(account_id, AccountStatus.DELETING, None)
            self._around.schedule.remove(_schedule_id(service, account_id))
            lock = SPECS[service](account_id=account_id).lock_key()
            self._around.queue.cancel_holders(lock, JobStatus.QUEUED, JobStatus.RUNNING)
        await self._records.forget(origin)
        if self._store.get(account_id) is None:  # asked for twice
            return
        with self._records.database.write():
            self._records.sync_state.remove(connector(origin))
            self._store.remove(account_id)
            told = AccountUpdated(service=AccountService(service), account_id=account_id, status=AccountStatus.DELETED)
            self._around.notify(told)

    def _set_status(self, account_id: str, status: AccountStatus, reason: str | None) -> None:
        with self._records.database.write():
            changed = self._store.change(account_id, self._now(), status=status, reason=reason)
            if changed is not None:
                self._tell(changed.load())

    async def _check(self, service: AtlassianService, address: str, email: str, api_token: str) -> "tuple[Door, Owner]":
        """Whether the site takes the token; raises what a client is told where it does not."""
        from sidecar.atlassian.client import PRODUCT_NAMES, Credentials, Refused, SignedOut  # noqa: PLC0415
        from sidecar.http import BadAnswer, HttpTrouble, TooMany  # noqa: PLC0415

        try:
            _, door, person = await self._around.reception().sign_in(service, address, Credentials(email, api_token))
        except SignedOut:
            raise CredentialsRejected(hint=_REJECTED_HINT.format(product=PRODUCT_NAMES[service])) from None
        except BadAnswer as trouble:
            raise SiteAddressInvalid(f"{trouble}.", hint="Check the address of the site.") from None
        except TooMany as trouble:
            raise SiteUnavailable(f"{trouble}.", retry_after_ms=round(trouble.retry_after_s * 1000)) from None
        except (HttpTrouble, Refused) as trouble:
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
        self._around.schedule.ensure(schedule_id, spec, period_s=SYNC_EVERY_S, jitter_s=SYNC_EVERY_S)

    def _tell(self, account: AtlassianAccount) -> None:
        told = AccountUpdated(
            service=AccountService(account.service),
            account_id=account.account_id,
            status=account.status,
            reason=account.reason,
            hint=HINTS.get(account.reason or ""),
        )
        self._around.notify(told)

    def _now(self) -> str:
        return iso(self._records.clock.now_ms())


def _known(door: "Door", person: "Owner") -> dict[str, Any]:
    """What is learnt by signing in, by column."""
    return {
        "route": door.route,
        "cloud_id": door.cloud_id,
        "atlassian_id": person.atlassian_id,
        "display_name": person.display_name,
        "time_zone": person.time_zone,
    }


def _schedule_id(service: AtlassianService, account_id: str) -> str:
    return f"{service}.sync:{account_id}"


def _ms(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
