"""Values that `JobsStore` takes and returns, besides jobs as JSON."""

from dataclasses import dataclass

from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job


@dataclass(frozen=True, slots=True)
class NewJob:
    """The columns of a new job."""

    job_id: str
    type: str
    payload: bytes
    priority: int = 0
    run_at: str | None = None
    idempotency_key: str | None = None
    max_attempts: int = 1
    lock_key: str | None = None
    schedule_id: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this process has started."""

    job_id: str
    type: str
    payload: str
    attempt: int
    max_attempts: int
    encoded: Encoded[Job]
    first_snoozed_at: str | None = None


@dataclass(frozen=True, slots=True)
class Requeue:
    """The changes of a running job that returns to the queue."""

    message: str
    run_at: str | None = None
    waiting_for: str | None = None
    error: str | None = None
    uses_attempt: bool = False
    recovered: bool = False
    snoozed: bool = False


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job that an earlier process left running."""

    job_id: str
    type: str
    cancel_requested: bool
    recoveries: int


@dataclass(slots=True)
class LogSize:
    """The size of a job's log; `full` if further lines are dropped."""

    lines: int
    bytes: int
    full: bool
