"""Drives a `ClaudeRunHandler` without the rest of the sidecar, and finds the processes that it leaves."""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import psutil
from sidecar_protocol.claude.runs import ClaudeDelta, ClaudeRunResult, RunClaude
from sidecar_protocol.contract import Notification
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.budgets import BudgetBook
from sidecar.claude.handlers import ClaudeRunHandler
from sidecar.claude.live_tasks import LiveJobs
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.login_shell import LoginShell
from sidecar.claude.process.orphans import ProcessTable
from sidecar.claude.prompts.attachments import Attachments
from sidecar.claude.runs import RunStore
from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.trust.gate import Gate
from sidecar.claude.trust.store import TrustStore
from sidecar.claude.usage import UsageStore
from sidecar.clock import SystemClock
from sidecar.feed import FeedEvent, Origin
from sidecar.paths import schema_dir
from sidecar.runtime import Runtime
from sidecar.settings import Settings
from sidecar.storage.database import Database

_numbers = itertools.count(psutil.Process().pid * 1_000_000)


@dataclass
class RecordingContext:
    """A JobContext that records its calls."""

    job_id: str = field(default_factory=lambda: f"test-job-{next(_numbers)}")
    logged: list[tuple[str, str]] = field(default_factory=list)
    metas: list[Mapping[str, object] | None] = field(default_factory=list)
    progressed: list[str | None] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    waited_for: list[WaitingFor | None] = field(default_factory=list)
    attempt: int = 1
    snoozed_for_s: float = 0.0

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        assert fraction is None  # a run's fraction is unknown
        self.progressed.append(message)

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        self.logged.append((level, message))
        self.metas.append(meta)

    def wait_for(self, what: WaitingFor | None) -> None:
        self.waited_for.append(what)

    def lock(self, key: str) -> None:
        self.locked.append(key)

    def at_end(self, write: Callable[[], object]) -> None:
        write()


class RecordingFeed:
    """A feed that records the events written by Claude."""

    def __init__(self) -> None:
        self.events: list[FeedEvent] = []

    def write(self, origin: Origin, events: Iterable[FeedEvent]) -> None:
        assert origin == Origin("claude")
        self.events += events


def partial_runtime(**parts: Any) -> Runtime:
    """Returns a runtime that has only these parts."""
    return Runtime(**{**dict.fromkeys(Runtime._fields), **parts})


class RunHarness:
    """`run` and `cancel` take the fields of a `RunClaude`; `deltas`, `delays` and `events` are the output."""

    def __init__(self, executable: Path, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.deltas: list[ClaudeDelta] = []
        self.delays: list[Notification] = []
        self.context = RecordingContext()
        self.is_draining = False
        self.on_delta: Callable[[ClaudeDelta], None] = lambda _: None
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript((schema_dir() / "schema.sql").read_text("utf-8"))
        database, clock, feed = Database(connection, home / "none.db", lambda: None), SystemClock(), RecordingFeed()
        self.events = feed.events
        runtime = partial_runtime(
            database=database,
            clock=clock,
            notify=self._notify,
            is_draining=lambda: self.is_draining,
            feed=lambda: feed,
            settings=Settings(home / "none.db", home),
        )
        launcher = Launcher(
            discovery=Discovery(str(executable), environment, home, LoginShell(environment)),
            home=home,
            process_table=ProcessTable(database),
            status=StatusJournal(runtime),
            gate=Gate(environment, home, TrustStore(database, clock)),
            budgets=BudgetBook(database, clock, UsageStore(database, clock)),
        )
        self.handler = ClaudeRunHandler(
            runtime,
            launcher,
            SessionStore(database),
            UsageStore(database, clock),
            RunStore(database, clock),
            LiveJobs(),
            Attachments(runtime),
            silence_s=0.5,
        )

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(delta.text for delta in self.deltas)

    async def run(self, prompt: str, **fields: Any) -> ClaudeRunResult:
        return await self.handler.run(RunClaude(prompt=prompt, **fields), self.context)

    async def cancel(self, prompt: str, *, when: Callable[[], bool], **fields: Any) -> None:
        """Starts a run, cancels it as soon as `when` returns True, and waits for its end."""
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_when, when, scope)
                await self.run(prompt, **fields)
        assert scope.cancelled_caught

    def processes(self) -> list[psutil.Process]:
        """Returns the live processes of the run, anywhere in the process tree."""
        return processes_of(self.context.job_id)

    async def _cancel_when(self, when: Callable[[], bool], scope: anyio.CancelScope) -> None:
        await until(when)
        scope.cancel()

    def _notify(self, notification: Notification) -> None:
        if isinstance(notification, ClaudeDelta):
            self.deltas.append(notification)
            self.on_delta(notification)
        else:
            self.delays.append(notification)


class MakeRunHarness(Protocol):
    """The fixture `make_run_harness`."""

    def __call__(self, executable: Path, environment: dict[str, str] | None = None) -> RunHarness: ...


def processes_of(owner_id: str) -> list[psutil.Process]:
    """Returns the live processes whose environment names the job or the session."""
    found = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
            marks = (environment.get("SIDECAR_JOB"), environment.get("SIDECAR_SESSION"))
            if owner_id in marks and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def cli_of(owner_id: str) -> psutil.Process:
    """Returns an owner's CLI, which is the first of its processes: the real one runs programs for a moment."""
    return min(processes_of(owner_id), key=psutil.Process.create_time)


def tools_of(owner_id: str, name: str) -> list[psutil.Process]:
    """Returns those of the owner's processes that have this name; some of them live only for a moment."""
    found = []
    for process in processes_of(owner_id):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(process)
    return found


async def until(condition: Callable[[], object]) -> None:
    """Polls a condition; the caller limits the time with `fail_after`."""
    while not condition():  # noqa: ASYNC110 - it depends on another process, which sends no event
        await anyio.sleep(0.01)
