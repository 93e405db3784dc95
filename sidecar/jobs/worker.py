"""The worker: claims due jobs, runs their handlers, and writes down how each ended.

A handler's cancellation is anyio's; the worker only decides when, and what the end is then called.
"""

import logging
import math
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import anyio
from pydantic import ValidationError

from protocol.contract import JobSpec
from protocol.entities import JobError, JobStatus
from sidecar.clock import Clock
from sidecar.handler import JobFailed, JobHandler
from sidecar.ids import MakeId
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.store import ClaimedJob

log = logging.getLogger(__name__)

CONCURRENCY: Final = 8
"""Jobs at a time, over all types."""
MAX_RESULT_BYTES: Final = 4 * 1024 * 1024
"""A page or a notification with such a result still fits into a message."""
SAVE_PROGRESS_S: Final = 1.0
LOOK_AGAIN_S: Final = 60.0
"""While a job waits for its time, the wall clock is looked at this often: it may be set, or the machine may sleep."""
SETTLE_RETRIES_S: Final = (0.2, 1.0, 5.0)
"""A full disk may get room again; after that the job is settled by the next start."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A job type and the code behind it."""

    spec: type[JobSpec]
    handler: JobHandler[Any, Any]
    concurrency: int = CONCURRENCY


class RunningJob:
    """A job while its handler runs: the handler's `JobContext`."""

    def __init__(self, job_id: str, journal: JobJournal, clock: Clock) -> None:
        self._job_id = job_id
        self._journal = journal
        self._clock = clock
        self._saved_at = -math.inf
        self.scope = anyio.CancelScope()
        self.ending: JobStatus | None = None

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self._job_id

    def stop(self, ending: JobStatus) -> None:
        """Cancel the handler; the first reason names the end."""
        if self.ending is None:
            self.ending = ending
            self.scope.cancel()

    def progress(self, fraction: float | None, message: str | None = None) -> None:
        """See `JobContext`."""
        if fraction is not None:
            fraction = min(1.0, max(0.0, fraction)) if math.isfinite(fraction) else None
        self._journal.tell_progress(self._job_id, fraction, message)
        now = self._clock.monotonic()
        if now - self._saved_at >= SAVE_PROGRESS_S:
            self._saved_at = now
            self._safely(lambda: self._journal.save_progress(self._job_id, fraction, message))

    def log(self, message: str, *, level: str = "info", meta: Mapping[str, object] | None = None) -> None:
        """See `JobContext`."""
        self._safely(lambda: self._journal.log(self._job_id, level, message, meta))

    def _safely(self, write: Callable[[], None]) -> None:
        try:
            write()
        except sqlite3.Error:  # a line that cannot be stored must not end the work that it describes
            log.exception("a job's log could not be written", extra={"job_id": self._job_id})


