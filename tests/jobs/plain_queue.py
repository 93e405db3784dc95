"""A model of the queue in plain Python, without a database."""

from dataclasses import dataclass, field
from typing import Any, Final

from sidecar_protocol.contract import Recovery

from sidecar.clock import iso
from tests.in_process_app import ManualClock
from tests.jobs.harness import NonRecoverableJob, RepeatableJob, SimpleJob

LIVE: Final = ("queued", "running")
SPECS: Final[dict[str, type[SimpleJob]]] = {spec.type: spec for spec in (SimpleJob, RepeatableJob, NonRecoverableJob)}
HIDDEN: Final = ("lock", "idempotency_key", "delay_s", "is_due", "created_with")
"""Fields of `Job` that the contract does not have."""


@dataclass
class Job:
    """A job: the fields of the entity, then those in `HIDDEN`."""

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
    delay_s: float | None = None
    is_due: bool = True
    created_with: str | None = None
    """The lock in its payload; a handler may take another one later."""

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a time that the queue chose."""
        return self.status == "queued" and not self.is_due and self.delay_s is not None


@dataclass
class Model:
    """All jobs, and the notifications that the queue must send about them."""

    clock: ManualClock
    jobs: dict[str, Job] = field(default_factory=dict)
    paused: bool = False
    expected_updates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def now(self) -> str:
        return iso(self.clock.now_ms())

    def later(self, seconds: float) -> str:
        return iso(self.clock.now_ms() + round(seconds * 1000))

    def mark_due(self) -> None:
        """Marks the jobs whose time has come: they stay due if the clock is set back."""
        for job in self.jobs.values():
            job.is_due = job.is_due or job.run_at is None or job.run_at <= self.now

    def limit_waits(self) -> None:
        """Moves the next tries that lie further ahead than their delays."""
        for job in self.jobs.values():
            if job.is_waiting and job.delay_s is not None and str(job.run_at) > self.later(job.delay_s):
                self.change(job, run_at=self.later(job.delay_s))

    def is_locked(self, job: Job) -> bool:
        """Returns whether a running job holds the lock that this one needs."""
        return job.lock is not None and any(
            one.status == "running" and one.lock == job.lock for one in self.jobs.values()
        )

    def as_entity(self, job: Job, *, is_read: bool = False) -> dict[str, Any]:
        """Returns the job as the contract describes it; `is_read` if it answers a request."""
        entity = {name: value for name, value in vars(job).items() if name not in HIDDEN}
        entity["waiting_for"] = None
        if job.status == "queued":
            due = "pause" if self.paused else "capacity"
            why = due if is_read and job.is_due else job.waiting_for
            entity["waiting_for"] = "lock" if self.is_locked(job) else why
        return entity

    def next_due(self, full_types: list[str]) -> str | None:
        """Returns the job to claim now: by priority, then by age."""
        self.mark_due()
        due = [
            job
            for job in self.jobs.values()
            if job.status == "queued" and not self.paused and not self.is_locked(job) and job.type not in full_types
            if job.is_due
        ]
        return max(due, key=lambda job: job.priority).job_id if due else None  # the first one of the highest

    def change(self, job: Job, **fields: Any) -> None:
        """Changes a job, which increments its version and sends one `jobs.updated`."""
        vars(job).update(fields, updated_at=self.now, version=job.version + 1)
        self.expected_updates.append(self.as_entity(job))

    def finish(self, job: Job, status: str) -> None:
        progress = 1.0 if status == "succeeded" else job.progress
        self.change(job, status=status, finished_at=self.now, progress=progress)

    def requeue(self, job: Job, **fields: Any) -> None:
        """Queues a running job again, or cancels it if that was requested."""
        if job.cancel_requested:
            self.finish(job, "cancelled")
        else:
            fields = {"run_at": None, "waiting_for": None, "delay_s": None, **fields}
            if fields["delay_s"] is not None:
                fields["run_at"] = self.later(fields["delay_s"])
            fields["is_due"] = fields["run_at"] is None
            self.change(job, status="queued", started_at=None, progress=0.0, **fields)

    def end_by_policy(self, job: Job, **fields: Any) -> None:
        """Requeues or ends a job whose run was cut short by the end of the process."""
        recovery = SPECS[job.type].policy.recovery
        if recovery is Recovery.REQUEUE:
            self.requeue(job, attempt=job.attempt - 1, **fields)
        else:
            self.finish(job, "failed" if recovery is Recovery.FAIL else "interrupted")
