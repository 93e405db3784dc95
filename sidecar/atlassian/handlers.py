"""The handler of `jira.sync` and `confluence.sync`."""

from typing import Final

from sidecar_protocol.accounts import AccountReason, AccountService
from sidecar_protocol.atlassian import AtlassianSync, AtlassianSynced

from sidecar.accounts.account import AccountRefused, account_deleted, sign_in_replaced
from sidecar.atlassian.accounts import Accounts, canonical_address
from sidecar.atlassian.client import (
    PRODUCT_NAMES,
    ApiRoute,
    RequestRefused,
    TokenRejected,
    refused_job,
    refused_sign_in,
)
from sidecar.atlassian.confluence import ConfluenceSource
from sidecar.atlassian.jira import JiraSource
from sidecar.atlassian.sealed import API_TOKEN
from sidecar.atlassian.sign_in import SignedIn, fetch_token_owner
from sidecar.atlassian.source import Skips, Source, SyncContext
from sidecar.atlassian.store import StoredAccount
from sidecar.atlassian.sync import Sync
from sidecar.atlassian.sync_cursor import SyncCursor, sync_window
from sidecar.http.client import HttpError, job_exception
from sidecar.job_handler import JobContext
from sidecar.runtime import Runtime

EXPIRED_HINT: Final = "The token has expired or was revoked: create one at id.atlassian.com and update the account."


class SyncHandler:
    """Brings the feed up to date with an account's site."""

    def __init__(self, runtime: Runtime, accounts: Accounts) -> None:
        self._runtime = runtime
        self._accounts = accounts
        self._store = accounts.sync_store

    async def run(self, job: AtlassianSync, context: JobContext) -> AtlassianSynced:
        """Raises `JobFailed` with the kinds of `AccountErrorKind` and those of `client`."""
        stored = self._accounts.find(job.account_id)
        if stored is None or not self._accounts.is_writable(job.account_id):
            raise account_deleted()
        product = PRODUCT_NAMES[stored.service]

        async def sync() -> AtlassianSynced:
            try:
                return await self._sync(stored, context, full=job.full)
            except TokenRejected:
                message = f"{product} does not accept the account's token."
                raise AccountRefused(AccountReason.TOKEN_REJECTED, message, EXPIRED_HINT) from None
            except RequestRefused as refusal:
                raise refused_job(refusal) from None
            except HttpError as error:
                raise job_exception(error) from None

        result = await self._accounts.run_sync(stored, sync)
        events = f"{result.added:,} events added, {result.updated:,} updated, {result.removed:,} removed"
        message = f"{result.read:,} read; {events}"
        if result.unreadable:
            message += f"; {result.unreadable:,} could not be read completely"
        context.progress(1.0, message)
        context.log(f"{product}: {message}")
        return result

    async def _sync(self, stored: StoredAccount, context: JobContext, *, full: bool) -> AtlassianSynced:
        context.progress(None, "Signing in")
        base_url = canonical_address(stored)
        signed_in = await self._sign_in(stored, base_url)
        self._accounts.token_accepted(stored, signed_in, base_url)
        cursor = self._store.cursor(stored)
        if cursor.reset:
            stored = await self._reset(stored)
            cursor = SyncCursor()
        begun_ms = signed_in.client.server_ms or self._runtime.clock.now_ms()
        window = sync_window(cursor, begun_ms, full=full)
        sync_context = SyncContext(
            account=stored,
            client=signed_in.client,
            base_url=base_url,
            owner=signed_in.owner,
            since_ms=window.since_ms,
            skips=Skips(signed_in.client, lambda text: context.log(text, level="warning")),
        )
        sync = Sync(self._runtime, self._accounts, self._source(sync_context), sync_context, context, begun_ms)
        try:
            return await sync.run(cursor, window)
        except RequestRefused as refusal:
            if refusal.status == 403:
                await fetch_token_owner(signed_in.client)  # raises `TokenRejected` if the request was anonymous
            raise

    async def _sign_in(self, stored: StoredAccount, base_url: str) -> SignedIn:
        """Signs in by the API route that is known to work; the old backend did not store it."""
        auth = (stored.email, self._runtime.vault.open(stored.api_token, API_TOKEN, stored.account_id))
        authenticator = self._accounts.authenticator
        try:
            if stored.api_route is None:
                return await authenticator.sign_in(stored.service, base_url, auth)
            route = ApiRoute(stored.api_route)
            return await authenticator.sign_in_again(stored.service, base_url, route, stored.cloud_id, auth)
        except RequestRefused as refusal:
            raise refused_sign_in(refusal) from None

    async def _reset(self, before: StoredAccount) -> StoredAccount:
        """Deletes what was read with another scope or for another owner.  Returns the account as it is then."""
        await self._runtime.feed().remove_all(before.origin)
        await self._store.delete_objects(before.account_id)
        with self._runtime.database.write():
            stored = self._accounts.find(before.account_id)
            if stored is None:
                raise account_deleted()
            if stored.sign_in != before.sign_in:
                raise sign_in_replaced()
            self._store.set_cursor(stored, SyncCursor())
        return stored

    def _source(self, sync_context: SyncContext) -> Source:
        source = JiraSource if sync_context.account.service is AccountService.JIRA else ConfluenceSource
        return source(sync_context, lambda ids: self._store.get(sync_context.account.account_id, ids))
