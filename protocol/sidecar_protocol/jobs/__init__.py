"""Jobs: durable background work.  `schedules` declares what creates jobs periodically."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, Model, Notification, RpcError, ToolUse, method
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge, QueueFull
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    DEFAULT_LINES_LIMIT,
    GENERATED,
    JOB_STATUSES,
    JOB_TYPES,
    PAYLOAD_OF_TYPE,
    WHOLE,
    Cursor,
    Flag,
    Fraction,
    JobId,
    JsonObject,
    Limit,
    NextCursor,
    Priority,
    ShortText,
    UtcTime,
    Uuid,
    When,
)

IdempotencyKey = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    GENERATED,
    Field(
        description="If a job was created with this key before, that job is returned and none is created."
        "  It must have the same type and payload."
    ),
]
Attempts = Annotated[
    int,
    Strict(),
    Field(ge=1, le=20, description="Maximum number of attempts.  Null for the default of the job type."),
    WHOLE,
]
JobTypeName = Annotated[ShortText, JOB_TYPES]


class JobNotFound(RpcError):
    """No job has this id."""

    code = 4041


class UnknownJobType(RpcError):
    """No job type has this name."""

    code = 4042


class IdempotencyKeyReused(RpcError):
    """The idempotency key was used for a job of another type or payload; use a new key for a new job."""

    code = 4098


class JobNotFinished(RpcError):
    """The job is still queued or running; only a finished job can be retried."""

    code = 4091


class JobLogLevel(StrEnum):
    """The severity of a line in a job's log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class JobLogLine(Model):
    """One line of a job's log."""

    shown: ClassVar = ("created_at", "level", "message")
    line_id: Uuid
    job_id: Uuid
    created_at: UtcTime
    level: JobLogLevel
    message: str
    """At most 2,000 characters; longer messages are cut."""
    meta: Any = None
    """Structured details, at most 64 KiB of JSON."""


class JobPage(Model):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class JobCreated(Model):
    """The result of `jobs.create`."""

    job: Job
    deduplicated: Flag = False
    """True if the idempotency key was used before; `job` is then the job that was created with it."""


class JobLogPage(Model):
    """A page of a job's log, oldest line first."""

    lines: list[JobLogLine]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class JobQueue(Model):
    """The state of the queue."""

    paused: Flag
    """While the queue is paused, no job is started; running jobs continue."""
    paused_at: UtcTime | None = None
    """When the queue was paused.  Null if it is not."""
    counts: Annotated[dict[str, int], JOB_STATUSES]
    """The number of stored jobs by status.  A status without jobs is absent."""


class JobQueueUpdated(Notification):
    """The queue was paused or resumed."""

    name: ClassVar[str] = "jobs.queue_updated"
    key: ClassVar[tuple[str, ...]] = ()
    queue: JobQueue


class JobUpdated(Notification):
    """A job was created or has changed: its status, what it waits for, or a requested cancellation.

    A pruned job sends no notification.
    """

    name: ClassVar[str] = "jobs.updated"
    key: ClassVar[tuple[str, ...]] = ("job.job_id",)
    job: Job


class JobLogAdded(Notification):
    """A line was added to a job's log."""

    name: ClassVar[str] = "jobs.log_added"
    key: ClassVar[tuple[str, ...]] = ("line.job_id",)
    line: JobLogLine


class JobProgress(Ephemeral):
    """A running job reported progress.  `jobs.get` has the last value, at most a second old."""

    name: ClassVar[str] = "jobs.progress"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 10
    job_id: Uuid
    progress: Fraction | None
    """Null if the remaining work is unknown."""
    message: str | None
    """A short description of the current step."""


class Jobs(Protocol):
    """The durable job queue."""

    @method(
        "jobs.create",
        raises=(UnknownJobType, InvalidParams, PayloadTooLarge, IdempotencyKeyReused, QueueFull),
        rest="POST /jobs",
        waits=True,
    )
    async def create(
        self,
        *,
        type: JobTypeName,
        payload: Annotated[JsonObject, PAYLOAD_OF_TYPE] | None = None,
        priority: Priority = 0,
        run_at: When | None = None,
        idempotency_key: IdempotencyKey | None = None,
        max_attempts: Attempts | None = None,
    ) -> JobCreated:
        """Adds a job to the queue.  Once the response arrives, the job is stored durably.

        `payload` must be valid for the job type; an invalid member is reported as `payload.<member>`.  So is a member
        with which a `claude.run` or `claude.turn` could not run as things are now, as by `jobs.schedules.create`; but a
        job whose `idempotency_key` was used before is returned.  The job starts when a slot is free and `run_at` has
        passed.  Raises `payload_too_large` above 3 MiB.
        """
        ...

    @method("jobs.list", raises=(InvalidCursor,), rest="GET /jobs", tool=ToolUse.READ)
    async def list(
        self,
        *,
        status: JobStatus | None = None,
        type: JobTypeName | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> JobPage:
        """Lists jobs, newest first, optionally of one status and one type.

        A page may be short to stay below 4 MiB.
        """
        ...

    @method("jobs.get", raises=(JobNotFound,), rest="GET /jobs/{job_id}", tool=ToolUse.READ)
    async def get(self, *, job_id: JobId) -> Job:
        """Returns one job."""
        ...

    @method("jobs.cancel", raises=(JobNotFound,), rest="POST /jobs/{job_id}/cancel")
    async def cancel(self, *, job_id: JobId) -> Job:
        """Requests the cancellation of a job, and returns the job.

        A queued job is cancelled at once.  A running job has `cancel_requested` until its handler stops, which
        `jobs.updated` reports; it can still succeed or fail before that.  A finished job does not change.
        """
        ...

    @method("jobs.log.list", raises=(JobNotFound, InvalidCursor))
    async def list_log(
        self, *, job_id: JobId, limit: Limit = DEFAULT_LINES_LIMIT, cursor: Cursor | None = None
    ) -> JobLogPage:
        """Lists the lines of a job's log, oldest first.  Queueing adds no line: `created_at` says when that was.

        Lines beyond 5,000 or 1 MiB are not stored; the log then ends with a line whose `meta` is `{"truncated": true}`.
        """
        ...

    @method("jobs.retry", raises=(JobNotFound, JobNotFinished, QueueFull))
    async def retry(self, *, job_id: JobId) -> Job:
        """Queues a finished job again, under the same id, or ends a job's wait for its next try.

        The attempts, progress, result and error of a finished job are reset; its log continues.
        """
        ...

    @method("jobs.queue.get")
    async def get_queue(self) -> JobQueue:
        """Returns whether the queue is paused, and the number of jobs by status."""
        ...

    @method("jobs.queue.pause")
    async def pause(self) -> JobQueue:
        """Starts no more jobs until `jobs.queue.resume`, even after a restart.  Running jobs continue."""
        ...

    @method("jobs.queue.resume")
    async def resume(self) -> JobQueue:
        """Starts jobs again."""
        ...

    @method("jobs.queue.wake")
    async def wake(self) -> JobQueue:
        """Starts overdue jobs at once.  Call it after the computer wakes from standby.

        Timers stop in standby; without this call, overdue jobs start within a minute.
        """
        ...
