"""Schedules: jobs that are due at certain times, and the ledger of what became of each time."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.contract import Model, Notification, RpcError, ToolUse, method
from sidecar_protocol.entities import Job, JobError
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge, TimeZoneUnknown
from sidecar_protocol.jobs import JobTypeName, UnknownJobType
from sidecar_protocol.scalars import (
    DEFAULT_LINES_LIMIT,
    JOB_TYPES,
    MEASURED,
    PAYLOAD_OF_TYPE,
    WHOLE,
    Count,
    Cursor,
    Flag,
    JsonObject,
    Limit,
    NextCursor,
    ShortText,
    TimeZoneName,
    UtcTime,
    Uuid,
    When,
)

ScheduleId = Annotated[str, Field(min_length=1, max_length=256, description="A schedule's id.")]
Period = Annotated[
    int, Field(strict=True, ge=60, le=366 * 24 * 3600, description="Seconds between two runs, at least 60."), WHOLE
]
RuleText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    Field(
        description="A recurrence rule (RFC 5545), such as FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0."
        "  FREQ is HOURLY or longer, with at most 96 times a day."
    ),
]


class ScheduleNotFound(RpcError):
    """No schedule has this id."""

    code = 4044


class ScheduleFixed(RpcError):
    """The schedule is the sidecar's own: it can be switched off or get another period, but not be deleted."""

    code = 4036


class TooManySchedules(RpcError):
    """There are as many schedules as there may be; delete one that is no longer needed."""

    code = 4093


class MisfirePolicy(StrEnum):
    """How to make up for times that passed while the app was closed or the computer slept."""

    RUN_ONCE = "run_once"
    """One late job replaces all times that were missed."""
    SKIP = "skip"
    """Nothing is made up for: a time that passed more than five minutes ago is missed."""


class ScheduleRunStatus(StrEnum):
    """The state of one time of a schedule.  `queued` and `running` can still change."""

    QUEUED = "queued"
    """Its job waits, also between two attempts."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    EMPTY = "empty"
    """Its job ended without the answer that it was for (`no_answer`)."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The sidecar ended while its job was running."""
    MISSED = "missed"
    """It has no job: nothing could be started when it was due."""
    SKIPPED = "skipped"
    """It has no job, although one could have been started."""


class ScheduleRunReason(StrEnum):
    """Why a time of a schedule was missed or skipped, or why its job failed."""

    CLOSED = "closed"
    """The app was closed; `away_from` and `away_to` say when."""
    ASLEEP = "asleep"
    """The computer slept, or its clock was set forward; `away_from` and `away_to` say when."""
    PAUSED = "paused"
    """The queue is paused, and the previous job has not started."""
    OVERLAP = "overlap"
    """The previous job had not ended."""
    OFFLINE = "offline"
    """There is no connection to the network."""
    LIMIT = "limit"
    """A service, or Claude's usage limit, allows no more for now."""
    NEEDS_USER = "needs_user"
    """The previous job waits for the user's decision, or for the key of the stored credentials."""
    ACCOUNT = "account"
    """The account was refused: the user has to sign in again."""
    BUDGET = "budget"
    """The budget is spent."""
    UNSUPPORTED = "unsupported"
    """This version cannot run jobs of the schedule's type."""


class Schedule(Model):
    """Creates jobs of one type at certain times: every `period_s` seconds, or by the rule `rrule`."""

    shown: ClassVar = ("next_run_at", "title|type", "period_s|rrule", "enabled", "last_run_at", "schedule_id")
    schedule_id: str
    title: str | None = None
    """Null for a schedule of the sidecar's own."""
    type: Annotated[str, JOB_TYPES]
    """The type of its jobs."""
    payload: Annotated[Any, PAYLOAD_OF_TYPE] = None
    """The payload of its jobs."""
    period_s: Count | None = None
    """Seconds between two runs.  Runs lie on a grid of the wall clock, which restarts do not move."""
    rrule: str | None = None
    start: UtcTime | None = None
    """When the rule begins, or the first run by the period."""
    time_zone: str | None = None
    """The zone whose clocks the rule follows.  A time that a change of the clocks skips or repeats happens once."""
    misfire_policy: MisfirePolicy = MisfirePolicy.RUN_ONCE
    fixed: Flag = False
    """Whether it is the sidecar's own, which cannot be deleted."""
    enabled: Flag
    next_run_at: UtcTime | None = None
    """When the next job is created, unless the previous one is unfinished.  Null if there is no further time; without
    meaning while disabled."""
    last_run_at: UtcTime | None = None
    """When the last job was created, by the schedule or by `jobs.schedules.run`."""
    last_job_id: Uuid | None = None
    """The job that was created last.  It may have been pruned since."""


class ScheduleList(Model):
    """All schedules, sorted by id."""

    schedules: list[Schedule]


class ScheduleDeletion(Model):
    """The result of `jobs.schedules.delete`."""

    schedule_id: str


class ScheduleRun(Model):
    """One time of a schedule, and what became of it."""

    shown: ClassVar = ("scheduled_for", "status", "reason", "title|schedule_id", "run_id")
    run_id: Uuid
    schedule_id: str
    title: str | None = None
    """The schedule's title when the run was recorded."""
    scheduled_for: UtcTime
    times: Count = 1
    """Number of times that it covers: more than one only for the oldest of very many that were missed together."""
    manual: Flag = False
    """Whether `jobs.schedules.run` asked for it."""
    status: ScheduleRunStatus
    reason: ScheduleRunReason | None = None
    away_from: UtcTime | None = None
    """The last sign that the sidecar was running, up to five minutes early."""
    away_to: UtcTime | None = None
    job_id: Uuid | None = None
    """Its job, which may have been pruned since."""
    started_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    late_ms: Annotated[Count, MEASURED] | None = None
    """How long after `scheduled_for` its job started."""
    text: str | None = None
    """The beginning of its job's answer, at most 2,000 characters."""
    error: JobError | None = None
    """Why its job failed, without details."""


