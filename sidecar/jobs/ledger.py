"""The ledger of schedules, the table `job_schedule_runs`: what became of each time, or why nothing did.

A row is written in the transaction that creates its job, and follows the job in each transaction that changes it.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic_core import to_json
from sidecar_protocol.contract import Encoded, Notification
from sidecar_protocol.entities import JobError, JobStatus
from sidecar_protocol.jobs.schedules import (
    ScheduleRun,
    ScheduleRunEnded,
    ScheduleRunReason,
    ScheduleRunStatus,
)

from sidecar.clock import DAY_MS, Clock, iso
from sidecar.ids import MakeId
from sidecar.jobs.store import JobState
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList, row_json

KEPT_MS: Final = 90 * DAY_MS
"""Age up to which runs are kept."""
MAX_RUNS: Final = 3_000
"""Maximum number of runs of a schedule: a month of one that runs every quarter of an hour."""
PRUNED_AT_ONCE: Final = 4
"""Maximum number of runs that are deleted for each that is recorded."""
TEXT_CHARS: Final = 2_000
"""Length of the stored beginning of an answer."""
SHOWN_CHARS: Final = 300
"""Maximum length of a notification's text; systems show less."""

RUN_JSON: Final = row_json(
    ScheduleRun,
    error="json(error_json)",
    late_ms="""CAST(max(0, round((julianday(started_at) - julianday(scheduled_for)) * 86400000)) AS INTEGER)""",
)
_RUNS: Final = PagedList(ScheduleRun, "job_schedule_runs", RUN_JSON, {"rowid": int}, descending=True)
REASON_OF_KIND: Final = {
    "budget_exceeded": ScheduleRunReason.BUDGET,
    "budget_spent": ScheduleRunReason.BUDGET,
    "network": ScheduleRunReason.OFFLINE,
    "usage_limit": ScheduleRunReason.LIMIT,
    "rate_limited": ScheduleRunReason.LIMIT,
    "overloaded": ScheduleRunReason.LIMIT,
    "auth": ScheduleRunReason.ACCOUNT,
    "needs_reauth": ScheduleRunReason.ACCOUNT,
    "account_refused": ScheduleRunReason.ACCOUNT,
    "unknown_job_type": ScheduleRunReason.UNSUPPORTED,
    "payload_invalid": ScheduleRunReason.UNSUPPORTED,
}
"""Why a job failed, by the kind of its error."""
NO_ANSWER: Final = "no_answer"
"""The kind of error of a job that ended without what it was for."""
TEXTS: Final = {
    ScheduleRunReason.CLOSED: "The app was closed when it was due.  It runs while the app is open.",
    ScheduleRunReason.ASLEEP: "The computer was asleep when it was due.",
    ScheduleRunReason.PAUSED: "The job queue is paused.  Resume it to go on.",
    ScheduleRunReason.OVERLAP: "The previous run had not ended when it was due.",
    ScheduleRunReason.OFFLINE: "There was no connection to the network.",
    ScheduleRunReason.LIMIT: "A usage limit is reached; the previous run still waits for it.",
    ScheduleRunReason.NEEDS_USER: "The previous run waits for your decision.",
    ScheduleRunReason.ACCOUNT: "The account was refused.  Sign in again.",
    ScheduleRunReason.BUDGET: "The budget is spent.",
    ScheduleRunReason.UNSUPPORTED: "This version of the app cannot run it.",
}
"""The text of the notification if a run was missed or skipped."""


class NewRun(NamedTuple):
    """A run to be recorded, by the names of its columns; `answer` is the member of the result that is shown."""

    schedule_id: str
    title: str | None
    scheduled_for: str
    status: ScheduleRunStatus
    reason: ScheduleRunReason | None = None
    times: int = 1
    manual: bool = False
    away_from: str | None = None
    away_to: str | None = None
    job_id: str | None = None
    answer: str | None = None


class JobRun(NamedTuple):
    """The part of a run that concerns its job."""

    answer: str | None


_COLUMNS: Final = ("run_id", *NewRun._fields)
_ADD: Final = f"""
    INSERT INTO job_schedule_runs ({", ".join(_COLUMNS)})
    SELECT {", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(_COLUMNS)))}
    FROM json_each(?) WHERE true ORDER BY key
    ON CONFLICT (schedule_id, scheduled_for) WHERE manual = 0 DO
        UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in NewRun._fields)}
        WHERE job_id IS NULL AND excluded.job_id IS NOT NULL
    RETURNING scheduled_for, rowid
    """


