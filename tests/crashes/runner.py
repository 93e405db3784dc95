"""A sidecar that kills itself: `runner.py STEP_LOG [--point POINT --nth NTH [--boot]] [--condition CONDITION]...`.

At the NTH passing of POINT the process sends itself SIGKILL, which like a power cut leaves no time to clean up.
Passings are counted from the first `jobs.create` or permission request on, or with `--boot` from the start of the
process.  Its job handlers append each of their steps to STEP_LOG and fsync it, so that a test sees how often they ran.

--condition  disk_nearly_full  the database can grow by 60 pages, then the disk is full
             disk_full         the database cannot grow
             unprivileged      file permissions apply to root too
             slow_recovery     the recovery from a crash waits for the first cancel

The points wrap functions of the sidecar.  Most are public; these are private, as steps inside one module that no other
module may call: `JobsWorker._recover`, `._execute`, `._run_handler`, `._store_outcome_durably` and `App._end`; and
asyncio's `Handle._run`, the only place that every step of the loop passes.  A renamed function raises AttributeError at
the start.
"""

import argparse
import asyncio
import ctypes
import inspect
import logging
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
from sidecar.claude.crash_recovery import CrashRecovery
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed, Registration
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.service import JobsService
from sidecar.jobs.worker import JobsWorker
from sidecar.storage.backups import Backups
from sidecar.storage.database import Database
from sidecar.storage.unit_of_work import UnitOfWork
from sidecar.wire.dispatch import Responses
from sidecar.wire.event_log import EventLog
from sidecar.wire.outbox import Outbox
from sidecar.wire.stdio import Writer

RECOVERY_WAITS: Final = "the recovery waits for a cancel"
"""The message that is logged under the condition `slow_recovery`."""

CHECKPOINTS: Final = 3
"""Number of times a handler yields to the loop before and after its middle."""

COPY_STEPS: Final = 100
"""Instructions of SQLite's virtual machine between two passings of `migrations.copy`."""


class Ran(Model):
    """The result of every job type here: the attempt that succeeded."""

    attempt: int


class Once(JobSpec):
    """Must not be repeated after a crash."""

    type: ClassVar = "crash.once"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT)


class Repeatable(JobSpec):
    """May be repeated after a crash."""

    type: ClassVar = "crash.repeatable"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Flaky(JobSpec):
    """Succeeds at the third attempt; must not be repeated after a crash."""

    type: ClassVar = "crash.flaky"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.INTERRUPT)


class Snoozing(JobSpec):
    """Snoozes once before it starts."""

    type: ClassVar = "crash.snoozing"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Waiting(JobSpec):
    """Runs until it is cancelled; may be repeated after a crash."""

    type: ClassVar = "crash.waiting"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.REQUEUE)


class Holding(JobSpec):
    """Runs until it is cancelled; a crash or a shutdown interrupts it."""

    type: ClassVar = "crash.holding"
    result: ClassVar = Ran
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT)


class Faults:
    """Counts the passings of one point and kills the process at the requested one."""

    def __init__(self, point: str | None, nth: int, *, armed: bool) -> None:
        self._point = point
        self._left = nth
        self.armed = armed

    def is_due(self, point: str) -> bool:
        """Counts a passing; returns whether it is the requested one."""
        if not self.armed or point != self._point:
            return False
        self._left -= 1
        return self._left == 0

    def passing(self, point: str) -> None:
        """Counts a passing and kills the process if it is the requested one."""
        if self.is_due(point):
            kill_self()

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Wraps a function, sync or async, with the points `name:before` and `name:after`."""
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


def kill_self() -> None:
    """Kills the process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


