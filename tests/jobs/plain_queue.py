"""The queue as its documentation describes it: a model in plain Python, without a database."""

from dataclasses import dataclass, field
from typing import Any, Final

from sidecar_protocol.contract import Recovery

from sidecar.clock import iso
from tests.in_process_app import ManualClock
from tests.jobs.harness import Again, Fatal, Work

LIVE: Final = ("queued", "running")
SPECS: Final[dict[str, type[Work]]] = {spec.type: spec for spec in (Work, Again, Fatal)}
HIDDEN: Final = ("lock", "idempotency_key")
"""What a job has that no client sees."""


@dataclass
class Job:
    """A job: fields of the entity, then what is hidden."""

    job_id: str
    type: str
    priority: int
    run_at: str | None
    max_attempts: int
    created_at: str
    updated_at: str
    status: str = "queued"
    started_at: str | None = None
    finished_at: str | None = None
    attempt: int = 0
    recoveries: int = 0
    progress: float = 0.0
    cancel_requested: bool = False
    version: int = 1
    waiting_for: str | None = None
    lock: str | None = None
    idempotency_key: str | None = None


@dataclass
class Model:
    """All jobs, and what was told about them."""

    clock: ManualClock
    jobs: dict[str, Job] = field(default_factory=dict)
    paused: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> str:
        return iso(self.clock.now_ms())

    def later(self, seconds: float) -> str:
        return iso(self.clock.now_ms() + round(seconds * 1000))

    def is_held(self, job: Job) -> bool:
        """Whether a running job has the key that this one wants."""
        return job.lock is not None and any(
            one.status == "running" and one.lock == job.lock for one in self.jobs.values()
        )

    def seen(self, job: Job) -> dict[str, Any]:
        """A job as a client sees it."""
        shown = {name: value for name, value in vars(job).items() if name not in HIDDEN}
        shown["waiting_for"] = None if job.status != "queued" else "lock" if self.is_held(job) else job.waiting_for
        return shown

    def next(self, full: list[str]) -> str | None:
        """The job that is to be claimed now: urgent ones first, then old ones."""
        ready = [
            job
            for job in self.jobs.values()
            if job.status == "queued" and not self.paused and not self.is_held(job) and job.type not in full
            if job.run_at is None or job.run_at <= self.now
        ]
        ready.sort(key=lambda job: (-job.priority, job.created_at, job.job_id))
        return ready[0].job_id if ready else None

    def change(self, job: Job, **fields: Any) -> None:
        """One transition: a version of its own, and one `jobs.updated`."""
        vars(job).update(fields, updated_at=self.now, version=job.version + 1)
        self.told.append(self.seen(job))

    def finish(self, job: Job, status: str) -> None:
        progress = 1.0 if status == "succeeded" else job.progress
        self.change(job, status=status, finished_at=self.now, progress=progress)

    def back(self, job: Job, **fields: Any) -> None:
        """Into the queue again, or, where somebody wants that, out of it."""
        if job.cancel_requested:
            self.finish(job, "cancelled")
        else:
            fields = {"run_at": None, "waiting_for": None, **fields}
            self.change(job, status="queued", started_at=None, progress=0.0, **fields)

    def end_with_the_process(self, job: Job, **fields: Any) -> None:
        """By the policy of its type."""
        recovery = SPECS[job.type].policy.recovery
        if recovery is Recovery.REQUEUE:
            self.back(job, attempt=job.attempt - 1, **fields)
        else:
            self.finish(job, "failed" if recovery is Recovery.FAIL else "interrupted")
