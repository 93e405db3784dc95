"""Job types of the simulation: jobs that take their time, and end as their payload says."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Literal

from sidecar_protocol import catalog
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Recovery
from sidecar_protocol.entities import WaitingFor

from sidecar.job_handler import JobContext, JobFailed, JobSnoozed, Registration
from sidecar.jobs.worker import JobsWorker

Run = tuple[str, int, str]
"""A job's id, the attempt, and `begins` or `ends`."""


class Done(Model):
    """The result."""

    attempt: int


class Repeatable(JobSpec):
    """Takes a while; may run twice."""

    type: ClassVar = "simulation.repeatable"
    result: ClassVar = Done
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=1_800.0, concurrency=4)
    takes_s: float = 0.0
    ends: Literal["well", "failing", "snoozing", "logging"] = "well"
    lock: str | None = None

    def lock_key(self) -> str | None:
        return self.lock


class Once(Repeatable):
    """Takes a while; must not run twice."""

    type: ClassVar = "simulation.once"
    policy: ClassVar = JobPolicy(max_attempts=2, recovery=Recovery.INTERRUPT, timeout_s=1_800.0, concurrency=4)


TYPES: Final = (Repeatable, Once)


class WorkHandler:
    """Runs the jobs, and records when a run begins and ends."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.locks: list[tuple[str, str, str]] = []
        """Events of locks: the lock, the job, and `begins` or `snoozes`; an empty one is a start."""
        self.on_overlap: Callable[[str, object], None] = lambda *_: None
        self.alive: set[str] = set()
        """The jobs whose runs have not ended in this process."""
        self._locked: dict[str, str] = {}

    def begin(self, on_overlap: Callable[[str, object], None] | None = None) -> None:
        """Begins a start of the process, or with `on_overlap` a life."""
        self._locked.clear()
        self.alive.clear()
        self.locks.append(("", "", "starts"))
        if on_overlap is not None:
            self.runs.clear()
            self.locks.clear()
            self.on_overlap = on_overlap

    async def run(self, job: Repeatable, context: JobContext) -> Done:
        if job.lock in self._locked:
            self.on_overlap("Two jobs with one lock never run at once.", (self._locked, context.job_id, job.lock))
        if job.lock is not None:
            self._locked[job.lock] = context.job_id
            self.locks.append((job.lock, context.job_id, "begins"))
        self.alive.add(context.job_id)
        try:
            return await self._run(job, context)
        finally:
            self.alive.discard(context.job_id)
            self._locked.pop(job.lock or "", None)

    async def _run(self, job: Repeatable, context: JobContext) -> Done:
        self.runs.append((context.job_id, context.attempt, "begins"))
        context.progress(0.1, "working")
        await asyncio.sleep(job.takes_s)
        if job.ends == "logging":
            for number in range(20):
                context.log(f"line {number}", meta={"filler": "x" * 500})
                context.progress(number / 20)
        if job.ends == "failing" and context.attempt < 3:
            raise JobFailed("It did not work.", kind="simulated", retryable=True)
        if job.ends == "snoozing" and context.snoozed_for_s == 0:
            self.locks.append((job.lock or "", context.job_id, "snoozes"))
            raise JobSnoozed("Later.", delay_s=90, waiting_for=WaitingFor.NETWORK, keeps_lock=True)
        self.runs.append((context.job_id, context.attempt, "ends"))
        return Done(attempt=context.attempt)


HANDLER: Final = WorkHandler()


def add_job_types() -> None:
    """Adds them to the contract and to each worker."""
    catalog.JOB_TYPES += TYPES
    ours = {one.type: Registration(one, HANDLER) for one in TYPES}
    make = JobsWorker.__init__

    def make_with_ours(self: JobsWorker, journal: Any, theirs: Mapping[str, Registration], **more: Any) -> None:
        make(self, journal, {**theirs, **ours}, **more)

    setattr(JobsWorker, "__init__", make_with_ours)  # noqa: B010 - mypy would want the whole signature
