"""The tables `jobs` and `job_events`.  Rows leave as JSON that SQLite made, which `Job` and `JobLogLine` describe."""

from collections.abc import Sequence
from typing import Final

from sidecar_protocol.contract import Encoded
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import JobLogLine

from sidecar.jobs.records import ClaimedJob, LogSize, NewJob, Orphan, Requeued
from sidecar.storage.database import Database
from sidecar.storage.paging import PagedList

JOB_JSON: Final = """json_object(
    'job_id', job_id, 'type', type, 'status', status,
    'created_at', created_at, 'updated_at', updated_at, 'started_at', started_at, 'finished_at', finished_at,
    'run_at', run_at, 'priority', priority, 'progress', progress, 'message', message,
    'attempt', attempt, 'max_attempts', max_attempts, 'recoveries', recoveries, 'schedule_id', schedule_id,
    'waiting_for', CASE WHEN status NOT IN ('queued', 'running') THEN NULL
        WHEN status = 'running' OR lock_key IS NULL THEN waiting_for
        WHEN EXISTS (SELECT 1 FROM jobs AS holder WHERE holder.status = 'running' AND holder.lock_key = jobs.lock_key)
        THEN 'lock' ELSE waiting_for END,
    'cancel_requested', json(iif(cancel_requested_at IS NULL, 'false', 'true')),
    'payload', json(payload_json), 'result', json(result_json), 'error', json(error_json), 'version', version)"""

# The indexes are named because SQLite, without statistics, would rather read all that is queued.
DUE: Final = "FROM jobs INDEXED BY idx_jobs_due WHERE status = 'queued' AND is_due = 1"
DELAYED: Final = "FROM jobs INDEXED BY idx_jobs_delayed WHERE status = 'queued' AND is_due = 0"
FREE: Final = """(lock_key IS NULL OR NOT EXISTS (
    SELECT 1 FROM jobs AS holder INDEXED BY idx_jobs_locks
    WHERE holder.status = 'running' AND holder.lock_key = jobs.lock_key))"""
"""Whether nobody has what a job must have for itself."""

LOG_LINE_JSON: Final = """json_object(
    'line_id', event_id, 'job_id', job_id, 'created_at', created_at, 'level', level, 'message', message,
    'meta', json(meta_json))"""

_JOBS: Final = PagedList(Job, "jobs", JOB_JSON, {"created_at": str, "job_id": str}, descending=True)
_LOG: Final = PagedList(JobLogLine, "job_events", LOG_LINE_JSON, {"rowid": int})

PruneKey = tuple[str, str]
"""The sort key of finished jobs in the order of pruning: (updated_at, job_id)."""


