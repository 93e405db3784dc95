"""Claude, composed: runs and sessions, and the CLI processes behind them."""

import os
from functools import partial
from pathlib import Path

from sidecar_protocol.claude.export import ExportSession
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.claude.sessions import TakeTurn

from sidecar.claude.admission import Admission
from sidecar.claude.budgets import BudgetBook, BudgetsService
from sidecar.claude.checks import this_user
from sidecar.claude.citations.store import CitationsService, CitationStore
from sidecar.claude.crash_recovery import CrashRecovery
from sidecar.claude.doctor import DoctorService
from sidecar.claude.gate.journal import GateJournal, GateService
from sidecar.claude.gate.link import HubLink
from sidecar.claude.gate.store import GateStore
from sidecar.claude.handlers import ClaudeRunHandler
from sidecar.claude.live_tasks import LiveJobs, TasksService
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.environment import DATABASE_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.login_shell import LoginShell
from sidecar.claude.process.orphans import ProcessTable
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.prompts.queueing import PromptQueue
from sidecar.claude.records.service import ConversationsService
from sidecar.claude.runs import RunsService, RunStore
from sidecar.claude.service import ClaudeService, PermissionsService, SessionsService
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.elsewhere import Elsewhere
from sidecar.claude.sessions.export import ExportHandler, ExportService
from sidecar.claude.sessions.journal import SessionJournal, SessionStore
from sidecar.claude.sessions.limit_waits import LimitWaits
from sidecar.claude.sessions.search import SearchService
from sidecar.claude.sessions.turns import TurnHandler
from sidecar.claude.status.findings import load_findings
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.status.probe import Probe
from sidecar.claude.status.service import StatusService
from sidecar.claude.trust.gate import Gate
from sidecar.claude.trust.service import TrustService
from sidecar.claude.trust.store import TrustStore
from sidecar.claude.usage import UsageService, UsageStore
from sidecar.files import UserFiles
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


def make(runtime: Runtime) -> Feature:
    database, clock = runtime.database, runtime.clock
    store, usage, status = SessionStore(database), UsageStore(database, clock), StatusJournal(runtime)
    store.index.prepare()
    sessions, run_store = SessionJournal(runtime, store, usage, status), RunStore(database, clock)
    launcher = make_launcher(runtime, status, sessions, run_store)
    conversations, permissions = ConversationJournal(runtime, sessions), PermissionJournal(runtime, sessions)
    pool = ProcessPool(conversations.process_ended, runtime.is_draining, partial(queue_own_turn, runtime))
    doctor = DoctorService(launcher.discovery, this_user(), partial(load_findings, probe := Probe(runtime, launcher)))
    elsewhere, live, admission = Elsewhere(conversations, launcher.records), LiveJobs(), Admission(store, launcher)
    prompts = PromptQueue(runtime, store, conversations, launcher.records)
    waits = LimitWaits(sessions, clock, runtime.queue.is_lock_kept)
    recovery = CrashRecovery(runtime, launcher, sessions, permissions, waits, prompts.attachments)
    turns = TurnHandler(runtime, launcher, pool, sessions, permissions, conversations, waits, live, elsewhere, prompts)
    runs = ClaudeRunHandler(runtime, launcher, store, usage, run_store, live, prompts.attachments)
    in_pool = partial(Registration, concurrency=runtime.settings.claude_concurrency, pool="claude")
    return Feature(
        services=(
            ClaudeService(prompts, launcher),
            StatusService(store, probe),
            doctor,
            SessionsService(sessions, conversations, permissions, pool, prompts, launcher.gate),
            TrustService(launcher.gate, pool),
            PermissionsService(permissions),
            ConversationsService(launcher.records, store, conversations, elsewhere, pool),
            TasksService(live),
            RunsService(run_store),
            SearchService(store, store.index, runtime.clock),
            ExportService(store),
            UsageService(usage),
            BudgetsService(launcher.budgets, store),
            *hub_services(runtime),
        ),
        registrations=(
            in_pool(RunClaude, runs, admit=admission.admit_run),
            in_pool(TakeTurn, turns, withdrawn=turns.withdrawn, admit=admission.admit_turn),
            export_registration(runtime, store),
        ),
        indexes=(store.index,),
        program=doctor.program,
        prepare=recovery.recover,
        run=pool.run,
        stop=pool.stop,
        kill_orphans=recovery.kill_orphans,
    )


def hub_services(runtime: Runtime) -> tuple[object, ...]:
    """Returns the services of the gate and of citations."""
    database, clock = runtime.database, runtime.clock
    return GateService(GateStore(database, clock)), CitationsService(CitationStore(database, clock))


def export_registration(runtime: Runtime, store: SessionStore) -> Registration:
    exports = ExportHandler(store, UserFiles(runtime.settings.data_dir, runtime.settings.log_dir), runtime.clock)
    return Registration(ExportSession, exports, admit=exports.admit)


def make_launcher(runtime: Runtime, status: StatusJournal, sessions: SessionJournal, runs: RunStore) -> Launcher:
    gate_journal = GateJournal(runtime, GateStore(runtime.database, runtime.clock), sessions)
    link = HubLink(runtime.hub, gate_journal, runs, runtime.settings.claude_hub)
    environment = os.environ | {DATABASE_ENV: str(runtime.database.path)}
    discovery = Discovery(runtime.settings.claude_path, environment, Path.home(), LoginShell(environment))
    gate = Gate(environment, Path.home(), TrustStore(runtime.database, runtime.clock))
    budgets = BudgetBook(runtime.database, runtime.clock, UsageStore(runtime.database, runtime.clock))
    return Launcher(discovery, Path.home(), ProcessTable(runtime.database), gate, status, budgets, link)


def queue_own_turn(runtime: Runtime, session_id: str) -> None:
    """Queues the job that follows a turn which Claude has begun by itself."""
    with runtime.database.write_or_log("a turn that Claude has begun could not be queued"):
        runtime.queue.enqueue(TakeTurn(session_id=session_id, prompt="", is_own=True))
