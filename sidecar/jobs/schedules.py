"""The table `job_schedules`."""

from dataclasses import dataclass
from typing import Final

from sidecar_protocol.contract import Encoded
from sidecar_protocol.jobs import Schedule

from sidecar.storage.database import Database

SCHEDULE_JSON: Final = """json_object(
    'schedule_id', schedule_id, 'type', type, 'payload', json(payload_json), 'period_s', period_s,
    'enabled', json(iif(enabled, 'true', 'false')), 'next_run_at', next_run_at, 'last_run_at', last_run_at,
    'last_job_id', last_job_id)"""


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """The columns of a schedule that the scheduler needs."""

    schedule_id: str
    type: str
    payload: str
    period_s: int
    offset_ms: int
    next_run_at: str
    last_job_id: str | None


_COLUMNS = "schedule_id, type, payload_json, period_s, offset_ms, next_run_at, last_job_id"


class SchedulesStore:
    """All statements about schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, schedule: StoredSchedule) -> None:
        """Adds a schedule, unless one with this id exists."""
        self._database.execute(
            """
            INSERT INTO job_schedules (schedule_id, type, payload_json, period_s, offset_ms, next_run_at)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (schedule_id) DO NOTHING
            """,
            (
                schedule.schedule_id,
                schedule.type,
                schedule.payload,
                schedule.period_s,
                schedule.offset_ms,
                schedule.next_run_at,
            ),
        )

    def remove(self, schedule_id: str) -> None:
        self._database.execute("DELETE FROM job_schedules WHERE schedule_id = ?", (schedule_id,))

    def exists(self, schedule_id: str) -> bool:
        return self.get(schedule_id) is not None

    def get(self, schedule_id: str) -> StoredSchedule | None:
        row = self._database.row(f"SELECT {_COLUMNS} FROM job_schedules WHERE schedule_id = ?", (schedule_id,))
        return StoredSchedule(*row) if row is not None else None

    def due(self, now: str) -> list[StoredSchedule]:
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM job_schedules WHERE enabled = 1 AND next_run_at <= ? ORDER BY next_run_at", (now,)
        )
        return [StoredSchedule(*row) for row in rows]

    def too_far_ahead(self, now_ms: int) -> list[StoredSchedule]:
        """Returns the schedules whose next run is more than a period away: the clock was set back."""
        rows = self._database.rows(
            f"""
            SELECT {_COLUMNS} FROM job_schedules
            WHERE enabled = 1 AND (julianday(next_run_at) - 2440587.5) * 86400 > ? / 1000.0 + period_s + 1
            """,
            (now_ms,),
        )
        return [StoredSchedule(*row) for row in rows]

    def next_run_at(self) -> str | None:
        row = self._database.row("SELECT min(next_run_at) FROM job_schedules WHERE enabled = 1")
        return row[0] if row is not None else None

    def move(self, schedule_id: str, next_run_at: str) -> Encoded[Schedule]:
        return self._json("UPDATE job_schedules SET next_run_at = ?", (next_run_at,), schedule_id)

    def ran(self, schedule_id: str, job_id: str, now: str) -> Encoded[Schedule]:
        """Stores the job that the schedule has created."""
        return self._json("UPDATE job_schedules SET last_run_at = ?, last_job_id = ?", (now, job_id), schedule_id)

    def change(self, schedule_id: str, *, enabled: bool, period_s: int) -> Encoded[Schedule]:
        return self._json("UPDATE job_schedules SET enabled = ?, period_s = ?", (int(enabled), period_s), schedule_id)

    def is_enabled(self, schedule_id: str) -> bool:
        row = self._database.row("SELECT enabled FROM job_schedules WHERE schedule_id = ?", (schedule_id,))
        return row is not None and bool(row[0])

    def all(self) -> list[Encoded[Schedule]]:
        rows = self._database.rows(f"SELECT {SCHEDULE_JSON} FROM job_schedules ORDER BY schedule_id")
        return [Encoded(Schedule, row[0].encode()) for row in rows]

    def _json(self, update: str, parameters: tuple[object, ...], schedule_id: str) -> Encoded[Schedule]:
        row = self._database.row(
            f"{update} WHERE schedule_id = ? RETURNING {SCHEDULE_JSON}", (*parameters, schedule_id)
        )
        assert row is not None  # the callers have just read the row
        return Encoded(Schedule, row[0].encode())
