"""The worker: claims due jobs, runs their handlers and stores the outcomes.

Handlers are cancelled with anyio's cancellation; `verdicts` decides what becomes of the job.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Final

import anyio
from pydantic import ValidationError
from sidecar_protocol.contract import JobPolicy, Recovery
from sidecar_protocol.entities import JobError, JobStatus

from sidecar.job_handler import JobFailed, JobSnoozed, Registration
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.records import ClaimedJob
from sidecar.jobs.running import RunningJob
from sidecar.jobs.scheduler import Scheduler
from sidecar.jobs.verdicts import (
    Failed,
    Snoozed,
    Stopped,
    Succeeded,
    Verdict,
    job_error,
    store_orphan_verdict,
    store_verdict,
)
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

MAX_RUNNING_JOBS: Final = 8
"""Maximum number of jobs that run at once, of all types together."""
MAX_RESULT_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a result, so that a page or a notification with it still fits into a message."""
MAX_SLEEP_S: Final = 60.0
"""Longest sleep while a job waits for its time, since the clock may be set and timers stop in standby."""
STORE_RETRIES_S: Final = (0.2, 1.0, 5.0)
"""Delays before an outcome that could not be stored is stored again; afterwards the next start handles the job."""

Claim = tuple[ClaimedJob, RunningJob]


