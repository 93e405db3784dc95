"""Carries out the jobs `jira.sync` and `confluence.sync`: signs in, syncs, and says so when the token has stopped."""

from typing import Final

from sidecar_protocol.accounts import AccountStatus
from sidecar_protocol.atlassian import AtlassianScope, AtlassianService, AtlassianSynced
from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.entities import WaitingFor
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.client import PRODUCT_NAMES, Credentials, Refused, SignedOut, SiteClient, failed
from sidecar.atlassian.confluence import ConfluenceSource
from sidecar.atlassian.jira import JiraSource
from sidecar.atlassian.reasons import HINTS
from sidecar.atlassian.records import Records, account_gone
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.sign_in import Door, Owner, Reception, owner
from sidecar.atlassian.source import Asking, Source
from sidecar.atlassian.store import StoredAccount
from sidecar.atlassian.sync import Sync
from sidecar.atlassian.sync_cursor import Position, plan
from sidecar.feed import Origin
from sidecar.http.client import HttpError, job_error
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed
from sidecar.storage.secrets import SecretUnreadable, Vault

LOCKED_S: Final = 300.0
"""The host hands the key over at its next start, which runs the queue anew; this is for the time until then."""


class SyncHandler:
    """The handler of `SyncJira` and `SyncConfluence`."""

    def __init__(self, records: Records, accounts: Accounts, reception: Reception, vault: Vault) -> None:
        self._records = records
        self._accounts = accounts
        self._reception = reception
        self._vault = vault

    async def run(self, job: SyncJira | SyncConfluence, context: JobContext) -> AtlassianSynced:
        """Sync; raises `JobFailed` with `needs_reauth`, `account_gone`, and the kinds of `client`, and `JobSnoozed`."""
        account = self._records.accounts.get(job.account_id)
        if account is None or account.status == AccountStatus.DELETING:
            raise account_gone()
        try:
            return await self._sync(account, context, full=job.full)
        except SignedOut:
            raise self._needs_reauth(account, "token_rejected") from None
        except SecretUnreadable as unreadable:
            if unreadable.is_locked:
                message = "The stored token waits for the host's key."
                raise JobSnoozed(message, delay_s=LOCKED_S, waiting_for=WaitingFor.APPROVAL) from None
            raise self._needs_reauth(account, "secret_unreadable") from None
        except Refused as refusal:
            raise failed(refusal) from None
        except HttpError as trouble:
            raise job_error(trouble) from None

    async def _sync(self, account: StoredAccount, context: JobContext, *, full: bool) -> AtlassianSynced:
        credentials = Credentials(account.email, self._vault.open(account.sealed_token, API_TOKEN, account.account_id))
        service = AtlassianService(account.service)
        origin = Origin(account.service, account.account_id)
        context.progress(None, "Signing in")
        client, person = await self._sign_in(account, service, credentials)
        position = self._records.position(origin)
        if position.reset:
            account = await self._begin_anew(account, origin)
            position = Position()
        begun_ms = client.server_ms or self._records.clock.now_ms()
        asking = Asking(
            source=account.service,
            account_id=account.account_id,
            base_url=self._accounts.address(account),
            me=person.atlassian_account_id,
            my_name=person.display_name,
            scope=AtlassianScope(account.scope),
            since_ms=plan(position, begun_ms, full=full).since_ms,
        )

        async def confirm() -> None:
            await owner(client, service)

        sync = Sync(self._records, self._source(service, client, asking), asking, context, confirm)
        result = await sync.run(position, begun_ms, full=full)
        self._accounts.synced(account.account_id)
        events = f"{result.added:,} events added, {result.updated:,} updated, {result.removed:,} removed"
        said = f"{result.read:,} read; {events}"
        context.progress(1.0, said)
        context.log(f"{PRODUCT_NAMES[service]}: {said}")
        return result

    async def _begin_anew(self, account: StoredAccount, origin: Origin) -> StoredAccount:
        """Forget what was read with another scope or for another owner; the account as it is by then."""
        await self._records.forget(origin)
        with self._records.database.write():
            now = self._records.accounts.get(account.account_id)
            if now is None:
                raise account_gone()
            if now.sealed_token != account.sealed_token:
                raise token_replaced()
            self._records.begin_anew(origin)
        return now

    def _source(self, service: AtlassianService, client: SiteClient, asking: Asking) -> Source:
        if service is AtlassianService.JIRA:
            return JiraSource(client, asking)
        objects = self._records.objects
        return ConfluenceSource(client, asking, lambda ids: set(objects.known(asking.account_id, ids)))

    async def _sign_in(
        self, account: StoredAccount, service: AtlassianService, credentials: Credentials
    ) -> tuple[SiteClient, Owner]:
        """By the door that is known to work; which one that is, the old backend did not store."""
        base_url = self._accounts.address(account)
        if account.api_route is None:
            client, door, person = await self._reception.sign_in(service, base_url, credentials)
        else:
            door = Door("gateway" if account.api_route == "gateway" else "site", account.cloud_id)
            client = self._reception.client(service, base_url, door, credentials)
            person = await self._known_owner(client, service)
        self._accounts.signed_in(account, door, person, base_url)
        return client, person

    async def _known_owner(self, client: SiteClient, service: AtlassianService) -> Owner:
        try:
            return await owner(client, service)
        except Refused as refusal:
            if refusal.status == 403:
                raise SignedOut from None
            raise

    def _needs_reauth(self, account: StoredAccount, reason: str) -> JobFailed:
        """Note it on the account, which stops its schedule and tells the host once."""
        now = self._records.accounts.get(account.account_id)
        if now is not None and now.sealed_token != account.sealed_token:
            return token_replaced()
        self._accounts.stopped(account.account_id, reason)
        return JobFailed(
            f"{PRODUCT_NAMES[AtlassianService(account.service)]} cannot be read with the account's token.",
            kind="needs_reauth",
            hint=HINTS[reason],
            details={"reason": reason},
        )


def token_replaced() -> JobFailed:
    """What a sync comes to that was begun with a token which is no longer the account's."""
    return JobFailed("The account has a new token since.", kind="token_replaced", retryable=True)
