"""A `TurnHandler` over a real database and real processes, with its waits made short and all that it says kept."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import anyio
from sidecar_protocol.claude.permissions import PermissionRequest
from sidecar_protocol.claude.sessions import ClaudeMessage, ClaudeTurnResult, Session, TakeTurn
from sidecar_protocol.contract import Encoded, JobSpec, Notification, encode
from sidecar_protocol.entities import Job, JobStatus

from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.store import PermissionStore
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool
from sidecar.claude.process.process_table import ProcessTable
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.store import ClaudeStore
from sidecar.claude.sessions.turns import TurnHandler
from sidecar.claude.usage import UsageStore
from sidecar.clock import iso
from sidecar.ids import Uuid7
from sidecar.paths import schema_dir
from sidecar.storage.database import Database
from sidecar.storage.migrations import open_database
from sidecar.storage.unit_of_work import UnitOfWork
from tests.claude.harness import RecordingContext, until
from tests.in_process_app import ManualClock

N = TypeVar("N", bound=Notification)


class TurnRig:
    """`take` takes a turn; `notified` and `queued` are what came of it, `failing` makes commits fail."""

    def __init__(self, executable: Path, home: Path, **waits: float) -> None:
        self.notified: list[Notification] = []
        self.queued: list[JobSpec] = []
        self.context = RecordingContext()
        self.failing: sqlite3.Error | None = None
        self.is_draining = False
        clock = ManualClock()
        unit_of_work = UnitOfWork(asyncio.get_running_loop().call_soon)
        self.database = Database(
            open_database(home / "sidecar.db", schema_dir(), "test"), home, unit_of_work.request_commit
        )
        unit_of_work.connect(self.database)
        new_id = Uuid7(clock)
        self.store = ClaudeStore(self.database)
        self.asked = PermissionStore(self.database)
        usage = UsageStore(self.database, clock)
        self.conversations = Conversations(self.database, self.store, self.notified.append, clock, new_id, usage)
        self.journal = PermissionJournal(
            self.database,
            self.asked,
            self.conversations,
            notify=self.notified.append,
            enqueue=self._enqueue,
            after_commit=lambda callback: unit_of_work.after_commit(lambda failure: callback(self.failing or failure)),
            clock=clock,
            new_id=new_id,
        )
        self.pool = ProcessPool(on_ended=self.conversations.process_ended, is_draining=lambda: self.is_draining)
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        self.handler = TurnHandler(
            launcher=Launcher(
                discovery=Discovery(setting=str(executable), environment=environment, home=home),
                environment=environment,
                home=home,
                process_table=ProcessTable(self.database),
            ),
            pool=self.pool,
            conversations=self.conversations,
            permissions=self.journal,
            notify=self.notified.append,
            record=lambda **_: None,
            clock=clock,
            is_draining=lambda: self.is_draining,
            **waits,
        )

    def create(self) -> Session:
        """A session."""
        return self.conversations.create(
            title=None, cwd=None, model=None, permission_mode=None, allowed_tools=[], system_prompt=None
        ).load()

    def session(self, session_id: str) -> Session:
        """A session as it stands."""
        session = self.store.get(session_id)
        assert session is not None
        return session.load()

    async def take(self, session_id: str, prompt: str) -> ClaudeTurnResult:
        """Take a turn."""
        return await self.handler.run(TakeTurn(session_id=session_id, prompt=prompt), self.context)

    def requests(self) -> list[PermissionRequest]:
        """What was asked, the newest first."""
        return [row.load() for row in self.asked.page(None, None, 500, None)[0]]

    async def question(self) -> PermissionRequest:
        """The first question, once it is asked."""
        await until(self.requests)
        return self.requests()[-1]

    def messages(self, session_id: str) -> list[ClaudeMessage]:
        """The messages of a session."""
        return [row.load() for row in self.store.messages(session_id, 500, None)[0]]

    def told(self, kind: type[N]) -> list[N]:
        """The notifications of a kind."""
        return [one for one in self.notified if isinstance(one, kind)]

    def _enqueue(self, spec: JobSpec, *, priority: int) -> Encoded[Job]:
        del priority
        self.queued.append(spec)
        moment = iso(0)
        return encode(
            Job,
            job_id=f"queued-{len(self.queued)}",
            type=spec.type,
            status=JobStatus.QUEUED,
            created_at=moment,
            updated_at=moment,
        )


@asynccontextmanager
async def turns(executable: Path, home: Path, **waits: float) -> AsyncIterator[TurnRig]:
    """A rig whose idle processes live inside this block."""
    rig = TurnRig(executable, home, **waits)
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rig.pool.run)
            yield rig
            rig.is_draining = True
            await rig.pool.stop()
    rig.database.close()