class JobsWorker:
    """Runs jobs until it is stopped."""

    def __init__(
        self,
        journal: JobJournal,
        registrations: Mapping[str, Registration],
        *,
        scheduler: Scheduler,
        runtime: Runtime,
        random_fraction: Callable[[], float],
        kill_orphans: Callable[[Collection[str]], Awaitable[int]],
    ) -> None:
        """`kill_orphans` kills the processes that the given jobs of an earlier start left, and returns their number."""
        self._journal = journal
        self._registrations = registrations
        self._scheduler = scheduler
        self._clock = runtime.clock
        self._new_id = runtime.new_id
        self._random_fraction = random_fraction
        self._committed = runtime.committed
        self._kill_orphans = kill_orphans
        self._running: dict[str, RunningJob] = {}
        self._claimed: dict[str, ClaimedJob] = {}
        self._pools: Counter[str] = Counter()
        self._wake = anyio.Event()
        self._stopping = False
        self._ended = anyio.Event()
        self.trouble: str | None = None
        """Why no job could be claimed at the last attempt, or None."""

    def wake(self) -> None:
        """Makes the worker look for due jobs."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        if (running := self._running.get(job_id)) is not None:
            running.stop(JobStatus.CANCELLED)

    async def run(self) -> None:
        """Handles the jobs that an earlier process left running, then runs jobs until `stop`."""
        try:
            await self._recover()
            async with anyio.create_task_group() as tasks:
                while not self._stopping:
                    self._wake = anyio.Event()
                    claims: list[Claim] = []
                    pause = self._claim_due(claims)
                    if claims:
                        # In the unit of work that claimed the jobs: a later commit says nothing about these claims.
                        pause = await self._commit_claims(claims, pause)
                    for claim in claims:
                        tasks.start_soon(self._execute, *claim)
                    with anyio.move_on_after(pause):
                        await self._wake.wait()
        finally:
            self._ended.set()

    async def stop(self, deadline_s: float) -> tuple[int, bool]:
        """Interrupts the running jobs.  Returns their number, and whether all ended in time."""
        self._stopping = True
        jobs = list(self._running.values())
        for running in jobs:
            running.stop(JobStatus.INTERRUPTED)
        self._wake.set()
        with anyio.move_on_after(deadline_s):
            await self._ended.wait()
        late = list(self._running.values())
        for running in late:
            verdict = running.verdict or Stopped(running.ending or JobStatus.INTERRUPTED)
            try:
                self._store_verdict(self._claimed[running.job_id], verdict)
            except sqlite3.Error:
                log.exception("the outcome of a job could not be stored; the next start handles the job")
        return len(jobs), not late

    async def _recover(self) -> None:
        """Handles the jobs that an earlier process left running.  Nothing else starts until that is stored."""
        while not self._stopping:
            self._wake = anyio.Event()
            try:
                await self._store_orphan_verdicts()
            except sqlite3.Error as error:
                log.exception("the jobs of an earlier process could not be updated; trying again")
                self.trouble = str(error)
                with anyio.move_on_after(STORE_RETRIES_S[-1]):
                    await self._wake.wait()
            else:
                return

    async def _store_orphan_verdicts(self) -> None:
        orphans = self._journal.orphans()
        if orphans:
            killed = await self._kill_orphans([orphan.job_id for orphan in orphans])
            log.warning("an earlier process left %d jobs running, and %d child processes", len(orphans), killed)
            for orphan in self._journal.orphans():  # read again: a cancellation may have been requested meanwhile
                registration = self._registrations.get(orphan.type)
                recovery = registration.policy.recovery if registration is not None else Recovery.INTERRUPT
                store_orphan_verdict(self._journal, orphan, recovery)
            await self._committed()

    def _claim_due(self, claims: list[Claim]) -> float | None:
        """Claims due jobs.  Returns the seconds to sleep, or None to sleep until `wake`."""
        try:
            due_at = self._scheduler.tick()
            while len(self._running) < MAX_RUNNING_JOBS:
                full = [name for name, one in self._registrations.items() if self._pools[self._pool(name)] >= one.limit]
                claimed = self._journal.claim(full)
                if claimed is None:
                    break
                running = self._running[claimed.job_id] = RunningJob(claimed, self._journal, self._clock)
                self._claimed[claimed.job_id] = claimed
                self._pools[self._pool(claimed.type)] += 1
                claims.append((claimed, running))
            # At the limit, a job that ends wakes the worker; do not poll for overdue jobs meanwhile.
            run_at = self._journal.store.next_run_at() if len(self._running) < MAX_RUNNING_JOBS else None
            moments = [moment for moment in (due_at, run_at) if moment is not None]
        except sqlite3.Error as error:
            log.exception("no job could be claimed")
            self.trouble = str(error)
            return STORE_RETRIES_S[-1]
        self.trouble = None
        if not moments:
            return None
        due_in = datetime.fromisoformat(min(moments)).timestamp() - self._clock.now_ms() / 1000
        return min(MAX_SLEEP_S, max(0.001, due_in))

    async def _commit_claims(self, claims: list[Claim], pause: float | None) -> float | None:
        """Waits until the claims are durable, before any work starts.  If the commit fails, nothing was claimed."""
        try:
            await self._committed()
        except sqlite3.Error as error:
            log.exception("%d claims could not be stored", len(claims))
            self.trouble = str(error)
            for claimed, running in claims:
                self._forget(claimed, running)
            claims.clear()
            return STORE_RETRIES_S[-1]
        return pause

    def _forget(self, claimed: ClaimedJob, running: RunningJob) -> None:
        # In the unit of work that ended it, the job may have been queued and claimed again: these concern its next run.
        if self._running.get(claimed.job_id) is running:
            del self._running[claimed.job_id]
            del self._claimed[claimed.job_id]
        self._pools[self._pool(claimed.type)] -= 1

    def _pool(self, job_type: str) -> str:
        registration = self._registrations.get(job_type)
        return job_type if registration is None or registration.pool is None else registration.pool

    async def _execute(self, claimed: ClaimedJob, running: RunningJob) -> None:
        try:
            running.verdict = await self._verdict(claimed, running)
            await self._store_verdict_durably(claimed, running.verdict)
        except sqlite3.Error:
            log.exception("the outcome of a job could not be stored", extra={"job_id": claimed.job_id})
            if not self._stopping:
                await anyio.sleep(STORE_RETRIES_S[-1])
        finally:
            self._forget(claimed, running)
            self.wake()

    async def _verdict(self, claimed: ClaimedJob, running: RunningJob) -> Verdict:
        registration = self._registrations.get(claimed.type)
        if registration is None:
            hint = "It may have been created by another version of the app."
            return _failed("unknown_job_type", f"This version has no handler for jobs of type {claimed.type}.", hint)
        try:
            spec = registration.spec.model_validate_json(claimed.payload)
        except ValidationError:
            return _failed("payload_invalid", "The payload is not valid for this type of job.")
        try:
            with running.scope, anyio.move_on_after(registration.policy.timeout_s) as limit:
                result = (await registration.handler.run(spec, running)).json_bytes()
                if len(result) > MAX_RESULT_BYTES:
                    return _failed("result_too_large", f"The result is larger than {MAX_RESULT_BYTES // 2**20} MiB.")
                return Succeeded(result)
        except Exception as error:  # noqa: BLE001 - a bug in a handler must end its job, not the worker
            return self._judge(claimed.job_id, running, _innermost(error))
        if running.ending is None and limit.cancelled_caught:
            message = f"The job did not finish within {registration.policy.timeout_s:g} s."
            return Failed(JobError(kind="timeout", message=message, retryable=True))
        return Stopped(running.ending or JobStatus.INTERRUPTED)

    def _judge(self, job_id: str, running: RunningJob, error: Exception) -> Verdict:
        if running.ending is not None:
            return Stopped(running.ending)  # it was being stopped, so its exception does not matter
        if isinstance(error, JobSnoozed):
            return Snoozed(error.message, error.delay_s, error.waiting_for)
        if isinstance(error, JobFailed):
            return Failed(job_error(error), error.retry_after_s)
        error_id = self._new_id()
        log.error("a job's handler failed", exc_info=error, extra={"job_id": job_id, "error_id": error_id})
        message = "Internal error."
        return Failed(
            JobError(
                kind="internal", message=message, hint=f"The log contains the details under {error_id}.", retryable=True
            )
        )

    async def _store_verdict_durably(self, claimed: ClaimedJob, verdict: Verdict) -> None:
        for pause in (*STORE_RETRIES_S, None):
            try:
                self._store_verdict(claimed, verdict)
                await self._committed()
            except sqlite3.Error:
                if pause is None or self._stopping:
                    raise
                log.exception(
                    "the outcome of a job could not be stored; trying again", extra={"job_id": claimed.job_id}
                )
                await anyio.sleep(pause)
            else:
                return

    def _store_verdict(self, claimed: ClaimedJob, verdict: Verdict) -> None:
        registration = self._registrations.get(claimed.type)
        policy = registration.policy if registration is not None else JobPolicy()
        store_verdict(self._journal, claimed, policy, verdict, self._random_fraction())


def _failed(kind: str, message: str, hint: str | None = None) -> Failed:
    return Failed(JobError(kind=kind, message=message, hint=hint))


def _innermost(error: Exception) -> Exception:
    """Unwraps an exception that a task group of the handler has wrapped."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
