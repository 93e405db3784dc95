"""What the statements about jobs take and give, where a row's JSON is not enough."""

from dataclasses import dataclass

from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is made from."""

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
    """A job that this process has taken on."""

    job_id: str
    type: str
    payload: str
    attempt: int
    max_attempts: int
    encoded: Encoded[Job]
    first_snoozed_at: str | None = None
    """Since when it has been put off."""


@dataclass(frozen=True, slots=True)
class Requeued:
    """How a running job goes back into the queue."""

    message: str
    run_at: str | None = None
    waiting_for: str | None = None
    error: str | None = None
    spent: bool = False
    """Whether it has had its try."""
    recovered: bool = False
    snoozed: bool = False
    """Whether it is put off, for a reason outside of it."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A job that a dead process left running."""

    job_id: str
    type: str
    cancelled: bool
    recoveries: int


@dataclass(slots=True)
class LogSize:
    """What a job's log holds."""

    lines: int
    bytes: int
    full: bool
