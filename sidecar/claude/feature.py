"""Claude, composed: runs and sessions, and the CLI processes behind them."""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.claude.doctor import ClaudeReport
from sidecar_protocol.claude.export import ExportSession
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import TakeTurn

from sidecar.claude.doctor import examine, glance
from sidecar.claude.findings import this_user
from sidecar.claude.handlers import ClaudeRunHandler
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.store import PermissionStore
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.orphans import kill_orphans, still_running
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.process.process_table import ProcessTable
from sidecar.claude.service import ClaudeService, DoctorService, PermissionsService, SessionsService
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.export import ExportHandler, ExportService
from sidecar.claude.sessions.search import SearchService
from sidecar.claude.sessions.store import ClaudeStore, search_index
from sidecar.claude.sessions.turns import TurnHandler
from sidecar.claude.usage import UsageService, UsageStore
from sidecar.feed import FeedEvent, Origin
from sidecar.files import UserFiles
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Program, Runtime

log = logging.getLogger(__name__)

REAP_S: Final = 5.0
"""Time limit for killing what an earlier process left, since no job runs before that."""


def make(runtime: Runtime) -> Feature:
    parts = _Parts(runtime)
    return Feature(
        services=_services(runtime, parts),
        registrations=_registrations(runtime, parts),
        indexes=(parts.index,),
        program=parts.doctor.program,
        prepare=parts.orphans.recover,
        run=parts.pool.run,
        stop=parts.pool.stop,
        kill_orphans=parts.orphans.kill,
    )


class _Parts:
    """What several services and handlers share."""

    def __init__(self, runtime: Runtime) -> None:
        database, clock, notify, new_id = runtime.database, runtime.clock, runtime.notify, runtime.new_id
        self.store = ClaudeStore(database)
        self.index = search_index(database)
        self.index.prepare()
        self.usage = UsageStore(database, clock)
        self.conversations = Conversations(database, self.store, notify, clock, new_id, self.usage)
        self.requests = PermissionStore(database)
        self.permissions = PermissionJournal(
            database,
            self.requests,
            self.conversations,
            notify=notify,
            enqueue=runtime.queue.enqueue,
            after_commit=runtime.after_commit,
            clock=clock,
            new_id=new_id,
        )
        self.pool = ProcessPool(on_ended=self.conversations.process_ended, is_draining=runtime.is_draining)
        self.orphans = Orphans(runtime, self.conversations, self.permissions)
        self.discovery = Discovery(setting=runtime.settings.claude_path, environment=os.environ, home=Path.home())
        self.doctor = Doctor(self.discovery)


def _services(runtime: Runtime, parts: _Parts) -> tuple[object, ...]:
    sessions = SessionsService(
        parts.store,
        parts.conversations,
        parts.permissions,
        enqueue=runtime.queue.enqueue,
        cancel=runtime.queue.cancel_holders,
        drop_process=parts.pool.drop,
        adapt_process=parts.pool.apply_settings,
    )
    return (
        ClaudeService(runtime.queue.enqueue),
        DoctorService(parts.doctor.examine),
        sessions,
        PermissionsService(parts.requests, parts.permissions),
        SearchService(parts.store, parts.index, runtime.clock),
        ExportService(parts.store),
        UsageService(parts.usage),
    )


def _registrations(runtime: Runtime, parts: _Parts) -> tuple[Registration, ...]:
    settings, clock = runtime.settings, runtime.clock
    environment = {**os.environ, DATABASE_ENV: parts.orphans.database_name}
    launcher = Launcher(
        discovery=parts.discovery, environment=environment, home=Path.home(), process_table=parts.orphans.process_table
    )
    record = RecordRuns(runtime)
    runs = ClaudeRunHandler(
        launcher=launcher,
        notify=runtime.notify,
        record=record,
        clock=clock,
        book=parts.usage.book_safely,
        owner_of=parts.store.owner_of,
        is_draining=runtime.is_draining,
    )
    turns = TurnHandler(
        launcher=launcher,
        pool=parts.pool,
        conversations=parts.conversations,
        permissions=parts.permissions,
        notify=runtime.notify,
        record=record,
        clock=clock,
        is_draining=runtime.is_draining,
    )
    exports = ExportHandler(parts.store, UserFiles(settings.data_dir, settings.log_dir), clock)
    limit = settings.claude_concurrency
    return (
        Registration(RunClaude, runs, concurrency=limit, pool="claude"),
        Registration(TakeTurn, turns, concurrency=limit, pool="claude"),
        Registration(ExportSession, exports),
    )


class RecordRuns:
    """Writes finished runs into the activity feed.  Never raises: a run does not fail because of its record."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __call__(self, *, source: str, **fields: Any) -> None:
        try:
            event = FeedEvent(at_ms=self._runtime.clock.now_ms(), **fields)
            self._runtime.feed().write(Origin(source), [event])
        except sqlite3.Error:
            log.exception("a run could not be written to the feed")


class Doctor:
    """Examines the user's own CLI."""

    def __init__(self, discovery: Discovery) -> None:
        self._discovery = discovery
        self._lock = asyncio.Lock()

    async def examine(self) -> ClaudeReport:
        """Returns the full report.  One call at a time, since each starts a login shell."""
        async with self._lock:
            return await examine(self._discovery, this_user())

    async def program(self) -> Program:
        used, finding = await glance(self._discovery, this_user())
        problem = f"{finding.detail} {finding.advice}" if finding.advice else None
        return Program(problem=problem) if used is None else Program(used.path, used.version, problem)


class Orphans:
    """Kills the CLI processes that a dead sidecar left, and settles their sessions."""

    def __init__(self, runtime: Runtime, conversations: Conversations, permissions: PermissionJournal) -> None:
        self.database_name = str(runtime.settings.database.resolve())
        self.process_table = ProcessTable(runtime.database)
        self._conversations = conversations
        self._permissions = permissions

    async def kill(self, job_ids: Collection[str]) -> int:
        return await kill_orphans(job_ids, self.database_name, timeout_s=REAP_S)

    async def recover(self) -> None:
        """Kills all that is left; afterwards no session is running, and open permission requests stay open."""
        try:
            session_ids = self._conversations.left_behind()
            noted = self.process_table.left()
            if session_ids or noted:
                owners = {*session_ids, *(process.owner_id for process in noted)}
                known = await still_running(noted)
                killed = await kill_orphans(owners, self.database_name, known=known, timeout_s=REAP_S)
                log.warning("an earlier process left %d sessions open and %d processes", len(session_ids), killed)
                self.process_table.forget(process.pid for process in noted)
                self._conversations.recover(session_ids, self._permissions.recover())
        except sqlite3.Error:  # the next turn of each session repairs it
            log.exception("the sessions of an earlier process could not be settled")
