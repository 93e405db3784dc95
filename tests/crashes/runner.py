"""A sidecar that dies on purpose, started as a script: `runner.py LEDGER [--point POINT --nth NTH [--boot]]`.

At the NTH passing of POINT the process kills itself with SIGKILL, which leaves it no more time than a power cut leaves
a machine.  Passings count from the first `jobs.create` or question of Claude's on; with `--boot`, from the start of
the process.
Its job types write each of their steps to LEDGER, which no crash takes back: so a test sees how often a handler ran.

--oddity     full         the database may grow by 60 pages, after which the disk is full
             brimming     the database may not grow at all
             powerless    file permissions hold for root too
             patient      a crash is recovered from no sooner than somebody asks for a cancel
"""

import argparse
import asyncio
import ctypes
import inspect
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

import anyio
import anyio.lowlevel
from sidecar_protocol import catalog
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery
from sidecar_protocol.entities import WaitingFor

import sidecar.app
import sidecar.serve
import sidecar.storage.migrations
from sidecar.claude.feature import ClaudeFeature
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed, Registration
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.service import JobsService
from sidecar.jobs.worker import JobsWorker
from sidecar.storage.database import Database
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.wire.dispatch import Dispatcher
from sidecar.wire.event_log import EventLog
from sidecar.wire.outbox import Outbox
from sidecar.wire.stdio import Writer

CHECKPOINTS: Final = 3
"""How often a handler waits on each side of its middle."""

COPY_STEPS: Final = 100
"""Of SQLite's virtual machine, between two passings of `migrations.copy`."""


class Ran(Model):
    """What a job of these types came to: the attempt that did it."""

    attempt: int


class Once(JobSpec):
    """Work that must not be done twice."""

    type: ClassVar = "crash.once"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT)


class Again(JobSpec):
    """Work that may be done again."""

    type: ClassVar = "crash.again"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Flaky(JobSpec):
    """Work that goes well the third time, and that a crash must not repeat."""

    type: ClassVar = "crash.flaky"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.INTERRUPT)


class Snoozing(JobSpec):
    """Work that cannot begin at once."""

    type: ClassVar = "crash.snoozing"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Waiting(JobSpec):
    """Work that ends when it is cancelled."""

    type: ClassVar = "crash.waiting"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Holding(JobSpec):
    """The same, where a crash or a shutdown is the end of it."""

    type: ClassVar = "crash.holding"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT)


class Faults:
    """Counts passings, and ends the process at the one that was asked for."""

    def __init__(self, point: str | None, nth: int, *, armed: bool) -> None:
        self._point = point
        self._left = nth
        self.armed = armed

    def due(self, point: str) -> bool:
        """Whether this passing is the one."""
        if not self.armed or point != self._point:
            return False
        self._left -= 1
        return self._left == 0

    def passing(self, point: str) -> None:
        """Die here, if it is the time and the place."""
        if self.due(point):
            die()

    def around(self, owner: Any, attribute: str, name: str) -> None:
        """Make points of the beginning and the end of a function, which may be one that waits."""
        original: Callable[..., Any] = getattr(owner, attribute)

        def call(*args: Any, **more: Any) -> Any:
            self.passing(f"{name}:before")
            found = original(*args, **more)
            self.passing(f"{name}:after")
            return found

        async def wait(*args: Any, **more: Any) -> Any:
            self.passing(f"{name}:before")
            found = await original(*args, **more)
            self.passing(f"{name}:after")
            return found

        setattr(owner, attribute, wait if inspect.iscoroutinefunction(original) else call)


