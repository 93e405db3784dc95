"""Atlassian, composed: what its parts are given of one another and of the rest of the process."""

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from sidecar_protocol.confluence import SyncConfluence
from sidecar_protocol.contract import Notification
from sidecar_protocol.jira import SyncJira

from sidecar.atlassian.accounts import Accounts, Queue, Schedule, Surroundings
from sidecar.atlassian.objects import ObjectsStore
from sidecar.atlassian.records import Records
from sidecar.atlassian.service import ConfluenceService, JiraService
from sidecar.atlassian.store import AtlassianStore
from sidecar.clock import Clock
from sidecar.feed import Feed
from sidecar.ids import MakeId
from sidecar.job_handler import OnDemand, Registration
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.secrets import Vault
from sidecar.storage.sync_state import SyncState

if TYPE_CHECKING:
    from sidecar.atlassian.handlers import SyncHandler
    from sidecar.atlassian.sign_in import Reception
    from sidecar.http import Http

log = logging.getLogger(__name__)


class AtlassianFeature:
    """Jira's and Confluence's accounts, and their syncs."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        new_id: MakeId,
        *,
        notify: Callable[[Notification], None],
        feed: Feed,
        vault: Vault,
        queue: Queue,
        schedule: Schedule,
        http: "Callable[[], Http]",
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._vault = vault
        self._http = http
        self._store = AtlassianStore(database)
        self._records = Records(
            database, self._store, ObjectsStore(database), SyncState(database), feed, clock, committed
        )
        around = Surroundings(queue, schedule, vault, new_id, notify, self._reception)
        self._accounts = Accounts(self._records, around)
        self.services: tuple[object, ...] = (JiraService(self._accounts), ConfluenceService(self._accounts))

    def account_counts(self) -> dict[str, int]:
        """How many accounts there are, by product."""
        return self._store.account_counts()

    def registrations(self) -> Iterable[Registration]:
        """The job types."""
        handler = OnDemand(self._make_handler)
        yield Registration(SyncJira, handler)
        yield Registration(SyncConfluence, handler)

    def _make_handler(self) -> "SyncHandler":
        from sidecar.atlassian.handlers import SyncHandler  # noqa: PLC0415 - it brings httpx

        return SyncHandler(self._records, self._accounts, self._reception(), self._vault)

    async def start(self) -> None:
        """Schedule the syncs, and finish what an earlier process was deleting."""
        try:
            await self._accounts.resume()
        except sqlite3.Error:  # a full disk, or somebody's database browser: no reason to end
            log.exception("the Atlassian accounts could not be looked through; the next start will do it")

    def _reception(self) -> "Reception":
        from sidecar.atlassian.sign_in import Reception  # noqa: PLC0415 - see the module's docstring

        return Reception(self._http(), self._settings.atlassian_gateway)
