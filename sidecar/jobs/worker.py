"""The worker: claims due jobs, runs their handlers and stores the outcomes."""

import contextlib
import logging
import math
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain, repeat
from typing import Final

import anyio
from anyio.abc import TaskGroup
from pydantic import ValidationError
from sidecar_protocol.contract import JobPolicy
from sidecar_protocol.entities import Job, JobStatus

from sidecar.clock import iso, iso_now
from sidecar.job_handler import JobFailed, JobSnoozed, Registration
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.outcomes import JobOutcome, store_orphan_outcome, store_outcome
from sidecar.jobs.running import RunningJob
from sidecar.jobs.scheduler import Scheduler
from sidecar.runtime import Runtime
from sidecar.storage.failures import may_pass

log = logging.getLogger(__name__)

MAX_RUNNING_JOBS: Final = 8
"""Maximum number of jobs that run at once, of all types together."""
MAX_WAITING_JOBS: Final = 16
"""Maximum number of running jobs that wait for the user and have given back their places; each may have a process."""
MAX_RESULT_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a result, so that a page or a notification with it still fits into a message."""
MAX_SLEEP_S: Final = 60.0
"""Longest sleep while a job waits for its time, since the clock may be set and timers stop in standby."""
CLOCK_STEP_S: Final = 0.5
"""Seconds by which the clock must be set back to count as set; NTP corrects it by less."""
STORE_RETRIES_S: Final = (0.2, 1.0, 5.0)
"""Delays before what could not be stored is stored again; the last one from then on, until the process ends."""


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
        """`kill_orphans` kills the child processes of jobs of an earlier start and returns the number of processes."""
        self._journal = journal
        self._registrations = dict(registrations)
        self._scheduler = scheduler
        self._clock = runtime.clock
        self._new_id = runtime.new_id
        self._random_fraction = random_fraction
        self._committed = runtime.committed
        self._kill_orphans = kill_orphans
        self.load: Callable[[str], Awaitable[None]] | None = None
        """Registers a type of job that is not registered yet, if there is a handler for it."""
        self._running: dict[str, RunningJob] = {}
        self._wake = anyio.Event()
        self._next_look_at = ""
        """When the worker looks for due jobs if it is not woken; empty if it does not."""
        self._clock_lead_s = math.inf
        """How far the wall clock was ahead of the monotonic one at the last look."""
        self._stopping = False
        self._ended = anyio.Event()
        self.start_error: str | None = None
        """Why the last attempt to start jobs failed; None if it did not."""
        self.store_error: str | None = None
        """The last outcome that the database did not take, and why; None if it took all."""

    def register(self, registrations: Iterable[Registration]) -> None:
        """Replaces the registrations of these types, and starts jobs that they have places for."""
        self._registrations |= {one.spec.type: one for one in registrations}
        self.wake()

    def wake(self, due_at: str | None = None) -> None:
        """Makes the worker look for due jobs: now, or by `due_at`, before which it may wake by itself."""
        if due_at is None or not iso_now(self._clock) <= self._next_look_at <= due_at:
            self._wake.set()

    def cancel(self, job_id: str) -> None:
        if (running := self._running.get(job_id)) is not None:
            running.stop(JobStatus.CANCELLED)
        elif (job := self._journal.store.get(job_id)) is not None:
            self._withdraw(job.load())

    def _withdraw(self, job: Job) -> None:
        """Calls the hook for a queued job that was cancelled."""
        registration = self._registrations.get(job.type)
        if job.status is JobStatus.CANCELLED and registration is not None and registration.withdrawn is not None:
            with contextlib.suppress(ValidationError):
                registration.withdrawn(registration.spec.model_validate(job.payload))

    async def run(self) -> None:
        try:
            await self._recover()
            async with anyio.create_task_group() as tasks:
                while not self._stopping:
                    self._wake = anyio.Event()
                    with anyio.move_on_after(await self._start_due(tasks)):
                        await self._wake.wait()
        finally:
            self._ended.set()

    async def stop(self, deadline_s: float) -> tuple[int, bool]:
        self._stopping = True
        jobs = list(self._running.values())
        for running in jobs:
            running.stop(JobStatus.INTERRUPTED)
        self._wake.set()
        self._scheduler.store_presence()
        with anyio.move_on_after(deadline_s):
            await self._ended.wait()
        late = list(self._running.values())
        for running in late:
            try:
                self._store_or_fail(running, running.outcome or running.ending or JobStatus.INTERRUPTED)
            except sqlite3.Error:
                log.exception("the outcome of a job could not be stored; the next start handles the job")
        return len(jobs), not late

    async def _recover(self) -> None:
        """Handles the jobs that an earlier process left running.  Nothing else starts until that is stored."""
        while not self._stopping:
            self._wake = anyio.Event()
            try:
                await self._store_orphan_outcomes()
            except sqlite3.Error as error:
                log.exception("the jobs of an earlier process could not be updated; trying again")
                self.start_error = str(error)
                with anyio.move_on_after(STORE_RETRIES_S[-1]):
                    await self._wake.wait()
            else:
                return

    async def _store_orphan_outcomes(self) -> None:
        orphans = self._journal.orphans()
        if orphans:
            killed = await self._kill_orphans([orphan.job_id for orphan in orphans])
            log.warning("an earlier process left %d jobs running, and %d child processes", len(orphans), killed)
            for orphan in self._journal.orphans():  # read again: a cancellation may have been requested meanwhile
                store_orphan_outcome(self._journal, orphan, self._policy(orphan.type).recovery)
            await self._committed()

    async def _start_due(self, tasks: TaskGroup) -> float | None:
        """Starts due jobs.  Returns the seconds to sleep, or None to sleep until `wake`."""
        claimed: list[RunningJob] = []
        try:
            self._limit_waits()
            due_at = self._scheduler.tick()
            while self._has_place() and (running := self._claim()) is not None:
                claimed.append(running)
            # At the limit, a job that ends wakes the worker; do not poll for overdue jobs meanwhile.
            run_at = self._journal.store.next_run_at() if self._has_place() else None
            pause_s = self._seconds_until(due_at, run_at)
            self.start_error = None
        except sqlite3.Error as error:
            pause_s = self._on_start_error(error)
        self._next_look_at = "" if pause_s is None else iso(self._clock.now_ms() + round(pause_s * 1000))
        if claimed or self._journal.database.in_transaction:
            # Wait in the unit of work that claimed the jobs: a later commit says nothing about these claims.
            try:
                await self._committed()
            except sqlite3.Error as error:  # it was rolled back, so the jobs are still queued
                for running in claimed:
                    self._remove(running)
                self._clock_lead_s = math.inf
                self._scheduler.forget_tick()
                return self._on_start_error(error)
            for running in claimed:
                tasks.start_soon(self._execute, running)
        return pause_s

    def _limit_waits(self) -> None:
        """Shortens waits if the clock was set back, perhaps before the start."""
        lead_s = self._clock.now_ms() / 1000 - self._clock.monotonic()
        if lead_s < self._clock_lead_s - CLOCK_STEP_S:
            self._journal.limit_waits()
        self._clock_lead_s = lead_s

    def _claim(self) -> RunningJob | None:
        places = Counter(self._pool(one.claimed.type) for one in self._occupying())
        full = [name for name, one in self._registrations.items() if places[self._pool(name)] >= one.limit]
        claimed = self._journal.claim(full)
        if claimed is None:
            return None
        running = self._running[claimed.job_id] = RunningJob(claimed, self._journal, self.wake)
        return running

    def _has_place(self) -> bool:
        if any(one.claimed.type not in self._registrations for one in self._running.values()):
            return False  # what runs it is being imported; then the limits of its type are known
        return len(self._occupying()) < MAX_RUNNING_JOBS

    def _occupying(self) -> list[RunningJob]:
        """Returns the running jobs that occupy a place: all but those that wait for the user, of which some may."""
        waiting = [one for one in self._running.values() if one.waits_for_user][:MAX_WAITING_JOBS]
        return [one for one in self._running.values() if one not in waiting]

    def _on_start_error(self, error: sqlite3.Error) -> float:
        log.error("no job could be started; trying again", exc_info=error)
        self.start_error = str(error)
        return STORE_RETRIES_S[-1]

    def _seconds_until(self, *times: str | None) -> float | None:
        known = [time for time in times if time is not None]
        if not known:
            return None
        due_in_s = datetime.fromisoformat(min(known)).timestamp() - self._clock.now_ms() / 1000
        return min(MAX_SLEEP_S, max(0.001, due_in_s))

    def _remove(self, running: RunningJob) -> None:
        # In the unit of work that ended it, the job may have been queued and claimed again: the entry is then newer.
        if self._running.get(running.job_id) is running:
            del self._running[running.job_id]

    def _pool(self, job_type: str) -> str:
        registration = self._registrations.get(job_type)
        return job_type if registration is None or registration.pool is None else registration.pool

    def _policy(self, job_type: str) -> JobPolicy:
        registration = self._registrations.get(job_type)
        return JobPolicy() if registration is None else registration.policy

    async def _execute(self, running: RunningJob) -> None:
        try:
            running.outcome = await self._run_handler(running)
            await self._store_outcome_durably(running, running.outcome)
        except sqlite3.Error:
            message = "the outcome of a job could not be stored; the next start handles the job"
            log.exception(message, extra={"job_id": running.job_id})
        finally:
            self._remove(running)
            self.wake()

    async def _run_handler(self, running: RunningJob) -> JobOutcome:
        claimed = running.claimed
        if claimed.type not in self._registrations and self.load is not None:
            try:
                await self.load(claimed.type)
            except Exception as error:  # noqa: BLE001 - as below
                return self._outcome_of_error(running, error)
        registration = self._registrations.get(claimed.type)
        if registration is None:
            message = f"This version has no handler for jobs of type {claimed.type}."
            hint = "It may have been created by another version of the app."
            return JobFailed(message, kind="unknown_job_type", hint=hint)
        try:
            spec = registration.spec.model_validate_json(claimed.payload)
        except ValidationError:
            return JobFailed("The payload is not valid for this type of job.", kind="payload_invalid")
        try:
            with running.scope, anyio.move_on_after(registration.policy.timeout_s) as limit:
                result: bytes = (await registration.handler.run(spec, running)).json_bytes()
                if len(result) > MAX_RESULT_BYTES:
                    message = f"The result is larger than {MAX_RESULT_BYTES // 2**20} MiB."
                    return JobFailed(message, kind="result_too_large")
                return result
        except Exception as error:  # noqa: BLE001 - a bug in a handler must end its job, not the worker
            return self._outcome_of_error(running, _innermost(error))
        if running.ending is None and limit.cancelled_caught:
            message = f"The job did not finish within {registration.policy.timeout_s:g} s."
            return JobFailed(message, kind="timeout", retryable=True)
        return running.ending or JobStatus.INTERRUPTED

    def _outcome_of_error(self, running: RunningJob, error: Exception) -> JobOutcome:
        if running.ending is not None:
            return running.ending  # an exception while a handler is being stopped does not matter
        if isinstance(error, JobSnoozed | JobFailed):
            return error
        error_id = self._new_id()
        extra = {"job_id": running.job_id, "error_id": error_id}
        log.error("a job's handler failed", exc_info=error, extra=extra)
        hint = f"The log contains the details under {error_id}."
        return JobFailed("Internal error.", kind="internal", hint=hint, retryable=True)

    async def _store_outcome_durably(self, running: RunningJob, outcome: JobOutcome) -> None:
        for pause_s in chain(STORE_RETRIES_S, repeat(STORE_RETRIES_S[-1])):
            try:
                self._store_or_fail(running, outcome)
                await self._committed()
            except sqlite3.Error:
                if self._stopping:
                    raise
                extra = {"job_id": running.job_id}
                log.exception("the outcome of a job could not be stored; trying again", extra=extra)
                await anyio.sleep(pause_s)
            else:
                return

    def _store_or_fail(self, running: RunningJob, outcome: JobOutcome) -> None:
        """Stores an outcome.  If the database does not take it, whatever the disk does, the job ends as failed.

        If it does not take that either, the next start handles the job.
        """
        try:
            return self._store_outcome(running, outcome, running.last_writes)
        except Exception as error:  # whatever a handler returned must not end the worker
            if isinstance(error, sqlite3.Error) and may_pass(error):
                raise
            error_id = self._new_id()
            extra = {"job_id": running.job_id, "error_id": error_id}
            log.exception("the database does not take the outcome of a job, which fails", extra=extra)
            self.store_error = f"the outcome of job {running.job_id} could not be stored: {type(error).__name__}"
        for write in running.last_writes:  # one of them may be what the database does not take
            try:
                with self._journal.database.write():
                    write()
            except Exception:
                log.exception("what a job has to store at its end is left out", extra={"job_id": running.job_id})
        hint = f"The log contains the details under {error_id}."
        failed = JobFailed("The outcome of the job could not be stored.", kind="not_stored", hint=hint)
        try:
            self._store_outcome(running, failed, ())
        except Exception as error:
            if isinstance(error, sqlite3.Error) and may_pass(error):
                raise
            message = "the database does not take the failure of a job either; the next start handles the job"
            log.exception(message, extra={"job_id": running.job_id})

    def _store_outcome(self, running: RunningJob, outcome: JobOutcome, writes: Iterable[Callable[[], object]]) -> None:
        recovery = self._policy(running.claimed.type).recovery
        with self._journal.database.write():
            for write in writes:
                write()
            store_outcome(self._journal, running.claimed, recovery, outcome, self._random_fraction())


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