def die() -> None:
    """End as a crash does: nothing is cleaned up, flushed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


class Handlers:
    """The code behind the job types, which keeps a ledger."""

    def __init__(self, ledger: Path, faults: Faults) -> None:
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._faults = faults
        self._snoozed: set[str] = set()
        self.attempts: dict[str, int] = {}

    def registrations(self) -> dict[str, Registration]:
        """The worker's table of all of them."""
        ways: dict[type[JobSpec], Any] = {
            **dict.fromkeys((Once, Again), self._work),
            **dict.fromkeys((Waiting, Holding), self._wait),
            Flaky: self._fail,
            Snoozing: self._snooze,
        }
        return {spec.type: Registration(spec, _Function(run)) for spec, run in ways.items()}

    def note(self, job_id: str, phase: str) -> None:
        """Write a step down where a crash cannot undo it."""
        os.write(self._ledger, f"{job_id} {self.attempts[job_id]} {phase}\n".encode())
        os.fsync(self._ledger)

    async def _work(self, job: JobSpec, context: JobContext) -> Ran:
        self.note(context.job_id, "start")
        self._faults.passing("handler:start")
        context.progress(0.5, "half")
        context.log("working")
        for _ in range(CHECKPOINTS):
            await anyio.lowlevel.checkpoint()
        self._faults.passing("handler:middle")
        for _ in range(CHECKPOINTS):
            await anyio.lowlevel.checkpoint()
        self.note(context.job_id, "end")
        self._faults.passing("handler:end")
        return Ran(attempt=self.attempts[context.job_id])

    async def _fail(self, job: Flaky, context: JobContext) -> Ran:
        ran = await self._work(job, context)
        if ran.attempt < Flaky.policy.max_attempts:
            raise JobFailed("Not this time.", kind="flaky", retryable=True, retry_after_s=0.0)
        return ran

    async def _snooze(self, job: Snoozing, context: JobContext) -> Ran:
        if context.job_id not in self._snoozed:
            self._snoozed.add(context.job_id)
            raise JobSnoozed("Not yet.", delay_s=0.0, waiting_for=WaitingFor.NETWORK)
        return await self._work(job, context)

    async def _wait(self, job: Waiting, context: JobContext) -> Ran:
        self.note(context.job_id, "start")
        await anyio.sleep_forever()
        raise AssertionError


class _Function:
    """A function as a `JobHandler`."""

    def __init__(self, run: Any) -> None:
        self.run = run


def add_job_types(handlers: Handlers) -> None:
    """Let the catalog list them and the worker run them."""
    ours = handlers.registrations()
    catalog.JOB_TYPES += tuple(one.spec for one in ours.values())
    make, claim = JobsWorker.__init__, JobJournal.claim

    def make_with_ours(self: JobsWorker, journal: Any, theirs: Mapping[str, Registration], **more: Any) -> None:
        make(self, journal, {**theirs, **ours}, **more)

    def claim_and_remember(self: JobJournal, full_types: list[str]) -> Any:
        claimed = claim(self, full_types)
        if claimed is not None:
            handlers.attempts[claimed.job_id] = claimed.attempt
        return claimed

    JobsWorker.__init__ = make_with_ours  # type: ignore[method-assign, assignment]
    JobJournal.claim = claim_and_remember  # type: ignore[method-assign]


def add_faults(faults: Faults) -> None:
    """Put points around everything that moves a job, stores it or tells of it."""
    for operation in ("queue", "request_cancel", "claim", "finish", "retry_later", "snooze", "put_back", "recover"):
        faults.around(JobJournal, operation, f"journal.{operation}")
    for operation in ("_recover", "_execute", "_verdict", "_settle"):
        faults.around(JobsWorker, operation, f"worker.{operation.strip('_')}")
    for operation in ("begin", "commit"):
        faults.around(Database, operation, f"database.{operation}")
    faults.around(sidecar.app.App, "_committed", "app.committed")
    faults.around(sidecar.app.App, "_end", "app.end")
    faults.around(UnitOfWork, "commit", "unit_of_work.commit")
    faults.around(Dispatcher, "on_commit", "dispatcher.on_commit")
    faults.around(Outbox, "notify", "outbox.notify")
    faults.around(Outbox, "on_commit", "outbox.on_commit")
    faults.around(EventLog, "append", "event_log.append")
    faults.around(Writer, "flush", "writer.flush")
    for operation in ("open_connection", "migrate", "back_up", "prune_backups"):
        faults.around(sidecar.storage.migrations, operation, f"migrations.{operation}")
    for operation in ("ask", "answer", "deliver", "withdraw", "keep"):
        faults.around(PermissionJournal, operation, f"permissions.{operation}")
    split_migrations(faults)
    tear_lines(faults)
    count_steps(faults)
    create, ask = JobsService.create, PermissionJournal.ask

    async def arm_and_create(self: JobsService, **params: Any) -> Any:
        faults.armed = True
        return await create(self, **params)

    def arm_and_ask(self: PermissionJournal, *args: Any) -> Any:
        faults.armed = True
        return ask(self, *args)

    JobsService.create = arm_and_create  # type: ignore[method-assign]
    PermissionJournal.ask = arm_and_ask  # type: ignore[method-assign, assignment]


