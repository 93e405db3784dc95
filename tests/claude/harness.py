"""A `ClaudeRunHandler` with everything that it says written down, and a look at the processes that it leaves."""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import psutil
from sidecar_protocol.claude.runs import ClaudeDelta, ClaudeRunResult, RunClaude
from sidecar_protocol.contract import Notification
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.handlers import ClaudeRunHandler
from sidecar.claude.process.discovery import Discovery
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.process_table import ProcessTable
from sidecar.claude.stream import RunUsage
from sidecar.clock import SystemClock
from sidecar.paths import schema_dir
from sidecar.storage.database import Database

_numbers = itertools.count(psutil.Process().pid * 1_000_000)


@dataclass
class RecordingContext:
    """A JobContext that keeps what it is told."""

    job_id: str = field(default_factory=lambda: f"test-job-{next(_numbers)}")
    logged: list[tuple[str, str]] = field(default_factory=list)
    metas: list[Mapping[str, object] | None] = field(default_factory=list)
    progressed: list[str | None] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    waited_for: list[WaitingFor | None] = field(default_factory=list)
    snoozed_for_s: float = 0.0

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        assert fraction is None  # nobody can know how far Claude is
        self.progressed.append(message)

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        self.logged.append((level, message))
        self.metas.append(meta)

    def wait_for(self, what: WaitingFor | None) -> None:
        self.waited_for.append(what)

    def lock(self, key: str) -> None:
        self.locked.append(key)


class RunHarness:
    """`run` and `cancel` take the fields of a RunClaude; `deltas` and `records` are what came of them."""

    def __init__(self, executable: Path, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.deltas: list[ClaudeDelta] = []
        self.delays: list[Notification] = []
        self.records: list[dict[str, Any]] = []
        self.booked: list[tuple[str, str | None, RunUsage]] = []
        self.context = RecordingContext()
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript((schema_dir() / "schema.sql").read_text("utf-8"))
        self.ledger = ProcessTable(Database(connection, home / "none.db", lambda: None))
        self.is_draining = False
        self.on_delta: Callable[[ClaudeDelta], None] = lambda _: None
        self.handler = ClaudeRunHandler(
            launcher=Launcher(
                discovery=Discovery(setting=str(executable), environment=environment, home=home),
                environment=environment,
                home=home,
                process_table=self.ledger,
            ),
            notify=self._notify,
            record=lambda **fields: self.records.append(fields),
            clock=SystemClock(),
            book=lambda job_id, session_id, spent: self.booked.append((job_id, session_id, spent)),
            owner_of=lambda _: None,
            is_draining=lambda: self.is_draining,
            silence_s=0.5,
        )

    @property
    def text(self) -> str:
        """What came by deltas, all messages together."""
        return "".join(delta.text for delta in self.deltas)

    async def run(self, prompt: str, **fields: Any) -> ClaudeRunResult:
        return await self.handler.run(RunClaude(prompt=prompt, **fields), self.context)

    async def cancel(self, prompt: str, *, when: Callable[[], bool], **fields: Any) -> None:
        """Start a run and cancel it as soon as `when` holds; returns when it is over."""
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._cancel_when, when, scope)
                await self.run(prompt, **fields)
        assert scope.cancelled_caught

    def processes(self) -> list[psutil.Process]:
        """The living processes of the run, wherever they stand in the process tree."""
        return processes_of(self.context.job_id)

    async def _cancel_when(self, when: Callable[[], bool], scope: anyio.CancelScope) -> None:
        await until(when)
        scope.cancel()

    def _notify(self, told: Notification) -> None:
        if isinstance(told, ClaudeDelta):
            self.deltas.append(told)
            self.on_delta(told)
        else:
            self.delays.append(told)


class MakeRunHarness(Protocol):
    """The fixture `make_run_harness`."""

    def __call__(self, executable: Path, environment: dict[str, str] | None = None) -> RunHarness: ...


def processes_of(owner_id: str) -> list[psutil.Process]:
    """The living processes whose environment names the job or the session."""
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


def tools_of(owner_id: str, name: str) -> list[psutil.Process]:
    """Those of the processes that bear this name; some of them live for a moment only."""
    found = []
    for process in processes_of(owner_id):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == name:
                found.append(process)
    return found


async def until(condition: Callable[[], object]) -> None:
    """Wait for something in another process, which sends no event; the caller bounds it with `fail_after`."""
    while not condition():  # noqa: ASYNC110 - nothing in this process knows
        await anyio.sleep(0.01)