class JobsWorker:
    """Runs jobs until it is stopped."""

    def __init__(
        self,
        journal: JobJournal,
        registrations: Mapping[str, Registration],
        *,
        clock: Clock,
        new_id: MakeId,
        committed: Callable[[], Awaitable[None]],
        reap: Callable[[Collection[str]], Awaitable[int]],
    ) -> None:
        """`reap` kills what is left of the processes of a dead boot's jobs, and tells how many there were."""
        self._journal = journal
        self._registrations = registrations
        self._clock = clock
        self._new_id = new_id
        self._committed = committed
        self._reap = reap
        self._running: dict[str, RunningJob] = {}
        self._types: Counter[str] = Counter()
        self._wake = anyio.Event()
        self._stopping = False
        self._ended = anyio.Event()

    @property
    def is_running(self) -> bool:
        """Whether it takes jobs."""
        return not self._stopping and not self._ended.is_set()

    def wake(self) -> None:
        """A job was queued, or has ended: look."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job if it runs here."""
        if (running := self._running.get(job_id)) is not None:
            running.stop(JobStatus.CANCELLED)

    async def run(self) -> None:
        """Settle what a dead process left, then run jobs until `stop`."""
        await self._recover()
        try:
            async with anyio.create_task_group() as tasks:
                while not self._stopping:
                    self._wake = anyio.Event()
                    pause = self._claim_due(lambda claimed: tasks.start_soon(self._execute, claimed))
                    with anyio.move_on_after(pause):
                        await self._wake.wait()
        finally:
            self._ended.set()

    async def _recover(self) -> None:
        orphans = self._journal.orphans()
        if orphans:
            killed = await self._reap(orphans)
            log.warning("an earlier process left %d jobs running, and %d processes of theirs", len(orphans), killed)
            self._journal.settle_orphans()
            await self._committed()

    async def stop(self, deadline_s: float) -> tuple[int, bool]:
        """Interrupt what runs and wait for it: how many jobs, and whether all ended in time."""
        self._stopping = True
        jobs = list(self._running.values())
        for running in jobs:
            running.stop(JobStatus.INTERRUPTED)
        self._wake.set()
        with anyio.move_on_after(deadline_s):
            await self._ended.wait()
        late = list(self._running.values())
        for running in late:
            self._journal.finish(running.job_id, JobStatus.INTERRUPTED, error=_shutdown())
        return len(jobs), not late

    def _claim_due(self, start: Callable[[ClaimedJob], object]) -> float | None:
        """Start what is due; then how long to wait before looking again: None, until something wakes us."""
        try:
            while len(self._running) < CONCURRENCY:
                full = [name for name, one in self._registrations.items() if self._types[name] >= one.concurrency]
                claimed = self._journal.claim(full)
                if claimed is None:
                    break
                self._running[claimed.job_id] = RunningJob(claimed.job_id, self._journal, self._clock)
                self._types[claimed.type] += 1
                start(claimed)
            next_run_at = self._journal.next_run_at()
        except sqlite3.Error:
            log.exception("no job could be claimed")
            return SETTLE_RETRIES_S[-1]
        if next_run_at is None:
            return None
        due_in = datetime.fromisoformat(next_run_at).timestamp() - self._journal.now_ms() / 1000
        return min(LOOK_AGAIN_S, max(0.001, due_in))

    async def _execute(self, claimed: ClaimedJob) -> None:
        running = self._running[claimed.job_id]
        try:
            await self._committed()  # nobody may see the work begin before the claim is durable
            status, result, error = await self._outcome(claimed, running)
            await self._settle(claimed.job_id, status, result, error)
        except sqlite3.Error:
            log.exception("a job's claim or end could not be stored", extra={"job_id": claimed.job_id})
        finally:
            del self._running[claimed.job_id]
            self._types[claimed.type] -= 1
            self.wake()

    async def _outcome(
        self, claimed: ClaimedJob, running: RunningJob
    ) -> tuple[JobStatus, bytes | None, JobError | None]:
        registration = self._registrations.get(claimed.type)
        if registration is None:
            hint = "A newer or older version of the app may have made it."
            return _failed("unknown_job_type", f"Nothing here can run a job of type {claimed.type}.", hint)
        try:
            spec = registration.spec.model_validate_json(claimed.payload)
        except ValidationError:
            return _failed("payload_invalid", "The job's payload does not fit its type.")
        try:
            with running.scope:
                result = (await registration.handler.run(spec, running)).json_bytes()
                if len(result) > MAX_RESULT_BYTES:
                    return _failed("result_too_large", "The job's result is too large to be stored.")
                return JobStatus.SUCCEEDED, result, None
        except JobFailed as failure:
            return JobStatus.FAILED, None, _job_error(failure)
        except Exception:
            error_id = self._new_id()
            log.exception("a job's handler failed", extra={"job_id": claimed.job_id, "error_id": error_id})
            hint = f"Look for {error_id} in the log."
            return _failed("internal", "The job failed for a reason that is our fault.", hint)
        if running.ending is JobStatus.INTERRUPTED:
            return JobStatus.INTERRUPTED, None, _shutdown()
        return JobStatus.CANCELLED, None, None

    async def _settle(self, job_id: str, status: JobStatus, result: bytes | None, error: JobError | None) -> None:
        for pause in (*SETTLE_RETRIES_S, None):
            try:
                self._journal.finish(job_id, status, result=result, error=error)
                await self._committed()
            except sqlite3.Error:
                if pause is None or self._stopping:
                    raise
                log.exception("a job's end could not be stored; trying again", extra={"job_id": job_id})
                await anyio.sleep(pause)
            else:
                return


def _failed(kind: str, message: str, hint: str | None = None) -> tuple[JobStatus, None, JobError]:
    return JobStatus.FAILED, None, JobError(kind=kind, message=message, hint=hint)


def _job_error(failure: JobFailed) -> JobError:
    return JobError(
        kind=failure.kind,
        message=failure.message,
        hint=failure.hint,
        retryable=failure.retryable,
        details=None if failure.details is None else dict(failure.details),
    )


def _shutdown() -> JobError:
    return JobError(kind="shutdown", message="The sidecar was shut down while this job ran.", retryable=True)
