"""Claude, composed: runs and sessions, and the CLI processes behind them."""

import os
from pathlib import Path

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
from sidecar.claude.sessions.export import ExportHandler, ExportService
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.search import SearchService
from sidecar.claude.sessions.store import SessionStore, search_index
from sidecar.claude.sessions.turns import TurnHandler
from sidecar.claude.usage import UsageService, UsageStore
from sidecar.files import UserFiles
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


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
        database = runtime.database
        self.store = SessionStore(database)
        self.index = search_index(database)
        self.index.prepare()
        self.usage = UsageStore(database, runtime.clock)
        self.sessions = SessionJournal(runtime, self.store, self.usage)
        self.permissions = PermissionJournal(runtime, PermissionStore(database), self.sessions)
        self.pool = ProcessPool(on_ended=self.sessions.process_ended, is_draining=runtime.is_draining)
        self.process_table = ProcessTable(database)
        self.database_name = str(runtime.settings.database.resolve())
        self.recovery = CrashRecovery(self.database_name, self.process_table, self.sessions, self.permissions)
        self.discovery = Discovery(setting=runtime.settings.claude_path, environment=os.environ, home=Path.home())
        self.doctor = DoctorService(self.discovery, this_user())


def _services(runtime: Runtime, parts: _Parts) -> tuple[object, ...]:
    return (
        ClaudeService(runtime.queue),
        parts.doctor,
        SessionsService(runtime, parts.sessions, parts.permissions, parts.pool),
        PermissionsService(parts.permissions),
        SearchService(parts.store, parts.index, runtime.clock),
        ExportService(parts.store),
        UsageService(parts.usage),
    )


def _registrations(runtime: Runtime, parts: _Parts) -> tuple[Registration, ...]:
    settings = runtime.settings
    environment = {**os.environ, DATABASE_ENV: parts.database_name}
    launcher = Launcher(
        discovery=parts.discovery, environment=environment, home=Path.home(), process_table=parts.process_table
    )
    runs = ClaudeRunHandler(runtime, launcher, parts.store, parts.usage)
    turns = TurnHandler(runtime, launcher, parts.pool, parts.sessions, parts.permissions)
    exports = ExportHandler(parts.store, UserFiles(settings.data_dir, settings.log_dir), runtime.clock)
    limit = settings.claude_concurrency
    return (
        Registration(RunClaude, runs, concurrency=limit, pool="claude"),
        Registration(TakeTurn, turns, concurrency=limit, pool="claude"),
        Registration(ExportSession, exports),
    )
