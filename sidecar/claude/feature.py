"""Claude, composed: runs and sessions, and the CLI processes behind them."""

import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

from sidecar_protocol.claude.export import ExportSession
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import TakeTurn

from sidecar.claude.checks import this_user
from sidecar.claude.crash_recovery import CrashRecovery
from sidecar.claude.doctor import DoctorService
from sidecar.claude.handlers import ClaudeRunHandler
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.store import PermissionStore
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.process.process_table import ProcessTable
from sidecar.claude.service import ClaudeService, PermissionsService, SessionsService
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.export import ExportHandler, ExportService
from sidecar.claude.sessions.search import SearchService
from sidecar.claude.sessions.store import ClaudeStore, search_index
from sidecar.claude.sessions.turns import TurnHandler
from sidecar.claude.usage import UsageService, UsageStore
from sidecar.feed import FeedEvent, Origin
from sidecar.files import UserFiles
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime

log = logging.getLogger(__name__)


def make(runtime: Runtime) -> Feature:
    parts = _Parts(runtime)
    return Feature(
        services=_services(runtime, parts),
        registrations=_registrations(runtime, parts),
        indexes=(parts.index,),
        program=parts.doctor.program,
        prepare=parts.recovery.recover,
        run=parts.pool.run,
        stop=parts.pool.stop,
        kill_orphans=parts.recovery.kill_orphans,
    )


class _Parts:
    """The objects that several services and handlers share."""

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
        self.process_table = ProcessTable(database)
        self.database_name = str(runtime.settings.database.resolve())
        self.recovery = CrashRecovery(self.database_name, self.process_table, self.conversations, self.permissions)
        self.discovery = Discovery(setting=runtime.settings.claude_path, environment=os.environ, home=Path.home())
        self.doctor = DoctorService(self.discovery, this_user())


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
        parts.doctor,
        sessions,
        PermissionsService(parts.requests, parts.permissions),
        SearchService(parts.store, parts.index, runtime.clock),
        ExportService(parts.store),
        UsageService(parts.usage),
    )


def _registrations(runtime: Runtime, parts: _Parts) -> tuple[Registration, ...]:
    settings, clock = runtime.settings, runtime.clock
    environment = {**os.environ, DATABASE_ENV: parts.database_name}
    launcher = Launcher(
        discovery=parts.discovery, environment=environment, home=Path.home(), process_table=parts.process_table
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