class JobsStore:
    """Every statement about jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, job: NewJob, now: str) -> Encoded[Job] | None:
        """A new queued job; None where its idempotency key is taken."""
        return self._job(
            f"""
            INSERT INTO jobs (job_id, type, status, created_at, updated_at, payload_json, priority, run_at,
                              idempotency_key, max_attempts, lock_key, schedule_id, is_due)
            VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
            RETURNING {JOB_JSON}
            """,
            job.job_id, job.type, now, now, job.payload.decode(), job.priority, job.run_at, job.idempotency_key,
            job.max_attempts, job.lock_key, job.schedule_id, job.run_at is None or job.run_at <= now,
        )  # fmt: skip

    def by_idempotency_key(self, key: str) -> Encoded[Job] | None:
        """The job that was made with this key."""
        return self._job(f"SELECT {JOB_JSON} FROM jobs WHERE idempotency_key = ?", key)

    def get(self, job_id: str) -> Encoded[Job] | None:
        """One job."""
        return self._job(f"SELECT {JOB_JSON} FROM jobs WHERE job_id = ?", job_id)

    def page(
        self, status: str | None, job_type: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[Job]], str | None]:
        """Jobs, newest first, and the cursor of the next page."""
        return _JOBS.page(self._database, limit, cursor, equal={"status": status, "type": job_type})

    def request_cancel(self, job_id: str, now: str) -> Encoded[Job] | None:
        """Cancel a queued job, mark a running one; None where it is neither, or marked already."""
        return self._job(
            f"""
            UPDATE jobs SET
                cancel_requested_at = :now, updated_at = :now, version = version + 1,
                finished_at = iif(status = 'queued', :now, finished_at),
                status = iif(status = 'queued', 'cancelled', status)
            WHERE job_id = :job_id AND status IN ('queued', 'running') AND cancel_requested_at IS NULL
            RETURNING {JOB_JSON}
            """,
            now=now, job_id=job_id,
        )  # fmt: skip

    def ripen(self, now: str) -> None:
        """Make ready what has waited for a time that has come."""
        self._database.execute(
            "UPDATE jobs SET is_due = 1 WHERE status = 'queued' AND is_due = 0 AND run_at <= ?", (now,)
        )

    def has_ripe(self, now: str) -> bool:
        """Whether `ripen` would change something."""
        return self._database.row(f"SELECT 1 {DELAYED} AND run_at <= ? LIMIT 1", (now,)) is not None

    def next_ready(self, full_types: list[str]) -> str | None:
        """The next job to run; None while the queue is paused, or where types that are at their limit are all there is.

        It looks up the first of each type, so that ten thousand jobs of a type that is at its limit cost one look.
        """
        if self.paused_at() is not None:
            return None
        row = self._database.row(
            f"""
            WITH RECURSIVE kinds (kind) AS (
                SELECT min(type) {DUE}
                UNION ALL
                SELECT (SELECT min(type) {DUE} AND type > kind) FROM kinds WHERE kind IS NOT NULL)
            SELECT jobs.job_id FROM (
                SELECT (SELECT job_id {DUE} AND type = kind AND {FREE}
                        ORDER BY priority DESC, created_at, job_id LIMIT 1) AS job_id
                FROM kinds WHERE kind IS NOT NULL AND kind NOT IN ({", ".join("?" * len(full_types))})) AS firsts
            JOIN jobs ON jobs.job_id = firsts.job_id
            ORDER BY priority DESC, created_at, jobs.job_id LIMIT 1
            """,
            full_types,
        )
        return row[0] if row is not None else None

    def claim(self, job_id: str, boot_id: str, now: str) -> ClaimedJob | None:
        """A queued job, now running here; None where it is no longer queued."""
        row = self._database.row(
            f"""
            UPDATE jobs SET
                status = 'running', boot_id = ?, started_at = ?, updated_at = ?, version = version + 1,
                attempt = attempt + 1, waiting_for = NULL
            WHERE job_id = ? AND status = 'queued'
            RETURNING type, coalesce(payload_json, 'null'), attempt, max_attempts, {JOB_JSON}, first_snoozed_at
            """,
            (boot_id, now, now, job_id),
        )
        if row is None:
            return None
        job_type, payload, attempt, max_attempts, encoded, first_snoozed_at = row
        return ClaimedJob(
            job_id, job_type, payload, attempt, max_attempts, Encoded(Job, encoded.encode()), first_snoozed_at
        )

    def next_run_at(self) -> str | None:
        """When the next job that waits for its time is due."""
        row = self._database.row(f"SELECT min(run_at) {DELAYED}")
        return row[0] if row is not None else None

    def finish(
        self, job_id: str, status: str, message: str | None, *, result: str | None, error: str | None, now: str
    ) -> Encoded[Job] | None:
        """A running job's end; None where it is not running."""
        return self._job(
            f"""
            UPDATE jobs SET
                status = :status, message = coalesce(:message, message), result_json = :result, error_json = :error,
                progress = iif(:status = 'succeeded', 1.0, progress),
                finished_at = :now, updated_at = :now, version = version + 1
            WHERE job_id = :job_id AND status = 'running'
            RETURNING {JOB_JSON}
            """,
            job_id=job_id, status=status, message=message, result=result, error=error, now=now,
        )  # fmt: skip

    def set_progress(self, job_id: str, progress: float | None, message: str | None, now: str) -> None:
        """How far a running job is."""
        self._database.execute(
            """
            UPDATE jobs SET progress = ?, message = coalesce(?, message), updated_at = ?, version = version + 1
            WHERE job_id = ? AND status = 'running'
            """,
            (progress, message, now, job_id),
        )

    def wait_for(self, job_id: str, what: str | None, now: str) -> Encoded[Job] | None:
        """What a running job waits for; None where it is not running."""
        return self._job(
            f"""
            UPDATE jobs SET waiting_for = ?, updated_at = ?, version = version + 1
            WHERE job_id = ? AND status = 'running' RETURNING {JOB_JSON}
            """,
            what, now, job_id,
        )  # fmt: skip

    def requeue(self, job_id: str, back: Requeued, now: str) -> Encoded[Job] | None:
        """A running job back into the queue; None where it is not running, or somebody wants it cancelled."""
        return self._job(
            f"""
            UPDATE jobs SET
                status = 'queued', run_at = :run_at, is_due = :run_at IS NULL, waiting_for = :waiting_for,
                message = :message,
                error_json = coalesce(:error, error_json), boot_id = NULL, started_at = NULL, progress = 0.0,
                attempt = attempt - iif(:spent, 0, 1), recoveries = recoveries + iif(:recovered, 1, 0),
                first_snoozed_at = iif(:snoozed, coalesce(first_snoozed_at, :now), first_snoozed_at),
                updated_at = :now, version = version + 1
            WHERE job_id = :job_id AND status = 'running' AND cancel_requested_at IS NULL
            RETURNING {JOB_JSON}
            """,
            job_id=job_id, run_at=back.run_at, waiting_for=back.waiting_for, message=back.message, error=back.error,
            spent=back.spent, recovered=back.recovered, snoozed=back.snoozed, now=now,
        )  # fmt: skip

    def rerun(self, job_id: str, now: str) -> Encoded[Job] | None:
        """A finished job into the queue, as if it had never run; None where it is not finished."""
        return self._job(
            f"""
            UPDATE jobs SET
                status = 'queued', run_at = NULL, is_due = 1,
                attempt = 0, recoveries = 0, progress = 0.0, started_at = NULL,
                finished_at = NULL, cancel_requested_at = NULL, waiting_for = NULL, first_snoozed_at = NULL,
                boot_id = NULL, message = NULL, result_json = NULL, error_json = NULL,
                updated_at = ?, version = version + 1
            WHERE job_id = ? AND status NOT IN ('queued', 'running')
            RETURNING {JOB_JSON}
            """,
            now, job_id,
        )  # fmt: skip

    def lock(self, job_id: str, key: str) -> None:
        """Give a running job a key."""
        self._database.execute("UPDATE jobs SET lock_key = ? WHERE job_id = ? AND status = 'running'", (key, job_id))

    def holders(self, lock_key: str, statuses: Sequence[str]) -> list[str]:
        """The jobs with this key that have one of these statuses."""
        rows = self._database.rows(
            f"SELECT job_id FROM jobs WHERE status IN ({', '.join('?' * len(statuses))}) AND lock_key = ?",
            (*statuses, lock_key),
        )
        return [row[0] for row in rows]

    def orphans(self, boot_id: str) -> list[Orphan]:
        """Jobs that another life of the process left running."""
        rows = self._database.rows(
            """
            SELECT job_id, type, cancel_requested_at IS NOT NULL, recoveries FROM jobs
            WHERE status = 'running' AND boot_id IS NOT ? ORDER BY created_at, job_id
            """,
            (boot_id,),
        )
        return [Orphan(job_id, job_type, bool(cancelled), count) for job_id, job_type, cancelled, count in rows]

    def is_live(self, job_id: str) -> bool:
        """Whether a job is queued or running."""
        found = self._database.row("SELECT 1 FROM jobs WHERE job_id = ? AND status IN ('queued', 'running')", (job_id,))
        return found is not None

    def paused_at(self) -> str | None:
        """Since when no job is started; None: jobs are started."""
        row = self._database.row("SELECT paused_at FROM job_queue")
        return row[0] if row is not None else None

    def set_paused_at(self, moment: str | None) -> None:
        """Pause the queue, or resume it."""
        self._database.execute("UPDATE job_queue SET paused_at = ?", (moment,))

    def sizes(self, older_than: PruneKey | None, limit: int) -> list[tuple[PruneKey, int]]:
        """Finished jobs, the latest first: where each stands, and its bytes with its log."""
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

    def forget(self, up_to: PruneKey, limit: int) -> int:
        """Delete finished jobs up to this one, the oldest first, with their logs; how many."""
        rows = self._database.rows(
            """
            DELETE FROM jobs WHERE job_id IN (
                SELECT job_id FROM jobs INDEXED BY idx_jobs_finished
                WHERE status NOT IN ('queued', 'running') AND (updated_at, job_id) <= (?, ?)
                ORDER BY updated_at, job_id LIMIT ?)
            RETURNING job_id
            """,
            (*up_to, limit),
        )
        for row in rows:
            self._database.execute("DELETE FROM job_events WHERE job_id = ?", row)
        return len(rows)

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        return dict(self._database.rows("SELECT status, count(*) FROM jobs GROUP BY status"))

    def add_log_line(
        self, event_id: str, job_id: str, now: str, level: str, message: str, meta: bytes | None
    ) -> Encoded[JobLogLine]:
        """A line of the job's log."""
        row = self._database.row(
            f"""
            INSERT INTO job_events (event_id, job_id, created_at, level, message, meta_json) VALUES (?, ?, ?, ?, ?, ?)
            RETURNING {LOG_LINE_JSON}
            """,
            (event_id, job_id, now, level, message, None if meta is None else meta.decode()),
        )
        assert row is not None  # an INSERT returns its row
        return Encoded(JobLogLine, row[0].encode())

    def log_size(self, job_id: str, full: str) -> LogSize:
        """How much log a job has, and whether it holds the line `full`."""
        row = self._database.row(
            """
            SELECT count(*), coalesce(sum(length(message) + coalesce(length(meta_json), 0)), 0),
                coalesce(max(message = ?), 0)
            FROM job_events WHERE job_id = ?
            """,
            (full, job_id),
        )
        assert row is not None  # an aggregate has always one
        return LogSize(row[0], row[1], bool(row[2]))

    def log_page(self, job_id: str, limit: int, cursor: str | None) -> tuple[list[Encoded[JobLogLine]], str | None]:
        """Lines of a job's log, oldest first, and the cursor of the next page.

        Sorted by rowid, not by time: the clock may have been set back.
        """
        return _LOG.page(self._database, limit, cursor, equal={"job_id": job_id}, list_id=job_id)

    def _job(self, sql: str, *positional: object, **named: object) -> Encoded[Job] | None:
        row = self._database.row(sql, named or positional)
        return None if row is None else Encoded(Job, row[0].encode())