class Handlers:
    """The handlers of the job types."""

    def __init__(self, step_log: Path, faults: Faults) -> None:
        self._step_log = os.open(step_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._faults = faults
        self._snoozed: set[str] = set()
        self.attempts: dict[str, int] = {}

    def registrations(self) -> dict[str, Registration]:
        """Returns the registrations by job type."""
        functions: dict[type[JobSpec], Any] = {
            **dict.fromkeys((Once, Repeatable), self._work),
            **dict.fromkeys((Waiting, Holding), self._wait),
            Flaky: self._fail,
            Snoozing: self._snooze,
        }
        return {spec.type: Registration(spec, _Function(run)) for spec, run in functions.items()}

    def log_step(self, job_id: str, phase: str) -> None:
        """Appends a step to the log and syncs it, so that no crash can undo it."""
        os.write(self._step_log, f"{job_id} {self.attempts[job_id]} {phase}\n".encode())
        os.fsync(self._step_log)

    async def _work(self, job: JobSpec, context: JobContext) -> Ran:
        self.log_step(context.job_id, "start")
        self._faults.passing("handler:start")
        context.progress(0.5, "half")
        context.log("working")
        for _ in range(CHECKPOINTS):
            await anyio.lowlevel.checkpoint()
        self._faults.passing("handler:middle")
        for _ in range(CHECKPOINTS):
            await anyio.lowlevel.checkpoint()
        self.log_step(context.job_id, "end")
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
        self.log_step(context.job_id, "start")
        await anyio.sleep_forever()
        raise AssertionError


class _Function:
    """Wraps a function as a `JobHandler`."""

    def __init__(self, run: Any) -> None:
        self.run = run


def add_job_types(handlers: Handlers) -> None:
    """Adds the job types to the catalog and their handlers to the worker."""
    added = handlers.registrations()
    catalog.JOB_TYPES += tuple(one.spec for one in added.values())
    init, claim = JobsWorker.__init__, JobJournal.claim

    def init_with_test_types(
        self: JobsWorker, journal: Any, registered: Mapping[str, Registration], **more: Any
    ) -> None:
        init(self, journal, {**registered, **added}, **more)

    def claim_and_remember(self: JobJournal, full_types: list[str]) -> Any:
        claimed = claim(self, full_types)
        if claimed is not None:
            handlers.attempts[claimed.job_id] = claimed.attempt
        return claimed

    JobsWorker.__init__ = init_with_test_types  # type: ignore[method-assign, assignment]
    JobJournal.claim = claim_and_remember  # type: ignore[method-assign]


def add_faults(faults: Faults) -> None:
    """Adds points to every operation that changes, stores or reports a job."""
    for operation in (
        "enqueue",
        "request_cancel",
        "claim",
        "finish",
        "retry_later",
        "snooze",
        "requeue_after_shutdown",
        "requeue_after_crash",
    ):
        faults.wrap(JobJournal, operation, f"journal.{operation}")
    for operation in ("_recover", "_execute", "_run_handler", "_store_outcome_durably"):
        faults.wrap(JobsWorker, operation, f"worker.{operation.strip('_')}")
    for operation in ("begin", "commit"):
        faults.wrap(Database, operation, f"database.{operation}")
    faults.wrap(UnitOfWork, "committed", "unit_of_work.committed")
    faults.wrap(sidecar.app.App, "_end", "app.end")
    faults.wrap(UnitOfWork, "commit", "unit_of_work.commit")
    faults.wrap(Responses, "on_commit", "responses.on_commit")
    faults.wrap(Outbox, "notify", "outbox.notify")
    faults.wrap(Outbox, "on_commit", "outbox.on_commit")
    faults.wrap(EventLog, "append", "event_log.append")
    faults.wrap(Writer, "flush", "writer.flush")
    for operation in ("settle", "open_connection", "take_over", "migrate", "back_up"):
        faults.wrap(sidecar.storage.migrations, operation, f"migrations.{operation}")
    faults.wrap(Backups, "rotate", "migrations.rotate")
    for operation in ("request", "respond", "deliver", "cancel", "end_turn"):
        faults.wrap(PermissionJournal, operation, f"permissions.{operation}")
    split_migrations(faults)
    tear_lines(faults)
    count_steps(faults)
    create, request = JobsService.create, PermissionJournal.request

    async def arm_and_create(self: JobsService, **params: Any) -> Any:
        faults.armed = True
        return await create(self, **params)

    def arm_and_request(self: PermissionJournal, *args: Any) -> Any:
        faults.armed = True
        return request(self, *args)

    JobsService.create = arm_and_create  # type: ignore[method-assign]
    PermissionJournal.request = arm_and_request  # type: ignore[method-assign, assignment]


def split_migrations(faults: Faults) -> None:
    """Adds `migrations.step:before` and `:after` inside a step's transaction, and `migrations.copy` inside a backup."""
    back_up: Callable[[sqlite3.Connection, Path], None] = getattr(sidecar.storage.migrations, "back_up")  # noqa: B009

    def copy_and_pass(connection: sqlite3.Connection, target: Path) -> None:
        connection.set_progress_handler(lambda: faults.passing("migrations.copy"), COPY_STEPS)
        back_up(connection, target)
        connection.set_progress_handler(None, 0)

    faults.wrap(sidecar.storage.migrations, "apply_migration", "migrations.step")
    setattr(sidecar.storage.migrations, "back_up", copy_and_pass)  # noqa: B010 - mypy: not exported


def tear_lines(faults: Faults) -> None:
    """Adds the point `writer.torn`: a flush writes half of its bytes."""
    load_chunk = Writer.load_chunk

    def load_and_tear(self: Writer) -> bool:
        found = load_chunk(self)
        if found and faults.is_due("writer.torn"):
            os.write(self.descriptor, self.chunk[: len(self.chunk) // 2])
            kill_self()
        return found

    Writer.load_chunk = load_and_tear  # type: ignore[method-assign]


def count_steps(faults: Faults) -> None:
    """Adds the point `loop.step` before each callback of the loop, which includes every `await` that waits."""
    run = asyncio.Handle._run  # noqa: SLF001 - the only place where every step passes

    def step(self: asyncio.Handle) -> None:
        faults.passing("loop.step")
        run(self)

    asyncio.Handle._run = step  # type: ignore[method-assign]  # noqa: SLF001 - see above


def limit_growth(pages: int) -> None:
    """Limits the growth of the database to this number of pages."""
    opened = sidecar.storage.migrations.open_database

    def open_database(path: Path, directory: Path, *more: Any) -> sqlite3.Connection:
        connection = opened(path, directory, *more)
        (count,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {count + pages}")
        return connection

    setattr(sidecar.app, "open_database", open_database)  # noqa: B010 - mypy: not exported


def drop_privileges() -> None:
    """Drops the capabilities that let root ignore file permissions (Linux)."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def slow_down_recovery() -> None:
    """Makes the recovery wait for the first cancel after it has looked for orphaned processes."""
    kill, request = CrashRecovery.kill_orphans, JobJournal.request_cancel
    cancelled = anyio.Event()

    async def kill_and_wait(self: CrashRecovery, job_ids: Collection[str]) -> int:
        found = await kill(self, job_ids)
        logging.getLogger(__name__).warning(RECOVERY_WAITS)
        await cancelled.wait()
        return found

    def request_and_set(self: JobJournal, job_id: str) -> Any:
        cancelled.set()
        return request(self, job_id)

    CrashRecovery.kill_orphans = kill_and_wait  # type: ignore[method-assign]
    JobJournal.request_cancel = request_and_set  # type: ignore[method-assign]


CONDITIONS: Final[dict[str, Callable[[], None]]] = {
    "disk_nearly_full": lambda: limit_growth(60),
    "disk_full": lambda: limit_growth(0),
    "unprivileged": drop_privileges,
    "slow_recovery": slow_down_recovery,
}


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step_log", type=Path)
    parser.add_argument("--point")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--boot", action="store_true")
    parser.add_argument("--condition", choices=CONDITIONS, action="append", default=[])
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    faults_of_this_run = Faults(options.point, options.nth, armed=options.boot)
    add_job_types(Handlers(options.step_log, faults_of_this_run))
    add_faults(faults_of_this_run)
    for condition in options.condition:
        CONDITIONS[condition]()
    sidecar.serve.main([])
