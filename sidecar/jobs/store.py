"""The tables `jobs`, `job_events` and `job_queue`.  Rows are returned as JSON in the form of `Job` and `JobLogLine`.

Jobs and lines are sorted by rowid, not by time: the clock may have been set back between two of them.
"""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from pydantic_core import to_json
from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import JobLogLine

from sidecar.clock import iso
from sidecar.runtime import PruneKey
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList, row_json
from sidecar.storage.row_cache import RowCache

FREE: Final = """(lock_key IS NULL OR NOT EXISTS (
    SELECT 1 FROM jobs AS holder INDEXED BY idx_jobs_locks
    WHERE holder.status = 'running' AND holder.lock_key = jobs.lock_key
    ) AND NOT EXISTS (
    SELECT 1 FROM jobs AS keeper INDEXED BY idx_jobs_kept_locks
    WHERE keeper.status = 'queued' AND keeper.keeps_lock = 1 AND keeper.lock_key = jobs.lock_key
        AND keeper.rowid <> jobs.rowid AND (jobs.keeps_lock = 0 OR keeper.rowid < jobs.rowid)))"""
"""Condition: no other job holds this job's lock, running or while it is snoozed."""


def _job_json(due: str) -> str:
    """Returns the expression for a job; `due` is what it waits for if it is due and its lock is free."""
    return row_json(
        Job,
        waiting_for=f"""CASE WHEN status NOT IN ('queued', 'running') THEN NULL
            WHEN status = 'running' THEN waiting_for
            WHEN NOT {FREE} THEN 'lock'
            WHEN is_due = 0 THEN waiting_for ELSE {due} END""",
        cancel_requested="cancel_requested_at IS NOT NULL",
        payload="json(payload_json)",
        result="json(result_json)",
        error="json(error_json)",
    )


JOB_JSON: Final = _job_json("waiting_for")
READ_JOB_JSON: Final = _job_json("iif((SELECT paused_at FROM job_queue) IS NULL, 'capacity', 'pause')")
"""The same for the answers of requests: with the reason why a due job does not run yet."""

RUNNING: Final = "status = 'running'"
UNFINISHED: Final = "status IN ('queued', 'running')"
# The indexes are named because SQLite, without statistics, would read all queued jobs instead.
DUE: Final = "FROM jobs INDEXED BY idx_jobs_due WHERE status = 'queued' AND is_due = 1"
DELAYED: Final = "FROM jobs INDEXED BY idx_jobs_delayed WHERE status = 'queued' AND is_due = 0"
LOG_LINE_JSON: Final = row_json(JobLogLine, line_id="event_id", meta="json(meta_json)")
INSERT: Final = f"""
    INSERT INTO jobs (status, created_at, updated_at, is_due, job_id, type, payload_json, priority, run_at,
        idempotency_key, max_attempts, lock_key, schedule_id)
    VALUES ('queued', :now, :now, :run_at IS NULL OR :run_at <= :now, :job_id, :type, :payload_json, :priority, :run_at,
        :idempotency_key, :max_attempts, :lock_key, :schedule_id)
    ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING {JOB_JSON}
    """  # a constant: the cache of statements looks it up by its hash, which a string keeps

_JOBS: Final = PagedList(Job, "jobs", READ_JOB_JSON, {"rowid": int}, descending=True)
_VERSION: Final = "CASE WHEN status <> 'queued' OR (is_due = 0 AND lock_key IS NULL) THEN version END"
"""NULL for a job whose `waiting_for` depends on other jobs or on the queue."""
_LOG: Final = PagedList(JobLogLine, "job_events", LOG_LINE_JSON, {"rowid": int})


class ClaimedJob(NamedTuple):
    """A job that this process has started."""

    job_id: str
    type: str
    payload: str
    attempt: int
    max_attempts: int
    snoozed_ms: int
    encoded: Encoded[Job]


class JobState(NamedTuple):
    """How far a job is; the last two are a text of its result, and its error without details as JSON."""

    status: str
    started_at: str | None
    ended_at: str | None
    text: str | None
    error_json: str | None


class Orphan(NamedTuple):
    """A job that an earlier process left running."""

    job_id: str
    type: str
    cancel_requested: bool
    recoveries: int


class LogSize(NamedTuple):
    """The size of a job's log; `full` if further lines are dropped."""

    lines: int
    bytes: int
    full: bool


