"""Jobs: work that outlives the request that asked for it."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, Model, Notification, RpcError, method
from sidecar_protocol.entities import Job, JobStatus
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    DEFAULT_LINES_LIMIT,
    Count,
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
    Field(description="A second create with it returns the first job."),
]


Attempts = Annotated[
    int, Strict(), Field(ge=1, le=20, description="How often it is tried at most; null: as its type says.")
]
Period = Annotated[int, Strict(), Field(ge=60, le=366 * 24 * 3600, description="Seconds, at least a minute.")]
ScheduleId = Annotated[str, StringConstraints(min_length=1, max_length=256), Field(description="A schedule's id.")]


class JobNotFound(RpcError):
    """No job has this id."""

    code = 4041


class UnknownJobType(RpcError):
    """No job type has this name."""

    code = 4042


class JobNotFinished(RpcError):
    """The job is still queued or running; only a finished one can be run again."""

    code = 4091


class ScheduleNotFound(RpcError):
    """No schedule has this id."""

    code = 4044


class JobLogLevel(StrEnum):
    """How much a line of a job's log matters."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class JobLogLine(Model):
    """One line of a job's stored log."""

    line_id: Uuid
    job_id: Uuid
    created_at: UtcTime
    level: JobLogLevel
    message: str
    meta: Any = None


class JobPage(Model):
    """Jobs, newest first."""

    jobs: list[Job]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class JobCreated(Model):
    """The job that now stands in the queue."""

    job: Job
    deduplicated: Flag = False
    """True where the idempotency key had been used: this is the job it made then."""


class JobLogPage(Model):
    """Lines of a job's log, oldest first."""

    lines: list[JobLogLine]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class JobQueue(Model):
    """The queue as a whole."""

    paused: Flag
    """Whether no job is started; running ones go on."""
    paused_at: UtcTime | None = None
    counts: dict[str, int]
    """Jobs by status."""


class Schedule(Model):
    """A job that is made again and again."""

    schedule_id: str
    type: str
    payload: Any = None
    period_s: Count
    """Between two runs, on a grid of the wall clock: it does not shift with restarts."""
    enabled: Flag
    next_run_at: UtcTime
    last_run_at: UtcTime | None = None
    last_job_id: Uuid | None = None


class ScheduleList(Model):
    """All schedules, by id."""

    schedules: list[Schedule]


class JobQueueUpdated(Notification):
    """The queue was paused or resumed."""

    name: ClassVar[str] = "jobs.queue_updated"
    queue: JobQueue


class ScheduleUpdated(Notification):
    """A schedule was changed, or has made a job."""

    name: ClassVar[str] = "jobs.schedule_updated"
    schedule: Schedule


class JobUpdated(Notification):
    """A job was created or changed its status."""

    name: ClassVar[str] = "jobs.updated"
    job: Job


class JobLogAdded(Notification):
    """A line was added to a job's log."""

    name: ClassVar[str] = "jobs.log_added"
    line: JobLogLine


class JobProgress(Ephemeral):
    """A running job got further."""

    name: ClassVar[str] = "jobs.progress"
    key: ClassVar[tuple[str, ...]] = ("job_id",)
    max_per_s: ClassVar[int] = 10
    job_id: Uuid
    progress: Fraction | None
    """Null where the end cannot be known."""
    message: str | None


class Jobs(Protocol):
    """The durable job queue."""

    @method("jobs.create", raises=(UnknownJobType, InvalidParams, PayloadTooLarge), rest="POST /jobs")
    async def create(
        self,
        *,
        type: ShortText,
        payload: JsonObject | None = None,
        priority: Priority = 0,
        run_at: When | None = None,
        idempotency_key: IdempotencyKey | None = None,
        max_attempts: Attempts | None = None,
    ) -> JobCreated:
        """Put a job into the queue.  Once this is answered, the job survives any crash."""
        ...

    @method("jobs.list", raises=(InvalidCursor,), rest="GET /jobs")
    async def list(
        self,
        *,
        status: JobStatus | None = None,
        type: ShortText | None = None,
        limit: Limit = DEFAULT_LIMIT,
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

    @method("jobs.log.list", raises=(JobNotFound, InvalidCursor))
    async def list_log(
        self, *, job_id: JobId, limit: Limit = DEFAULT_LINES_LIMIT, cursor: Cursor | None = None
    ) -> JobLogPage:
        """The lines of a job's stored log, oldest first."""
        ...

    @method("jobs.retry", raises=(JobNotFound, JobNotFinished))
    async def retry(self, *, job_id: JobId) -> Job:
        """Run a finished job again, as the same job, with all its tries before it."""
        ...

    @method("jobs.queue.get")
    async def get_queue(self) -> JobQueue:
        """Whether the queue is paused, and how many jobs it holds."""
        ...

    @method("jobs.queue.pause")
    async def pause(self) -> JobQueue:
        """Start no more jobs, also after a restart, until `jobs.queue.resume`.  Running ones go on."""
        ...

    @method("jobs.queue.resume")
    async def resume(self) -> JobQueue:
        """Start jobs again."""
        ...

    @method("jobs.queue.wake")
    async def wake(self) -> JobQueue:
        """Look at once for what is due: the machine has slept, while timers stood still.

        Without it that is noticed within a minute.
        """
        ...


class Schedules(Protocol):
    """Jobs that are made again and again."""

    @method("jobs.schedules.list")
    async def list(self) -> ScheduleList:
        """All schedules."""
        ...

    @method("jobs.schedules.update", raises=(ScheduleNotFound,))
    async def update(
        self, *, schedule_id: ScheduleId, enabled: Flag | None = None, period_s: Period | None = None
    ) -> Schedule:
        """Switch a schedule on or off, or change its period."""
        ...

    @method("jobs.schedules.run", raises=(ScheduleNotFound,))
    async def run(self, *, schedule_id: ScheduleId) -> Job:
        """Make its job now, beside the grid; where one is still live, answer with that."""
        ...
