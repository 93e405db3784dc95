"""The table `job_schedules`."""

from typing import Final, NamedTuple

from sidecar_protocol.contract import Encoded
from sidecar_protocol.jobs import Schedule

from sidecar.storage.database import Database
from sidecar.storage.paging import row_json

SCHEDULE_JSON: Final = row_json(Schedule, payload="json(payload_json)")


class StoredSchedule(NamedTuple):
    """The columns of a schedule that the scheduler needs, by the names that they have in the table."""

    schedule_id: str
    type: str
    payload_json: str
    period_s: int
    offset_ms: int
    next_run_at: str
    last_job_id: str | None


_COLUMNS: Final = ", ".join(StoredSchedule._fields)


class SchedulesStore:
    """All statements about schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, schedule: StoredSchedule) -> None:
        self._database.execute(f"INSERT INTO job_schedules ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", schedule)

    def remove(self, schedule_id: str) -> None:
        self._database.execute("DELETE FROM job_schedules WHERE schedule_id = ?", (schedule_id,))

    def get(self, schedule_id: str) -> StoredSchedule | None:
        return next(iter(self._select("schedule_id = ?", schedule_id)), None)

    def due(self, now: str) -> list[StoredSchedule]:
        return self._select("enabled = 1 AND next_run_at <= ? ORDER BY next_run_at", now)

    def too_far_ahead(self, now_ms: int) -> list[StoredSchedule]:
        """Returns the schedules whose next run is more than a period away: the clock was set back."""
        return self._select(
            "enabled = 1 AND (julianday(next_run_at) - 2440587.5) * 86400 > ? / 1000.0 + period_s + 1", now_ms
        )

    def next_run_at(self) -> str | None:
        next_run_at: str | None = self._database.value("SELECT min(next_run_at) FROM job_schedules WHERE enabled = 1")
        return next_run_at

    def update(
        self, schedule_id: str, next_run_at: str, *, enabled: bool | None = None, period_s: int | None = None
    ) -> Encoded[Schedule]:
        return self._update(
            "next_run_at = ?, enabled = coalesce(?, enabled), period_s = coalesce(?, period_s)",
            next_run_at, enabled, period_s, schedule_id,
        )  # fmt: skip

    def set_last_run(self, schedule_id: str, job_id: str, now: str) -> Encoded[Schedule]:
        return self._update("last_run_at = ?, last_job_id = ?", now, job_id, schedule_id)

    def all(self) -> list[Encoded[Schedule]]:
        return self._database.all_encoded(Schedule, f"SELECT {SCHEDULE_JSON} FROM job_schedules ORDER BY schedule_id")

    def _select(self, condition: str, *parameters: object) -> list[StoredSchedule]:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM job_schedules WHERE {condition}", parameters)
        return [StoredSchedule._make(row) for row in rows]

    def _update(self, changes: str, *parameters: object) -> Encoded[Schedule]:
        updated = self._database.encoded(
            Schedule, f"UPDATE job_schedules SET {changes} WHERE schedule_id = ? RETURNING {SCHEDULE_JSON}", parameters
        )
        assert updated is not None  # the callers have just read the row
        return updated