class JobsStore:
    """All statements about jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = RowCache(database, "jobs", "rowid", READ_JOB_JSON, _VERSION)

    def insert(self, now: str, **columns: object) -> Encoded[Job] | None:
        """Returns the new job, or None if its idempotency key is taken."""
        return self._job(INSERT, now=now, **columns)

    def by_idempotency_key(self, key: str | None) -> Encoded[Job] | None:
        return self._job(f"SELECT {JOB_JSON} FROM jobs WHERE idempotency_key = ?", key)

    def get(self, job_id: str) -> Encoded[Job] | None:
        return self._job(f"SELECT {READ_JOB_JSON} FROM jobs WHERE job_id = ?", job_id)

    def page(
        self, status: str | None, job_type: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[Job]], str | None]:
        return _JOBS.page(self._database, limit, cursor, equal={"status": status, "type": job_type}, cache=self._cache)

    def request_cancel(self, job_id: str, now: str) -> Encoded[Job] | None:
        """Cancels a queued job or marks a running one.  Returns None if it is neither, or was marked before."""
        return self._change(
            job_id,
            now,
            """
            cancel_requested_at = :now, finished_at = iif(status = 'queued', :now, finished_at),
            status = iif(status = 'queued', 'cancelled', status)
            """,
            f"{UNFINISHED} AND cancel_requested_at IS NULL",
        )

    def mark_due(self, now: str) -> None:
        self._database.execute(
            "UPDATE jobs SET is_due = 1 WHERE status = 'queued' AND is_due = 0 AND run_at <= ?", (now,)
        )

    def has_newly_due(self, now: str) -> bool:
        return self._database.row(f"SELECT 1 {DELAYED} AND run_at <= ? LIMIT 1", (now,)) is not None

    def next_due(self, full_types: list[str]) -> str | None:
        """Returns the next job to run, except of `full_types`; None if there is none or the queue is paused.

        The first job of each type is looked up separately, so that ten thousand jobs of a full type cost one lookup.
        """
        if self.paused_at() is not None:
            return None
        job_id: str | None = self._database.value(
            f"""
            WITH RECURSIVE kinds (kind) AS (
                SELECT min(type) {DUE}
                UNION ALL
                SELECT (SELECT min(type) {DUE} AND type > kind) FROM kinds WHERE kind IS NOT NULL)
            SELECT jobs.job_id FROM (
                SELECT (SELECT job_id {DUE} AND type = kind AND {FREE}
                        ORDER BY priority DESC, rowid LIMIT 1) AS job_id
                FROM kinds WHERE kind IS NOT NULL AND kind NOT IN ({", ".join("?" * len(full_types))})) AS firsts
            JOIN jobs ON jobs.job_id = firsts.job_id
            ORDER BY priority DESC, jobs.rowid LIMIT 1
            """,
            full_types,
        )
        return job_id

    def claim(self, job_id: str, boot_id: str, now: str) -> ClaimedJob | None:
        row = self._database.row(
            f"""
            UPDATE jobs SET
                status = 'running', boot_id = ?, started_at = ?, updated_at = ?, version = version + 1,
                attempt = attempt + 1, waiting_for = NULL
            WHERE job_id = ? AND status = 'queued'
            RETURNING job_id, type, coalesce(payload_json, 'null'), attempt, max_attempts, snoozed_ms, {JOB_JSON}
            """,
            (boot_id, now, now, job_id),
        )
        return None if row is None else ClaimedJob._make((*row[:-1], Encoded(Job, row[-1])))

    def next_run_at(self) -> str | None:
        run_at: str | None = self._database.value(f"SELECT min(run_at) {DELAYED}")
        return run_at

    def finish(
        self, job_id: str, status: str, message: str | None, *, result: str | None, error: str | None, now: str
    ) -> Encoded[Job] | None:
        changes = """
            status = :status, message = coalesce(:message, message), result_json = :result, error_json = :error,
            progress = iif(:status = 'succeeded', 1.0, progress), finished_at = :now"""
        return self._change(job_id, now, changes, status=status, message=message, result=result, error=error)

    def set_progress(self, job_id: str, progress: float | None, message: str | None, now: str) -> None:
        changes = "progress = :progress, message = coalesce(:message, message)"
        self._change(job_id, now, changes, progress=progress, message=message)

    def wait_for(self, job_id: str, what: str | None, now: str) -> Encoded[Job] | None:
        return self._change(job_id, now, "waiting_for = :what", what=what)

    def requeue(
        self,
        job_id: str,
        now: str,
        message: str,
        *,
        run_at: str | None = None,
        delay_ms: int | None = None,
        waiting_for: str | None = None,
        error: str | None = None,
        recovered: bool = False,
        keeps_lock: bool = False,
    ) -> Encoded[Job] | None:
        """Returns a running job to the queue; None if it is not running, or its cancellation was requested.

        Only a run that ended with an error uses up an attempt.  A job that waits without an error is snoozed.
        """
        changes = """
            status = 'queued', run_at = :run_at, is_due = :run_at IS NULL, delay_ms = :delay_ms,
            waiting_for = :waiting_for, keeps_lock = :keeps_lock,
            message = :message, error_json = coalesce(:error, error_json),
            boot_id = NULL, started_at = NULL, progress = 0.0,
            attempt = attempt - iif(:error IS NULL, 1, 0), recoveries = recoveries + :recovered,
            snoozed_ms = snoozed_ms + iif(:error IS NULL, coalesce(:delay_ms, 0), 0)"""
        wait = {"run_at": run_at, "delay_ms": delay_ms, "waiting_for": waiting_for}
        values = {"message": message, "error": error, **wait}
        condition = f"{RUNNING} AND cancel_requested_at IS NULL"
        return self._change(job_id, now, changes, condition, recovered=recovered, keeps_lock=keeps_lock, **values)

    def rerun(self, job_id: str, now: str) -> Encoded[Job] | None:
        """Queues a finished job as if it had never run.  Returns None if it is not finished."""
        changes = """
            status = 'queued', run_at = NULL, is_due = 1, delay_ms = NULL, attempt = 0, recoveries = 0, progress = 0.0,
            started_at = NULL, finished_at = NULL, cancel_requested_at = NULL, waiting_for = NULL,
            snoozed_ms = 0, keeps_lock = 0, boot_id = NULL, message = NULL, result_json = NULL, error_json = NULL"""
        return self._change(job_id, now, changes, f"NOT {UNFINISHED}")

    def end_wait(self, job_id: str, now: str) -> Encoded[Job] | None:
        """Makes a job due whose delay the queue chose.  Returns None if it does not wait for such a delay."""
        changes = "run_at = NULL, is_due = 1, delay_ms = NULL, waiting_for = NULL"
        return self._change(job_id, now, changes, "status = 'queued' AND is_due = 0 AND delay_ms IS NOT NULL")

    def limit_waits(self, now_ms: int) -> list[Encoded[Job]]:
        """Moves the next tries that lie further ahead than their delays; returns their jobs."""
        latest = "strftime('%Y-%m-%dT%H:%M:%fZ', (:now_ms + delay_ms) / 1000.0, 'unixepoch')"
        return self._database.all_encoded(
            Job,
            f"""
            UPDATE jobs INDEXED BY idx_jobs_delayed SET run_at = {latest}, updated_at = :now, version = version + 1
            WHERE status = 'queued' AND is_due = 0 AND run_at > {latest} RETURNING {JOB_JSON}
            """,
            {"now_ms": now_ms, "now": iso(now_ms)},
        )

    def set_lock_key(self, job_id: str, key: str) -> None:
        self._database.execute("UPDATE jobs SET lock_key = ? WHERE job_id = ? AND status = 'running'", (key, job_id))

    def with_lock_key(self, lock_key: str, statuses: Sequence[str]) -> list[str]:
        """Returns the jobs with this lock and status; one that keeps the lock while it is snoozed counts as running."""
        return self._database.values(
            f"""
            SELECT job_id FROM jobs WHERE lock_key = ? AND status IN ('queued', 'running')
                AND iif(keeps_lock = 1, 'running', status) IN ({", ".join("?" * len(statuses))})
            """,
            (lock_key, *statuses),
        )

    def is_kept(self, lock_key: str) -> bool:
        """Returns whether a snoozed job keeps this lock."""
        sql = "SELECT 1 FROM jobs WHERE status = 'queued' AND keeps_lock = 1 AND lock_key = ? LIMIT 1"
        return self._database.value(sql, (lock_key,)) is not None

    def orphans(self, boot_id: str) -> list[Orphan]:
        rows = self._database.rows(
            """
            SELECT job_id, type, cancel_requested_at IS NOT NULL, recoveries FROM jobs
            WHERE status = 'running' AND boot_id IS NOT ? ORDER BY rowid
            """,
            (boot_id,),
        )
        return [Orphan._make(row) for row in rows]

    def get_live(self, job_id: str | None) -> Encoded[Job] | None:
        return self._job(f"SELECT {JOB_JSON} FROM jobs WHERE job_id = ? AND status IN ('queued', 'running')", job_id)

    def paused_at(self) -> str | None:
        paused_at: str | None = self._database.value("SELECT paused_at FROM job_queue")
        return paused_at

    def set_paused_at(self, moment: str | None) -> None:
        self._database.execute("UPDATE job_queue SET paused_at = ?", (moment,))

    def seen_at(self) -> str | None:
        """Returns when the worker last looked for due schedules, as far as that was stored."""
        seen_at: str | None = self._database.value("SELECT seen_at FROM job_queue")
        return seen_at

    def set_seen_at(self, now: str) -> None:
        self._database.execute("UPDATE job_queue SET seen_at = ?", (now,))

    def state(self, job_id: str, answer: str | None) -> JobState:
        """Returns what a schedule's run follows; `answer` is the member of the result that is shown."""
        row = self._database.row(
            """
            SELECT status, started_at, finished_at, json_extract(result_json, '$.' || ?),
                json_remove(error_json, '$.details')
            FROM jobs WHERE job_id = ?
            """,
            (answer, job_id),
        )
        assert row is not None  # it has just been changed
        return JobState._make(row)

    def sizes(self, older_than: PruneKey | None, limit: int) -> list[tuple[PruneKey, int]]:
        """Returns the keys of finished jobs, latest first, with their sizes in bytes, including their logs."""
        rows = self._database.rows(
            f"""
            SELECT updated_at, job_id,
                coalesce(length(CAST(payload_json AS BLOB)), 0) + coalesce(length(CAST(result_json AS BLOB)), 0) +
                (SELECT coalesce(sum(length(message) + coalesce(length(meta_json), 0)), 0)
                 FROM job_events WHERE job_events.job_id = jobs.job_id)
            FROM jobs INDEXED BY idx_jobs_finished
            WHERE status NOT IN ('queued', 'running') {"AND (updated_at, job_id) < (?, ?)" if older_than else ""}
            ORDER BY updated_at DESC, job_id DESC LIMIT ?
            """,
            (*(older_than or ()), limit),
        )
        return [((moment, job_id), size) for moment, job_id, size in rows]

    def prune(self, up_to: PruneKey, limit: int) -> int:
        """Deletes finished jobs up to a key, oldest first, with their logs.  Returns their number."""
        self._cache.clear()  # a new job can get the rowid of the newest one
        job_ids = self._database.values(
            """
            DELETE FROM jobs WHERE job_id IN (
                SELECT job_id FROM jobs INDEXED BY idx_jobs_finished
                WHERE status NOT IN ('queued', 'running') AND (updated_at, job_id) <= (?, ?)
                ORDER BY updated_at, job_id LIMIT ?)
            RETURNING job_id
            """,
            (*up_to, limit),
        )
        for job_id in job_ids:
            self._database.execute("DELETE FROM job_events WHERE job_id = ?", (job_id,))
        return len(job_ids)

    def existing(self, job_ids: Collection[str]) -> set[str]:
        sql = "SELECT job_id FROM jobs WHERE job_id IN (SELECT value FROM json_each(?))"
        return set(self._database.values(sql, (to_json(list(job_ids)).decode(),)))

    def counts(self) -> dict[str, int]:
        return dict(self._database.rows("SELECT status, count(*) FROM jobs GROUP BY status"))

    def add_log_line(
        self, line_id: str, job_id: str, now: str, level: str, message: str, meta: bytes | None
    ) -> Encoded[JobLogLine]:
        line = self._database.encoded(
            JobLogLine,
            f"""
            INSERT INTO job_events (event_id, job_id, created_at, level, message, meta_json) VALUES (?, ?, ?, ?, ?, ?)
            RETURNING {LOG_LINE_JSON}
            """,
            (line_id, job_id, now, level, message, None if meta is None else meta.decode()),
        )
        assert line is not None  # an INSERT returns its row
        return line

    def log_size(self, job_id: str, full_message: str) -> LogSize:
        """Returns the size of a job's log, and whether it contains a line with the message `full_message`."""
        row = self._database.row(
            """
            SELECT count(*), coalesce(sum(length(message) + coalesce(length(meta_json), 0)), 0),
                coalesce(max(message = ?), 0)
            FROM job_events WHERE job_id = ?
            """,
            (full_message, job_id),
        )
        assert row is not None  # an aggregate always returns one row
        return LogSize(row[0], row[1], bool(row[2]))

    def log_page(self, job_id: str, limit: int, cursor: str | None) -> tuple[list[Encoded[JobLogLine]], str | None]:
        """Returns lines of a job's log, oldest first, and the cursor of the next page."""
        return _LOG.page(self._database, limit, cursor, equal={"job_id": job_id}, list_id=job_id)

    def _change(
        self, job_id: str, now: str, changes: str, condition: str = RUNNING, **values: object
    ) -> Encoded[Job] | None:
        """Changes a job and returns it; returns None if it does not meet the condition."""
        sql = f"""
            UPDATE jobs SET {changes}, updated_at = :now, version = version + 1
            WHERE job_id = :job_id AND {condition} RETURNING {JOB_JSON}"""
        return self._job(sql, now=now, job_id=job_id, **values)

    def _job(self, sql: str, *positional: object, **named: object) -> Encoded[Job] | None:
        return self._database.encoded(Job, sql, named or positional)
