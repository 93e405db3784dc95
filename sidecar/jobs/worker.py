"""The worker: claims due jobs, runs their handlers, and has written down what each came to.

A handler's cancellation is anyio's; the worker only decides when, and `verdicts` what the end is then called.
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
from sidecar.jobs.verdicts import Failed, Snoozed, Stopped, Succeeded, Verdict, carry_out, job_error, settle_orphan
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

CONCURRENCY: Final = 8
"""Jobs at a time, over all types."""
MAX_RESULT_BYTES: Final = 4 * 1024 * 1024
"""A page or a notification with such a result still fits into a message."""
LOOK_AGAIN_S: Final = 60.0
"""While something waits for its time, the wall clock is looked at this often: it may be set, the machine may sleep."""
SETTLE_RETRIES_S: Final = (0.2, 1.0, 5.0)
"""A full disk may get room again; after that the job is settled by the next start."""

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
        """`kill_orphans` kills the processes that jobs of a dead boot have left, and returns their number."""
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
        """Why no job could be claimed at the last look."""

    def wake(self) -> None:
        """A job was queued, or has ended: look."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stop a job if it runs here."""
        if (running := self._running.get(job_id)) is not None:
            running.stop(JobStatus.CANCELLED)

    async def run(self) -> None:
        """Settle what a dead process left, then run jobs until `stop`."""
        try:
            await self._recover()
            async with anyio.create_task_group() as tasks:
                while not self._stopping:
                    self._wake = anyio.Event()
                    claims: list[Claim] = []
                    pause = self._look(claims)
                    if claims:
                        # In the unit of work that claimed the jobs: a later commit says nothing about these claims.
                        pause = await self._claimed_for_good(claims, pause)
                    for claim in claims:
                        tasks.start_soon(self._execute, *claim)
                    with anyio.move_on_after(pause):
                        await self._wake.wait()
        finally:
            self._ended.set()

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
            verdict = running.verdict or Stopped(running.ending or JobStatus.INTERRUPTED)
            try:
                self._carry_out(self._claimed[running.job_id], verdict)
            except sqlite3.Error:
                log.exception("a job's end could not be stored; the next start settles it")
        return len(jobs), not late

    async def _recover(self) -> None:
        """Settle what a dead process left; until that can be stored, nothing else begins."""
        while not self._stopping:
            self._wake = anyio.Event()
            try:
                await self._settle_orphans()
            except sqlite3.Error as error:
                log.exception("what an earlier process left could not be settled; trying again")
                self.trouble = str(error)
                with anyio.move_on_after(SETTLE_RETRIES_S[-1]):
                    await self._wake.wait()
            else:
                return

    async def _settle_orphans(self) -> None:
        orphans = self._journal.orphans()
        if orphans:
            killed = await self._kill_orphans([orphan.job_id for orphan in orphans])
            log.warning("an earlier process left %d jobs running, and %d processes of theirs", len(orphans), killed)
            for orphan in self._journal.orphans():  # read anew: meanwhile somebody may have asked for a cancel
                registration = self._registrations.get(orphan.type)
                recovery = registration.policy.recovery if registration is not None else Recovery.INTERRUPT
                settle_orphan(self._journal, orphan, recovery)
            await self._committed()

    def _look(self, claims: list[Claim]) -> float | None:
        """Claim what is due; then how long to wait before looking again: None, until something wakes us."""
        try:
            due_at = self._scheduler.tick()
            while len(self._running) < CONCURRENCY:
                full = [name for name, one in self._registrations.items() if self._pools[self._pool(name)] >= one.limit]
                claimed = self._journal.claim(full)
                if claimed is None:
                    break
                running = self._running[claimed.job_id] = RunningJob(claimed, self._journal, self._clock)
                self._claimed[claimed.job_id] = claimed
                self._pools[self._pool(claimed.type)] += 1
                claims.append((claimed, running))
            # With no room left, whatever ends wakes us; what is overdue by then must not have us look all the time.
            run_at = self._journal.next_run_at() if len(self._running) < CONCURRENCY else None
            moments = [moment for moment in (due_at, run_at) if moment is not None]
        except sqlite3.Error as error:
            log.exception("no job could be claimed")
            self.trouble = str(error)
            return SETTLE_RETRIES_S[-1]
        self.trouble = None
        if not moments:
            return None
        due_in = datetime.fromisoformat(min(moments)).timestamp() - self._clock.now_ms() / 1000
        return min(LOOK_AGAIN_S, max(0.001, due_in))

    async def _claimed_for_good(self, claims: list[Claim], pause: float | None) -> float | None:
        """Nobody may see the work begin before its claim is durable.  Where that fails, nothing was claimed."""
        try:
            await self._committed()
        except sqlite3.Error as error:
            log.exception("%d claims could not be stored", len(claims))
            self.trouble = str(error)
            for claimed, running in claims:
                self._forget(claimed, running)
            claims.clear()
            return SETTLE_RETRIES_S[-1]
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
            await self._settle(claimed, running.verdict)
        except sqlite3.Error:
            log.exception("a job's end could not be stored", extra={"job_id": claimed.job_id})
            if not self._stopping:
                await anyio.sleep(SETTLE_RETRIES_S[-1])
        finally:
            self._forget(claimed, running)
            self.wake()

    async def _verdict(self, claimed: ClaimedJob, running: RunningJob) -> Verdict:
        registration = self._registrations.get(claimed.type)
        if registration is None:
            hint = "A newer or older version of the app may have made it."
            return _failed("unknown_job_type", f"Nothing here can run a job of type {claimed.type}.", hint)
        try:
            spec = registration.spec.model_validate_json(claimed.payload)
        except ValidationError:
            return _failed("payload_invalid", "The job's payload does not fit its type.")
        try:
            with running.scope, anyio.move_on_after(registration.policy.timeout_s) as limit:
                result = (await registration.handler.run(spec, running)).json_bytes()
                if len(result) > MAX_RESULT_BYTES:
                    return _failed("result_too_large", "The job's result is too large to be stored.")
                return Succeeded(result)
        except Exception as error:  # noqa: BLE001 - the worker's boundary: whatever it was, the job gets its end
            return self._judge(claimed.job_id, running, _innermost(error))
        if running.ending is None and limit.cancelled_caught:
            message = f"The job took longer than {registration.policy.timeout_s:g} s."
            return Failed(JobError(kind="timeout", message=message, retryable=True))
        return Stopped(running.ending or JobStatus.INTERRUPTED)

    def _judge(self, job_id: str, running: RunningJob, error: Exception) -> Verdict:
        if running.ending is not None:
            return Stopped(running.ending)  # it was told to stop; how it went down does not matter
        if isinstance(error, JobSnoozed):
            return Snoozed(error.message, error.delay_s, error.waiting_for)
        if isinstance(error, JobFailed):
            return Failed(job_error(error), error.retry_after_s)
        error_id = self._new_id()
        log.error("a job's handler failed", exc_info=error, extra={"job_id": job_id, "error_id": error_id})
        message = "The job failed for a reason that is our fault."
        return Failed(
            JobError(kind="internal", message=message, hint=f"Look for {error_id} in the log.", retryable=True)
        )

    async def _settle(self, claimed: ClaimedJob, verdict: Verdict) -> None:
        for pause in (*SETTLE_RETRIES_S, None):
            try:
                self._carry_out(claimed, verdict)
                await self._committed()
            except sqlite3.Error:
                if pause is None or self._stopping:
                    raise
                log.exception("a job's end could not be stored; trying again", extra={"job_id": claimed.job_id})
                await anyio.sleep(pause)
            else:
                return

    def _carry_out(self, claimed: ClaimedJob, verdict: Verdict) -> None:
        registration = self._registrations.get(claimed.type)
        policy = registration.policy if registration is not None else JobPolicy()
        carry_out(self._journal, claimed, policy, verdict, self._random_fraction())


def _failed(kind: str, message: str, hint: str | None = None) -> Failed:
    return Failed(JobError(kind=kind, message=message, hint=hint))


def _innermost(error: Exception) -> Exception:
    """What a handler raised inside a task group, which wraps it."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
