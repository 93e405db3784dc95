"""Jira and Confluence, composed: their accounts and the jobs that sync them."""

import logging
import sqlite3

from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.accounts import Accounts
from sidecar.atlassian.handlers import SyncHandler
from sidecar.atlassian.objects import ObjectsStore
from sidecar.atlassian.records import Records
from sidecar.atlassian.service import ConfluenceService, JiraService
from sidecar.atlassian.sign_in import Reception
from sidecar.atlassian.store import AtlassianStore
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime
from sidecar.storage.sync_state import SyncState

log = logging.getLogger(__name__)


def make(runtime: Runtime) -> Feature:
    database = runtime.database
    store = AtlassianStore(database)
    records = Records(
        database, store, ObjectsStore(database), SyncState(database), runtime.feed(), runtime.clock, runtime.committed
    )
    reception = Reception(runtime.http(), runtime.settings.atlassian_gateway)
    accounts = Accounts(records, runtime, reception)
    handler = SyncHandler(records, accounts, reception, runtime.vault)

    async def resume() -> None:
        try:
            await accounts.resume()
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("the Atlassian accounts could not be read; the next start tries again")

    return Feature(
        services=(JiraService(accounts), ConfluenceService(accounts)),
        registrations=(Registration(SyncJira, handler), Registration(SyncConfluence, handler)),
        run=resume,
        account_counts=store.account_counts,
    )
