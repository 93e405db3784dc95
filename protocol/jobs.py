"""Jobs: work that outlives the request that asked for it."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, StringConstraints

from protocol.contract import Ephemeral, Model, Notification, RpcError, method
from protocol.entities import Job, JobStatus
from protocol.errors import InvalidCursor, InvalidParams
from protocol.scalars import (
    Cursor,
    EventId,
    Flag,
    Fraction,
    JobId,
    JsonObject,
    Limit,
    Priority,
    ShortText,
    UtcTime,
    When,
)

IdempotencyKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="A second create with it returns the first job."),
]


class JobNotFound(RpcError):
    """No job has this id."""

    code = 4041


class UnknownJobType(RpcError):
    """No job type has this name."""

    code = 4042


class JobEventLevel(StrEnum):
    """How much a line of a job's log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class JobEvent(Model):
    """One line of a job's stored log."""

    event_id: str
    job_id: str
    created_at: UtcTime
    level: JobEventLevel
    message: str
    meta: Any = None


class JobPage(Model):
    """Jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = None
    """Null on the last page."""


class JobCreated(Model):
    """The job that now stands in the queue."""

    job: Job
    deduplicated: Flag = False
    """True where the idempotency key had been used: this is the job it made then."""


class JobEventPage(Model):
    """Lines of a job's log, oldest first."""

    events: list[JobEvent]
    has_more: Flag
    """True where lines follow; ask again with `after` set to the last event's id."""


class JobUpdated(Notification):
    """A job was created or changed its status."""

    name: ClassVar[str] = "jobs.updated"
    job: Job


class JobEventAdded(Notification):
    """A line was added to a job's log."""

    name: ClassVar[str] = "jobs.event"
    event: JobEvent


class JobProgressed(Ephemeral):
    """A running job got further."""

    name: ClassVar[str] = "jobs.progress"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 10
    job_id: str
    progress: Fraction | None
    """Null where the end cannot be known."""
    message: str | None


class Jobs(Protocol):
    """The durable job queue."""

    @method("jobs.create", raises=(UnknownJobType, InvalidParams), rest="POST /jobs")
    async def create(
        self,
        *,
        type: ShortText,
        payload: JsonObject | None = None,
        priority: Priority = 0,
        run_at: When | None = None,
        idempotency_key: IdempotencyKey | None = None,
    ) -> JobCreated:
        """Put a job into the queue.  Once this is answered, the job survives any crash."""
        ...

    @method("jobs.list", raises=(InvalidCursor,), rest="GET /jobs")
    async def list(
        self,
        *,
        status: JobStatus | None = None,
        type: ShortText | None = None,
        limit: Limit = 50,
        cursor: Cursor | None = None,
    ) -> JobPage:
        """Jobs, newest first, of one status and type where given.  A page ends early when it grows past 4 MiB."""
        ...

    @method("jobs.get", raises=(JobNotFound,), rest="GET /jobs/{job_id}")
    async def get(self, *, job_id: JobId) -> Job:
        """One job as it stands."""
        ...

    @method("jobs.cancel", raises=(JobNotFound,), rest="POST /jobs/{job_id}/cancel")
    async def cancel(self, *, job_id: JobId) -> Job:
        """Ask a job to stop.

        A queued job stops now, a running one at its next checkpoint; on a finished one it changes nothing.
        """
        ...

    @method("jobs.events.list", raises=(JobNotFound,))
    async def list_events(self, *, job_id: JobId, after: EventId | None = None, limit: Limit = 200) -> JobEventPage:
        """A job's stored log, oldest first, after one of its lines where given."""
        ...
