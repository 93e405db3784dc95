"""Drives a `TurnHandler` over a real database and real processes, with short time limits, and records its output."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
from sidecar_protocol.claude.permissions import PermissionRequest
from sidecar_protocol.claude.sessions import ClaudeMessage, ClaudeTurnResult, Session, TakeTurn
from sidecar_protocol.contract import Encoded, JobSpec, Notification
from sidecar_protocol.entities import Job, JobStatus

from sidecar.claude.budgets import BudgetBook
from sidecar.claude.gate.journal import GateJournal
from sidecar.claude.gate.link import HubLink
from sidecar.claude.gate.store import GateStore
from sidecar.claude.live_tasks import LiveJobs
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.login_shell import LoginShell
from sidecar.claude.process.orphans import ProcessTable
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.prompts.queueing import PromptQueue
from sidecar.claude.runs import RunStore
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.elsewhere import Elsewhere
from sidecar.claude.sessions.journal import SessionJournal, SessionStore
from sidecar.claude.sessions.limit_waits import LimitWaits
from sidecar.claude.sessions.session_settings import NewSession
from sidecar.claude.sessions.turns import TurnHandler, TurnTimes
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.trust.gate import Gate
from sidecar.claude.trust.store import TrustStore
from sidecar.claude.usage import UsageStore
from sidecar.clock import iso
from sidecar.hub.tools import Hub
from sidecar.ids import Uuid7
from sidecar.paths import schema_dir
from sidecar.settings import Settings
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.unit_of_work import UnitOfWork
from tests.claude.harness import RecordingContext, RecordingFeed, partial_runtime, until
from tests.in_process_app import ManualClock

N = TypeVar("N", bound=Notification)


class RecordingQueue:
    """A job queue that records what is enqueued; job ids are `queued-1` and so on."""

    def __init__(self) -> None:
        self.specs: list[JobSpec] = []

    def enqueue(self, spec: JobSpec, *, priority: int = 0) -> Encoded[Job]:
        del priority
        self.specs.append(spec)
        job_id, now = f"queued-{len(self.specs)}", iso(0)
        job = Job(job_id=job_id, type=spec.type, status=JobStatus.QUEUED, created_at=now, updated_at=now)
        return Encoded(Job, job.json_bytes())

    def existing(self, job_ids: Collection[str]) -> set[str]:
        return set(job_ids)


class TurnHarness:
    """`run` runs a turn; `notifications` and `queued` are its output; with `commit_error`, commits fail."""

    def __init__(
        self,
        executable: Path,
        home: Path,
        hub: Hub | None = None,
        environment: Mapping[str, str] | None = None,
        **times: float,
    ) -> None:
        self.notifications: list[Notification] = []
        self.context = RecordingContext()
        self.commit_error: sqlite3.Error | None = None
        self.is_draining = False
        unit_of_work = UnitOfWork(asyncio.get_running_loop().call_soon)
        self.database = Database(open_database(home / "sidecar.db", schema_dir(), 0), home, unit_of_work.request_commit)
        unit_of_work.connect(self.database)
        clock, queue, feed = ManualClock(), RecordingQueue(), RecordingFeed()
        self.queued = queue.specs

        def after_commit(callback: Any) -> None:
            unit_of_work.after_commit(lambda failure: callback(self.commit_error or failure))

        runtime = partial_runtime(
            database=self.database,
            clock=clock,
            new_id=Uuid7(clock),
            notify=self.notifications.append,
            after_commit=after_commit,
            is_draining=lambda: self.is_draining,
            queue=queue,
            feed=lambda: feed,
            committed=unit_of_work.committed,
            settings=Settings(home / "sidecar.db", home),
        )
        self.runtime = runtime
        self.store = SessionStore(self.database)
        status = StatusJournal(runtime)
        self.sessions = SessionJournal(runtime, self.store, UsageStore(self.database, clock), status)
        self.permissions = PermissionJournal(runtime, self.sessions)
        self.pool = ProcessPool(lambda one, _: self.sessions.process_ended(one), lambda: self.is_draining)
        gate, runs = GateStore(self.database, clock), RunStore(self.database, clock)
        isolated = {"PATH": os.environ.get("PATH", os.defpath), "CLAUDE_CONFIG_DIR": str(home / ".claude")}
        environment = {**isolated, **(environment or {})}
        launcher = Launcher(
            discovery=Discovery(str(executable), environment, home, LoginShell(environment)),
            home=home,
            process_table=ProcessTable(self.database),
            status=status,
            gate=Gate(environment, home, TrustStore(self.database, clock)),
            budgets=BudgetBook(self.database, clock, UsageStore(self.database, clock)),
            hub=None if hub is None else HubLink(lambda: hub, GateJournal(runtime, gate, self.sessions), runs),
        )
        conversations = ConversationJournal(runtime, self.sessions)
        self.live = LiveJobs()
        limit_waits = LimitWaits(self.sessions, clock, lambda _: False)
        self.handler = TurnHandler(
            runtime,
            launcher,
            self.pool,
            self.sessions,
            self.permissions,
            conversations,
            limit_waits,
            self.live,
            Elsewhere(conversations, launcher.records),
            PromptQueue(runtime, self.store, conversations, launcher.records),
            TurnTimes(**times),
        )

    def create_session(self, **settings: Any) -> Session:
        return self.sessions.create(NewSession(**settings)).load()

    def session(self, session_id: str) -> Session:
        session = self.store.get(session_id)
        assert session is not None
        return session.load()

    async def run(self, session_id: str, prompt: str) -> ClaudeTurnResult:
        return await self.handler.run(TakeTurn(session_id=session_id, prompt=prompt), self.context)

    def requests(self) -> list[PermissionRequest]:
        """Returns the permission requests, newest first."""
        return [row.load() for row in self.permissions.page(None, None, 500, None)[0]]

    async def first_request(self) -> PermissionRequest:
        """Waits for the first permission request."""
        await until(self.requests)
        return self.requests()[-1]

    def messages(self, session_id: str) -> list[ClaudeMessage]:
        return [row.load() for row in self.store.messages(session_id, 500, None)[0]]

    def received(self, kind: type[N]) -> list[N]:
        """Returns the notifications of a type."""
        return [one for one in self.notifications if isinstance(one, kind)]


@asynccontextmanager
async def turn_harness(
    executable: Path, home: Path, hub: Hub | None = None, environment: Mapping[str, str] | None = None, **times: float
) -> AsyncIterator[TurnHarness]:
    """A harness whose idle processes live inside this block."""
    harness = TurnHarness(executable, home, hub, environment, **times)
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(harness.pool.run)
            yield harness
            harness.is_draining = True
            await harness.pool.stop()
    harness.database.close()