def split_migrations(faults: Faults) -> None:
    """Adds `migrations.step:before` and `:after`, in a migration's transaction, and `migrations.copy`, in a backup."""
    back_up = sidecar.storage.migrations.back_up

    def copy_and_pass(connection: sqlite3.Connection, target: Path) -> None:
        connection.set_progress_handler(lambda: faults.passing("migrations.copy"), COPY_STEPS)
        back_up(connection, target)
        connection.set_progress_handler(None, 0)

    faults.around(sidecar.storage.migrations, "apply_migration", "migrations.step")
    sidecar.storage.migrations.back_up = copy_and_pass


def tear_lines(faults: Faults) -> None:
    """The point `writer.torn`: half of what a flush has to write is written."""
    load_chunk = Writer.load_chunk

    def load_and_tear(self: Writer) -> bool:
        found = load_chunk(self)
        if found and faults.due("writer.torn"):
            os.write(self.descriptor, self.chunk[: len(self.chunk) // 2])
            die()
        return found

    Writer.load_chunk = load_and_tear  # type: ignore[method-assign]


def count_steps(faults: Faults) -> None:
    """The point `loop.step`: before each callback of the loop, and so at every `await` that waits."""
    run = asyncio.Handle._run

    def step(self: asyncio.Handle) -> None:
        faults.passing("loop.step")
        run(self)

    asyncio.Handle._run = step  # type: ignore[method-assign]


def limit_growth(pages: int) -> None:
    """Let the database grow by so many pages, and no more."""
    opened = sidecar.storage.migrations.open_database

    def open_database(path: Path, directory: Path, *more: Any) -> sqlite3.Connection:
        connection = opened(path, directory, *more)
        (count,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {count + pages}")
        return connection

    setattr(sidecar.app, "open_database", open_database)  # noqa: B010 - mypy: not exported


def powerless() -> None:
    """Give up what lets root write where it may not (Linux)."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def patient() -> None:
    """Let the first cancel come between the look at what a crash left and its settlement."""
    reap, request = ClaudeFeature.reap, JobJournal.request_cancel
    asked = anyio.Event()

    async def reap_and_wait(self: ClaudeFeature, job_ids: Collection[str]) -> int:
        found = await reap(self, job_ids)
        await asked.wait()
        return found

    def request_and_tell(self: JobJournal, job_id: str) -> Any:
        asked.set()
        return request(self, job_id)

    ClaudeFeature.reap = reap_and_wait  # type: ignore[method-assign]
    JobJournal.request_cancel = request_and_tell  # type: ignore[method-assign]


ODDITIES: Final[dict[str, Callable[[], None]]] = {
    "full": lambda: limit_growth(60),
    "brimming": lambda: limit_growth(0),
    "powerless": powerless,
    "patient": patient,
}


def arguments() -> argparse.Namespace:
    """What to do, and when to die."""
    parser = argparse.ArgumentParser()
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--point")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--boot", action="store_true")
    parser.add_argument("--oddity", choices=ODDITIES, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    the_faults = Faults(options.point, options.nth, armed=options.boot)
    add_job_types(Handlers(options.ledger, the_faults))
    add_faults(the_faults)
    for oddity in options.oddity:
        ODDITIES[oddity]()
    sidecar.serve.main([])
