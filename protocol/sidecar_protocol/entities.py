"""Entities that methods of several domains return.  Domain modules never import each other."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from sidecar_protocol.contract import Cited, Foreign, Model
from sidecar_protocol.scalars import (
    JOB_ERRORS,
    JOB_TYPES,
    MEASURED,
    PAYLOAD_OF_TYPE,
    RESULT_OF_TYPE,
    Count,
    Flag,
    Fraction,
    Integer,
    UtcTime,
    Uuid,
    live,
)


class JobStatus(StrEnum):
    """The state of a job.  `queued` and `running` are live, all others final."""

    QUEUED = "queued"
    """Waits for a free slot, or for `run_at`."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Stopped by `jobs.cancel`."""
    INTERRUPTED = "interrupted"
    """Stopped because the sidecar ended while the job was running."""


class WaitingFor(StrEnum):
    """Why a queued job cannot be started, or why a running job makes no progress."""

    LOCK = "lock"
    """Another job holds the lock that it needs, for example that of the same Claude session, or keeps it while it waits
    for a usage limit."""
    NETWORK = "network"
    """The network is unavailable."""
    RATE_LIMIT = "rate_limit"
    """A service refused further requests for now."""
    APPROVAL = "approval"
    """It is running and waits for the user's decision: `claude.permissions.list`."""
    CAPACITY = "capacity"
    """It is due and starts as soon as there is a place for it.  Only the answers of requests tell this."""
    PAUSE = "pause"
    """The queue is paused: `jobs.queue.resume`.  Only the answers of requests tell this."""
    RETRY = "retry"
    """The last attempt failed; the next one starts at `run_at`."""


class JobError(Model):
    """Why a job did not succeed."""

    shown: ClassVar = ("message",)
    kind: Annotated[str, JOB_ERRORS]
    """A stable identifier; each job type has a closed list of them."""
    message: str
    hint: str | None = None
    """Suggested action for the user."""
    retryable: bool = False
    details: dict[str, Any] | None = None


class Job(Model):
    """A job in the durable queue."""

    shown: ClassVar = ("created_at", "type", "status", "job_id", "error", "message")
    cited: ClassVar = Cited("job", ("job_id",), title="type", at="created_at")
    job_id: Uuid
    type: Annotated[str, JOB_TYPES]
    status: Annotated[JobStatus, live(JobStatus.QUEUED, JobStatus.RUNNING)]
    created_at: UtcTime
    updated_at: UtcTime
    started_at: UtcTime | None = None
    finished_at: UtcTime | None = None
    run_at: UtcTime | None = None
    """Earliest time to start it.  Null to start it as soon as possible."""
    priority: Integer = 0
    """Jobs of higher priority start first."""
    attempt: Count = 0
    """The number of the current attempt; 0 before the first."""
    max_attempts: Count = 1
    recoveries: Count = 0
    """How many times it was queued again because the sidecar ended while it was running."""
    waiting_for: WaitingFor | None = None
    """Why it is waiting.  Null if it waits only for `run_at`, or does not wait."""
    schedule_id: str | None = None
    """The schedule that created it."""
    progress: Annotated[Fraction | None, MEASURED] = None
    message: Annotated[str | None, MEASURED] = None
    """A short description of what it is doing, or of how it ended."""
    cancel_requested: Flag = False
    payload: Annotated[Any, PAYLOAD_OF_TYPE] = None
    result: Annotated[Any, Foreign, RESULT_OF_TYPE] = None
    error: JobError | None = None
    version: Annotated[Count, MEASURED] = 1
    """Incremented with every change: of two snapshots, the one with the higher version is newer."""


class Highlight(Model):
    """A match within a snippet.  In UTF-16 code units: `snippet.slice(start, end)` in JavaScript."""

    start: Count
    end: Count
