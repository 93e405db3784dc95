"""The tables `jobs` and `job_events`.  Rows leave as JSON that SQLite made, which `Job` and `JobEvent` describe."""

from dataclasses import dataclass
from typing import Final

from sidecar.cursor import decode_cursor, encode_cursor
from sidecar.database import Database

JOB_JSON: Final = """json_object(
    'job_id', job_id, 'type', type, 'status', status,
    'created_at', created_at, 'updated_at', updated_at, 'started_at', started_at, 'finished_at', finished_at,
    'run_at', run_at, 'priority', priority, 'progress', progress, 'message', message,
    'cancel_requested', json(iif(cancel_requested_at IS NULL, 'false', 'true')),
    'payload', json(payload_json), 'result', json(result_json), 'error', json(error_json), 'version', version)"""

EVENT_JSON: Final = """json_object(
    'event_id', event_id, 'job_id', job_id, 'created_at', created_at, 'level', level, 'message', message,
    'meta', json(meta_json))"""


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a job is made from."""

    job_id: str
    type: str
    payload: bytes
    priority: int
    run_at: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job that this process has taken on."""

    job_id: str
    type: str
    payload: str
    json: bytes


class JobsStore:
    """Every statement about jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, job: NewJob, now: str) -> bytes | None:
        """A new queued job; None where its idempotency key is taken."""
        return self._json(
            f"""
            INSERT INTO jobs (job_id, type, status, created_at, updated_at, payload_json, priority, run_at,
                              idempotency_key)
            VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?)
            ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
            RETURNING {JOB_JSON}
            """,
            job.job_id, job.type, now, now, job.payload.decode(), job.priority, job.run_at, job.idempotency_key,
        )  # fmt: skip

    def by_idempotency_key(self, key: str) -> bytes | None:
        """The job that was made with this key."""
        return self._json(f"SELECT {JOB_JSON} FROM jobs WHERE idempotency_key = ?", key)

    def get(self, job_id: str) -> bytes | None:
        """One job."""
        return self._json(f"SELECT {JOB_JSON} FROM jobs WHERE job_id = ?", job_id)

    def page(
        self, status: str | None, job_type: str | None, limit: int, cursor: str | None
    ) -> tuple[list[bytes], str | None]:
        """Jobs, newest first, and the cursor of the next page."""
        conditions: list[str] = []
        parameters: list[str | int] = []
        if status is not None:
            conditions.append("status = ?")
            parameters.append(status)
        if job_type is not None:
            conditions.append("type = ?")
            parameters.append(job_type)
        if cursor is not None:
            conditions.append("(created_at, job_id) < (?, ?)")
            parameters.extend(decode_cursor(cursor, str))
        where = "WHERE " + " AND ".join(conditions) if conditions else ""
        rows, more = self._database.page(
            f"""
            SELECT {JOB_JSON}, created_at, job_id FROM jobs {where}
            ORDER BY created_at DESC, job_id DESC LIMIT ?
            """,
            (*parameters, limit + 1),
            limit,
        )
        return [row[0].encode() for row in rows], encode_cursor(rows[-1][1:]) if more else None

    def request_cancel(self, job_id: str, now: str) -> bytes | None:
        """Cancel a queued job, mark a running one; None where it is neither, or marked already."""
        return self._json(
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

    def claim(self, boot_id: str, now: str, full_types: list[str]) -> ClaimedJob | None:
        """The next due job, now running here; types that are at their limit are passed over."""
        job_id = self._next_due(now, full_types)
        if job_id is None:
            return None
        row = self._database.row(
            f"""
            UPDATE jobs SET status = 'running', boot_id = ?, started_at = ?, updated_at = ?, version = version + 1
            WHERE job_id = ? AND status = 'queued'
            RETURNING job_id, type, coalesce(payload_json, 'null'), {JOB_JSON}
            """,
            (boot_id, now, now, job_id),
        )
        return None if row is None else ClaimedJob(row[0], row[1], row[2], row[3].encode())

    def has_due(self, now: str, full_types: list[str]) -> bool:
        """Whether there is something to claim."""
        return self._next_due(now, full_types) is not None

    def _next_due(self, now: str, full_types: list[str]) -> str | None:
        """Two halves, each over an index of its own: thousands of jobs that wait for their time cost nothing.

        The indexes are named because SQLite, without statistics, would rather read all that is queued.
        """
        others = f"AND type NOT IN ({', '.join('?' * len(full_types))})" if full_types else ""
        row = self._database.row(
            f"""
            SELECT job_id FROM (
                SELECT * FROM (
                    SELECT priority, created_at, job_id FROM jobs INDEXED BY idx_jobs_ready
                    WHERE status = 'queued' AND run_at IS NULL {others}
                    ORDER BY priority DESC, created_at, job_id LIMIT 1)
                UNION ALL
                SELECT * FROM (
                    SELECT priority, created_at, job_id FROM jobs INDEXED BY idx_jobs_timed
                    WHERE status = 'queued' AND run_at <= ? {others}
                    ORDER BY priority DESC, created_at, job_id LIMIT 1))
            ORDER BY priority DESC, created_at, job_id LIMIT 1
            """,
            (*full_types, now, *full_types),
        )
        return None if row is None else row[0]

    def next_run_at(self, now: str) -> str | None:
        """When the next job that waits for its time is due."""
        row = self._database.row(
            "SELECT min(run_at) FROM jobs INDEXED BY idx_jobs_timed WHERE status = 'queued' AND run_at > ?", (now,)
        )
        return row[0] if row is not None else None

    def finish(
        self, job_id: str, status: str, message: str | None, *, result: str | None, error: str | None, now: str
    ) -> bytes | None:
        """A running job's end; None where it is not running."""
        return self._json(
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

    def orphans(self, boot_id: str) -> list[tuple[str, bool]]:
        """Jobs that another life of the process left running: (job_id, whether somebody wanted it cancelled)."""
        rows = self._database.rows(
            """
            SELECT job_id, cancel_requested_at IS NOT NULL FROM jobs
            WHERE status = 'running' AND boot_id IS NOT ? ORDER BY created_at, job_id
            """,
            (boot_id,),
        )
        return [(job_id, bool(cancelled)) for job_id, cancelled in rows]

    def counts(self) -> dict[str, int]:
        """Jobs by status."""
        return dict(self._database.rows("SELECT status, count(*) FROM jobs GROUP BY status"))

    def add_event(self, event_id: str, job_id: str, now: str, level: str, message: str, meta: bytes | None) -> bytes:
        """A line of the job's log."""
        line = self._json(
            f"""
            INSERT INTO job_events (event_id, job_id, created_at, level, message, meta_json) VALUES (?, ?, ?, ?, ?, ?)
            RETURNING {EVENT_JSON}
            """,
            event_id, job_id, now, level, message, None if meta is None else meta.decode(),
        )  # fmt: skip
        assert line is not None  # an INSERT returns its row
        return line

    def events(self, job_id: str, after: str | None, limit: int) -> tuple[list[bytes], bool]:
        """Lines of a job's log, oldest first, after one of them; and whether more follow."""
        rows, more = self._database.page(
            f"""
            SELECT {EVENT_JSON} FROM job_events
            WHERE job_id = :job_id AND (:after IS NULL OR (created_at, event_id) >
                (SELECT created_at, event_id FROM job_events WHERE event_id = :after AND job_id = :job_id))
            ORDER BY created_at, event_id LIMIT :limit
            """,
            {"job_id": job_id, "after": after, "limit": limit + 1},
            limit,
        )
        return [row[0].encode() for row in rows], more

    def _json(self, sql: str, *positional: object, **named: object) -> bytes | None:
        row = self._database.row(sql, named or positional)
        return None if row is None else row[0].encode()
