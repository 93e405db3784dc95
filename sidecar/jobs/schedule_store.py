"""The table `job_schedules`.  Rows are returned as JSON in the form of `Schedule`."""

from datetime import datetime
from typing import Final, NamedTuple

from sidecar_protocol.contract import Encoded
from sidecar_protocol.jobs.schedules import MisfirePolicy, Schedule

from sidecar.jobs.timing import Grid, RuleTimes, Timing
from sidecar.storage.database import Database
from sidecar.storage.paging import row_json

SCHEDULE_JSON: Final = row_json(Schedule, payload="json(payload_json)", fixed="is_fixed")


class StoredSchedule(NamedTuple):
    """The columns of a schedule that the scheduler needs, by the names that they have in the table."""

    schedule_id: str
    type: str
    payload_json: str
    offset_ms: int
    title: str | None = None
    period_s: int | None = None
    rrule: str | None = None
    start: str | None = None
    time_zone: str | None = None
    misfire_policy: str = MisfirePolicy.RUN_ONCE
    is_fixed: bool = False
    enabled: bool = True
    next_run_at: str | None = None
    last_job_id: str | None = None
    postponed_at: str | None = None
    postponed_s: int = 0

    @property
    def timing(self) -> Timing:
        """When it is due."""
        start_ms = 0 if self.start is None else milliseconds(self.start)
        if self.rrule is not None:
            return RuleTimes(self.rrule, start_ms, self.time_zone or "UTC")
        assert self.period_s is not None  # a schedule has a rule or a period
        return Grid(self.period_s, self.offset_ms, start_ms)


_COLUMNS: Final = ", ".join(StoredSchedule._fields)
_PLACES: Final = ", ".join("?" * len(StoredSchedule._fields))


class SchedulesStore:
    """All statements about schedules."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, schedule: StoredSchedule) -> Encoded[Schedule]:
        """Adds a schedule, or replaces all but the last run of one with this id."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in StoredSchedule._fields if name != "last_job_id")
        return self._one(
            f"""
            INSERT INTO job_schedules ({_COLUMNS}) VALUES ({_PLACES})
            ON CONFLICT (schedule_id) DO UPDATE SET {changes} RETURNING {SCHEDULE_JSON}
            """,
            *schedule,
        )

    def remove(self, schedule_id: str) -> bool:
        """Deletes a schedule; returns whether there was one."""
        sql = "DELETE FROM job_schedules WHERE schedule_id = ? RETURNING 1"
        return bool(self._database.values(sql, (schedule_id,)))

    def get(self, schedule_id: str) -> StoredSchedule | None:
        return next(iter(self._select("schedule_id = ?", schedule_id)), None)

    def due(self, now: str) -> list[StoredSchedule]:
        return self._select("enabled = 1 AND next_run_at <= ? ORDER BY next_run_at", now)

    def enabled(self) -> list[StoredSchedule]:
        return self._select("enabled = 1 AND next_run_at IS NOT NULL")

    def count(self) -> int:
        """Returns the number of schedules that are not the sidecar's own."""
        return int(self._database.value("SELECT count(*) FROM job_schedules WHERE is_fixed = 0"))

    def next_run_at(self) -> str | None:
        next_run_at: str | None = self._database.value("SELECT min(next_run_at) FROM job_schedules WHERE enabled = 1")
        return next_run_at

    def set_last_run(self, schedule_id: str, job_id: str, now: str) -> Encoded[Schedule]:
        return self._one(
            f"""
            UPDATE job_schedules SET last_run_at = ?, last_job_id = ? WHERE schedule_id = ? RETURNING {SCHEDULE_JSON}
            """,
            now, job_id, schedule_id,
        )  # fmt: skip

    def all(self) -> list[Encoded[Schedule]]:
        return self._database.all_encoded(Schedule, f"SELECT {SCHEDULE_JSON} FROM job_schedules ORDER BY schedule_id")

    def _select(self, condition: str, *parameters: object) -> list[StoredSchedule]:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM job_schedules WHERE {condition}", parameters)
        return [StoredSchedule._make(row) for row in rows]

    def _one(self, sql: str, *parameters: object) -> Encoded[Schedule]:
        schedule = self._database.encoded(Schedule, sql, parameters)
        assert schedule is not None  # the statement writes the row that it returns
        return schedule


def milliseconds(moment: str) -> int:
    """Converts a stored time to milliseconds since 1970."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