class Ledger:
    """All statements about runs, and their notifications."""

    def __init__(
        self, database: Database, notify: Callable[[Notification], None], clock: Clock, new_id: MakeId
    ) -> None:
        self._database = database
        self._notify = notify
        self._clock = clock
        self._new_id = new_id

    def add(self, *runs: NewRun) -> int | None:
        """Records runs of one schedule, inside the caller's transaction; returns the newest one's rowid, for `get`.

        A time of the schedule that is recorded stays as it is; returns None if all are.  But a run with a job takes the
        place of one without: the clock may have been ahead when that was recorded.
        """
        if not runs:
            return None
        rows = to_json([(self._new_id(), *run) for run in runs]).decode()
        added: list[tuple[str, int]] = self._database.rows(_ADD, (rows,))
        self._prune(runs[0].schedule_id, PRUNED_AT_ONCE * len(runs))
        return max(added)[1] if added else None  # SQLite returns the rows in any order (sqlite.org/lang_returning.html)

    def get(self, rowid: int) -> ScheduleRun:
        """Returns a run that was recorded in the caller's transaction."""
        sql = f"SELECT {RUN_JSON} FROM job_schedule_runs WHERE rowid = ?"
        run = self._database.encoded(ScheduleRun, sql, (rowid,))
        assert run is not None  # as the caller has just recorded it
        return run.load()

    def has_job(self, schedule_id: str, scheduled_for: str) -> bool:
        """Returns whether this time of a schedule has had its job."""
        sql = """
            SELECT 1 FROM job_schedule_runs
            WHERE schedule_id = ? AND scheduled_for = ? AND manual = 0 AND job_id IS NOT NULL
            """
        return self._database.value(sql, (schedule_id, scheduled_for)) is not None

    def of_job(self, job_id: str) -> JobRun | None:
        """Returns the run that has this job, or None."""
        row = self._database.row("SELECT answer FROM job_schedule_runs WHERE job_id = ?", (job_id,))
        return None if row is None else JobRun._make(row)

    def follow(self, job_id: str, job: JobState) -> None:
        """Copies the state of a job to its run, inside the caller's transaction; notifies the client of the end."""
        error = None if job.error_json is None else JobError.model_validate_json(job.error_json)
        is_empty = job.status == JobStatus.FAILED and error is not None and error.kind == NO_ANSWER
        run = self._database.encoded(
            ScheduleRun,
            f"""
            UPDATE job_schedule_runs SET
                started_at = coalesce(started_at, :started_at), ended_at = :ended_at,
                status = :status, reason = :reason, text = :text, error_json = :error
            WHERE job_id = :job_id RETURNING {RUN_JSON}
            """,
            {
                "job_id": job_id,
                "started_at": job.started_at,
                "ended_at": job.ended_at,
                "status": ScheduleRunStatus.EMPTY if is_empty else job.status,
                "reason": None if error is None else REASON_OF_KIND.get(error.kind),
                "text": None if job.text is None else job.text[:TEXT_CHARS],
                "error": None if job.ended_at is None else job.error_json,
            },
        )
        if run is not None:
            self.tell(run.load())

    def tell(self, run: ScheduleRun, *, missed: int = 1) -> None:
        """Notifies the client of the end of a run, unless it goes on, is the sidecar's own or was cancelled.

        `missed` is the number of times that were missed together.
        """
        is_over = run.status not in (ScheduleRunStatus.QUEUED, ScheduleRunStatus.RUNNING, ScheduleRunStatus.CANCELLED)
        if run.title is not None and is_over:
            self._notify(ScheduleRunEnded(run=run, title=run.title, text=text_of(run, missed)))

    def page(
        self, schedule_id: str | None, status: str | None, since: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[ScheduleRun]], str | None]:
        return _RUNS.page(
            self._database,
            limit,
            cursor,
            equal={"schedule_id": schedule_id, "status": status},
            conditions=() if since is None else ("scheduled_for >= :since",),
            parameters={} if since is None else {"since": since},
            list_id=f"job_schedule_runs:{schedule_id or ''}",
        )

    def remove(self, schedule_id: str) -> None:
        self._database.execute("DELETE FROM job_schedule_runs WHERE schedule_id = ?", (schedule_id,))

    def _prune(self, schedule_id: str, limit: int) -> None:
        """Deletes the oldest of a schedule's runs that are too old or too many, except of jobs that have not ended."""
        self._database.execute(
            f"""
            DELETE FROM job_schedule_runs WHERE rowid IN (
                SELECT rowid FROM job_schedule_runs WHERE schedule_id = :id ORDER BY rowid LIMIT :limit)
            AND status NOT IN ('queued', 'running') AND (
                scheduled_for < :oldest OR rowid <= (
                    SELECT rowid FROM job_schedule_runs WHERE schedule_id = :id
                    ORDER BY rowid DESC LIMIT 1 OFFSET {MAX_RUNS}))
            """,
            {"id": schedule_id, "limit": limit, "oldest": iso(self._clock.now_ms() - KEPT_MS)},
        )


def text_of(run: ScheduleRun, missed: int) -> str:
    """Returns the text of the notification about the end of a run."""
    if run.status is ScheduleRunStatus.SUCCEEDED:
        return (run.text or "Done.").strip()[:SHOWN_CHARS]
    if run.status is ScheduleRunStatus.EMPTY:
        return "It ended without an answer.  Its log shows what it has done."
    if run.error is not None:
        return " ".join(filter(None, (run.error.message, run.error.hint)))[:SHOWN_CHARS]
    text = "It could not be started." if run.reason is None else TEXTS[run.reason]
    return text if missed == 1 else f"Missed {missed} times.  {text}"