class ScheduleRunPage(Model):
    """A page of runs, the one recorded last first."""

    runs: list[ScheduleRun]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ScheduleUpdated(Notification):
    """A schedule was created or changed, or has created a job."""

    name: ClassVar[str] = "jobs.schedule_updated"
    key: ClassVar[tuple[str, ...]] = ("schedule.schedule_id",)
    schedule: Schedule


class ScheduleDeleted(Notification):
    """A schedule was deleted, with the record of its runs."""

    name: ClassVar[str] = "jobs.schedule_deleted"
    key: ClassVar[tuple[str, ...]] = ("schedule_id",)
    schedule_id: str


class ScheduleRunEnded(Notification):
    """A time of a schedule that the user has created is over: with an answer, or without one and why.

    It is sent once for each run, and for times that were missed together once.  `title` and `text` are written for the
    user, for a notification of the system.  A run that the user has cancelled sends none.
    """

    name: ClassVar[str] = "jobs.schedule_run_ended"
    key: ClassVar[tuple[str, ...]] = ("run.run_id",)
    run: ScheduleRun
    title: str
    text: str


class Schedules(Protocol):
    """Schedules, which create jobs when they are due."""

    @method("jobs.schedules.list")
    async def list(self) -> ScheduleList:
        """Lists all schedules."""
        ...

    @method(
        "jobs.schedules.create",
        raises=(UnknownJobType, InvalidParams, PayloadTooLarge, TimeZoneUnknown, TooManySchedules),
        waits=True,
        tool=ToolUse.ACT,
    )
    async def create(
        self,
        *,
        title: ShortText,
        type: JobTypeName,
        payload: Annotated[JsonObject, PAYLOAD_OF_TYPE] | None = None,
        period_s: Period | None = None,
        rrule: RuleText | None = None,
        start: When | None = None,
        time_zone: TimeZoneName | None = None,
        misfire_policy: MisfirePolicy = MisfirePolicy.RUN_ONCE,
        enabled: Flag = True,
    ) -> Schedule:
        """Creates a schedule, by either `period_s` or `rrule`, of jobs: claude.run with the payload {prompt}, or
        calendar.sync, jira.sync or confluence.sync with {account_id}.

        At most 200 can exist, of any type of job.

        Without `start`, a period begins now, and a rule with the current day, so that `FREQ=DAILY;BYHOUR=9;BYMINUTE=0`
        needs none.  Without `time_zone`, a rule gets the computer's; a period ignores it.  A rule must be valid as a
        whole.

        A job that could not run as things are now is refused, with the member of `payload` that is the reason: a folder
        that does not exist or is not trusted, an unknown account or session, a level of effort that the model lacks.
        """
        ...

    @method(
        "jobs.schedules.update",
        raises=(ScheduleNotFound, ScheduleFixed, UnknownJobType, InvalidParams, PayloadTooLarge, TimeZoneUnknown),
        waits=True,
    )
    async def update(
        self,
        *,
        schedule_id: ScheduleId,
        enabled: Flag | None = None,
        period_s: Period | None = None,
        title: ShortText | None = None,
        type: JobTypeName | None = None,
        payload: Annotated[JsonObject, PAYLOAD_OF_TYPE] | None = None,
        rrule: RuleText | None = None,
        start: When | None = None,
        time_zone: TimeZoneName | None = None,
        misfire_policy: MisfirePolicy | None = None,
    ) -> Schedule:
        """Changes a schedule.  Null leaves a value as it is; `period_s` and `rrule` replace each other.

        Without `start`, a rule keeps the local time of its start in a new `time_zone`, and what replaces the other
        begins as by `jobs.schedules.create`.

        A new `payload` or `type` is checked as by `jobs.schedules.create`.

        Of the sidecar's own schedules, `enabled`, `period_s` and `misfire_policy` can be changed.
        """
        ...

    @method("jobs.schedules.delete", raises=(ScheduleNotFound, ScheduleFixed))
    async def delete(self, *, schedule_id: ScheduleId) -> ScheduleDeletion:
        """Deletes a schedule and the record of its runs.  A job that it has created is not cancelled."""
        ...

    @method("jobs.schedules.run", raises=(ScheduleNotFound,))
    async def run(self, *, schedule_id: ScheduleId) -> Job:
        """Creates the schedule's job now, which does not move the grid, and returns it.

        If the previous job is unfinished, that job is returned instead; if it waits for its next try, that starts now.
        Also works for a disabled schedule.
        """
        ...

    @method("jobs.schedules.runs.list", raises=(InvalidCursor,))
    async def list_runs(
        self,
        *,
        schedule_id: ScheduleId | None = None,
        status: ScheduleRunStatus | None = None,
        since: When | None = None,
        limit: Limit = DEFAULT_LINES_LIMIT,
        cursor: Cursor | None = None,
    ) -> ScheduleRunPage:
        """Lists what became of the times of one schedule or of all, the one recorded last first.

        `since` leaves out what was scheduled earlier.  Runs are kept for 90 days, at most 3,000 of a schedule.
        """
        ...
