"""The entities that methods of several domains answer with.

A domain file imports nothing of another domain; what two of them share stands here.
"""

from enum import StrEnum
from typing import Annotated, Any

from sidecar_protocol.contract import Model
from sidecar_protocol.scalars import MEASURED, Count, Flag, Fraction, Integer, UtcTime, Uuid


class JobStatus(StrEnum):
    """Where a job is.  `queued` and `running` are live; the other four are final."""

    QUEUED = "queued"
    """Waits for its turn, or for `run_at`."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """Stopped because somebody asked."""
    INTERRUPTED = "interrupted"
    """Stopped because the sidecar ended while it ran."""


class WaitingFor(StrEnum):
    """What a job waits for: a queued one beside its turn, a running one to go on."""

    LOCK = "lock"
    """Another job has what it needs for itself, such as the same Claude session."""
    NETWORK = "network"
    RATE_LIMIT = "rate_limit"
    APPROVAL = "approval"
    """It runs, and somebody is asked: `claude.permissions.list`."""
    RETRY = "retry"
    """The last try failed; the next one comes at `run_at`."""


class JobError(Model):
    """Why a job did not succeed, in words for a person and in one word for a program."""

    kind: str
    """A stable word: `executable_missing`, `timeout`, `shutdown`, `crash`, `internal`."""
    message: str
    hint: str | None = None
    """What to do about it."""
    retryable: bool = False
    details: dict[str, Any] | None = None


class Job(Model):
    """One piece of work in the durable queue."""

    job_id: Uuid
    type: str
    status: JobStatus
    created_at: UtcTime
    updated_at: UtcTime
    started_at: UtcTime | None = None
    finished_at: UtcTime | None = None
    run_at: UtcTime | None = None
    """Not before this time; null: as soon as there is room."""
    priority: Integer = 0
    """Higher runs first."""
    attempt: Count = 0
    """Which try this is; 0 before the first."""
    max_attempts: Count = 1
    recoveries: Count = 0
    """How often it was running when the sidecar ended and was queued again."""
    waiting_for: WaitingFor | None = None
    """Why a queued job does not run although it could, or a running one does not go on; null: for no such reason."""
    schedule_id: str | None = None
    """The schedule that made it."""
    progress: Fraction | None = None
    message: str | None = None
    """What it is doing, or how it ended, in a few words."""
    cancel_requested: Flag = False
    payload: Any = None
    result: Any = None
    error: JobError | None = None
    version: Annotated[Count, MEASURED] = 1
    """Rises with every change: of two snapshots the higher is the newer."""


class SearchMark(Model):
    """A hit in a snippet, in UTF-16 code units: `snippet.slice(start, end)` in JavaScript."""

    start: Count
    end: Count
