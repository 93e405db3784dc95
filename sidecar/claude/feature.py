"""Claude, composed: what its parts are given of one another and of the rest of the process."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sidecar_protocol.claude.doctor import ClaudeCandidate, ClaudeReport, Finding
from sidecar_protocol.claude.export import ExportSession
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import Session, TakeTurn
from sidecar_protocol.contract import Notification

from sidecar.claude.permissions.journal import AfterCommit, PermissionJournal
from sidecar.claude.permissions.store import PermissionStore
from sidecar.claude.process.environment import DATABASE_MARK
from sidecar.claude.process.process_table import ProcessLedger
from sidecar.claude.queue import CancelHolders, Enqueue
from sidecar.claude.service import ClaudeService, DoctorService, PermissionsService, SessionsService
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.export import ExportHandler, ExportService
from sidecar.claude.sessions.search import SearchService
from sidecar.claude.sessions.store import ClaudeStore, search_index
from sidecar.claude.usage import UsageService, UsageStore
from sidecar.clock import Clock
from sidecar.files import UserFiles
from sidecar.ids import MakeId
from sidecar.job_handler import JobHandler, OnDemand, Registration
from sidecar.settings import Settings
from sidecar.storage.database import Database

if TYPE_CHECKING:
    from sidecar.claude.process.discovery import Discovery
    from sidecar.claude.process.launch import Launcher
    from sidecar.claude.process.pool import Pool
    from sidecar.claude.report import RecordRun

log = logging.getLogger(__name__)

REAP_S: Final = 5.0
"""What an earlier process left is looked for at most this long; nothing else begins before."""


class ClaudeFeature:
    """Runs and conversations, with the processes behind them."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Clock,
        new_id: MakeId,
        *,
        notify: Callable[[Notification], None],
        enqueue: Enqueue,
        cancel_holders: CancelHolders,
        record: "RecordRun",
        is_draining: Callable[[], bool],
        after_commit: AfterCommit,
    ) -> None:
        self._settings = settings
        self._database_name = str(settings.database.resolve())
        self._clock = clock
        self._notify = notify
        self._record = record
        self._is_draining = is_draining
        self._pool: Pool | None = None
        self._examining = asyncio.Lock()
        store = self._store = ClaudeStore(database)
        index = search_index(database)
        index.prepare()
        self.fill, self.tidy = index.fill, index.merge
        self._usage = UsageStore(database, clock)
        self._ledger = ProcessLedger(database)
        self._conversations = Conversations(database, store, notify, clock, new_id, self._usage)
        asked = PermissionStore(database)
        self._permissions = PermissionJournal(
            database,
            asked,
            self._conversations,
            notify=notify,
            enqueue=enqueue,
            after_commit=after_commit,
            clock=clock,
            new_id=new_id,
        )
        sessions = SessionsService(
            store,
            self._conversations,
            self._permissions,
            enqueue=enqueue,
            cancel=cancel_holders,
            drop_process=self._drop_process,
            adapt_process=self._adapt_process,
        )
        self.services: tuple[object, ...] = (
            ClaudeService(enqueue),
            DoctorService(self.examine),
            sessions,
            PermissionsService(asked, self._permissions),
            SearchService(store, index, clock),
            ExportService(store),
            UsageService(self._usage),
        )

    def registrations(self) -> Iterable[Registration]:
        """The job types, once work begins."""
        from sidecar.claude.process.pool import Pool  # noqa: PLC0415 - serving needs none of this

        pool = self._pool = Pool(on_gone=self._conversations.process_ended, is_draining=self._is_draining)
        limit = self._settings.claude_concurrency
        files = UserFiles(self._settings.data_dir, self._settings.log_dir)
        yield Registration(RunClaude, OnDemand(self._make_runs), concurrency=limit, pool="claude")
        yield Registration(TakeTurn, OnDemand(lambda: self._make_turns(pool)), concurrency=limit, pool="claude")
        yield Registration(ExportSession, ExportHandler(self._store, files, self._clock))

    @cached_property
    def _launcher(self) -> "Launcher":
        from sidecar.claude.process.launch import Launcher  # noqa: PLC0415 - as above

        environment = {**os.environ, DATABASE_MARK: self._database_name}
        return Launcher(discovery=self.discovery(), environment=environment, home=Path.home(), ledger=self._ledger)

    def _make_runs(self) -> JobHandler[Any, Any]:
        from sidecar.claude.handlers import ClaudeRunHandler  # noqa: PLC0415 - as above

        return ClaudeRunHandler(
            launcher=self._launcher,
            notify=self._notify,
            record=self._record,
            clock=self._clock,
            book=self._usage.book_safely,
            owner_of=self._store.owner_of,
            is_draining=self._is_draining,
        )

    def _make_turns(self, pool: "Pool") -> JobHandler[Any, Any]:
        from sidecar.claude.sessions.turns import TurnHandler  # noqa: PLC0415 - as above

        return TurnHandler(
            launcher=self._launcher,
            pool=pool,
            conversations=self._conversations,
            permissions=self._permissions,
            notify=self._notify,
            record=self._record,
            clock=self._clock,
            is_draining=self._is_draining,
        )

    async def run(self) -> None:
        """Keep the sessions' idle processes until `stop`."""
        assert self._pool is not None
        await self._pool.run()

    async def stop(self) -> None:
        """End the idle processes; those that work are ended by their jobs."""
        if self._pool is not None:
            await self._pool.stop()

    async def reap(self, job_ids: Collection[str]) -> int:
        """Kill what is left of the processes of these jobs; how many there were."""
        from sidecar.claude.process.orphans import kill_leftovers  # noqa: PLC0415

        return await kill_leftovers(job_ids, self._database_name, timeout_s=REAP_S)

    async def recover(self) -> None:
        """Before any work begins: what a dead process left is killed, and no session runs; questions stay open."""
        try:
            session_ids = self._conversations.left_behind()
            noted = self._ledger.left()
            if session_ids or noted:
                from sidecar.claude.process.orphans import kill_leftovers, survivors  # noqa: PLC0415 - most starts find none

                owners = {*session_ids, *(process.owner_id for process in noted)}
                known = await survivors(noted)
                killed = await kill_leftovers(owners, self._database_name, known=known, timeout_s=REAP_S)
                log.warning("an earlier process left %d sessions open, and %d processes", len(session_ids), killed)
                self._ledger.forget(process.pid for process in noted)
                self._conversations.recover(session_ids, self._permissions.recover())
        except sqlite3.Error:  # the next turn of each session puts it right
            log.exception("the sessions of an earlier process could not be settled")

    def _drop_process(self, session_id: str) -> None:
        if self._pool is not None:
            self._pool.drop(session_id)

    def _adapt_process(self, session: Session) -> None:
        if self._pool is not None:
            self._pool.adapt(session)

    async def examine(self) -> ClaudeReport:
        """How the user's own CLI is, now; one after another, since each look starts a login shell."""
        from sidecar.claude.doctor import examine  # noqa: PLC0415
        from sidecar.claude.findings import this_user  # noqa: PLC0415

        async with self._examining:
            return await examine(self.discovery(), this_user())

    async def glance(self) -> tuple[ClaudeCandidate | None, Finding]:
        """Which one is used, and whether it runs."""
        from sidecar.claude.doctor import glance  # noqa: PLC0415
        from sidecar.claude.findings import this_user  # noqa: PLC0415

        return await glance(self.discovery(), this_user())

    def discovery(self) -> "Discovery":
        """The search for the user's own CLI."""
        from sidecar.claude.process.discovery import Discovery  # noqa: PLC0415

        return Discovery(setting=self._settings.claude_path, environment=os.environ, home=Path.home())
