"""The scheduler: creates the jobs of schedules when they are due, by the wall clock.

Runs lie on a grid, `offset + n * period`, which restarts do not move, so that a period longer than any session of the
app still fires.  After standby, or if the clock was set forward, one job replaces all missed runs.
"""

import logging
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

from pydantic import ValidationError
from sidecar_protocol.contract import Encoded, JobSpec, as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import Schedule, ScheduleList, ScheduleNotFound, Schedules, ScheduleUpdated

from sidecar.clock import iso, iso_now
from sidecar.jobs.journal import JobJournal, JobTypes
from sidecar.storage.database import Database
from sidecar.storage.paging import row_json

log = logging.getLogger(__name__)

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
        """Returns the schedules whose next run is farther away than they allow: the clock was set back."""
        return self._select(
            """
            enabled = 1 AND (julianday(next_run_at) - 2440587.5) * 86400 > ? / 1000.0 + period_s + postponed_s + 1
            """,
            now_ms,
        )

    def next_run_at(self) -> str | None:
        next_run_at: str | None = self._database.value("SELECT min(next_run_at) FROM job_schedules WHERE enabled = 1")
        return next_run_at

    def update(
        self,
        schedule_id: str,
        next_run_at: str,
        *,
        enabled: bool | None = None,
        period_s: int | None = None,
        postponed_s: int = 0,
    ) -> Encoded[Schedule]:
        return self._update(
            "next_run_at = ?, enabled = coalesce(?, enabled), period_s = coalesce(?, period_s), postponed_s = ?",
            next_run_at, enabled, period_s, postponed_s, schedule_id,
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


class Scheduler(Schedules):
    """Implements `jobs.schedules.*`, and creates due jobs."""

    def __init__(self, journal: JobJournal, specs: JobTypes, *, wake: Callable[[], None]) -> None:
        self._schedules = SchedulesStore(journal.database)
        self._journal = journal
        self._database = journal.database
        self._clock = journal.clock
        self._specs = specs
        self._wake = wake

    def ensure(self, schedule_id: str, spec: JobSpec, *, period_s: int, jitter_s: int = 0) -> None:
        """Creates a schedule if there is none with this id; an existing one keeps the user's changes.

        The grid is offset by up to `jitter_s`, derived from the id, so that many accounts do not sync at once.
        """
        if self._schedules.get(schedule_id) is not None:
            return
        offset_ms = (zlib.crc32(schedule_id.encode()) % (jitter_s * 1000)) if jitter_s else 0
        next_run_at = iso(after(self._clock.now_ms(), offset_ms, period_s))
        payload = spec.json_bytes().decode()
        with self._database.write():
            self._schedules.add(
                StoredSchedule(schedule_id, spec.type, payload, period_s, offset_ms, next_run_at, last_job_id=None)
            )
        self._wake()

    def remove(self, schedule_id: str) -> None:
        with self._database.write():
            self._schedules.remove(schedule_id)

    def postpone(self, schedule_id: str, delay_s: int) -> str | None:
        """Leaves out a schedule's runs of the next `delay_s` seconds; with 0, undoes that.

        Returns the time of the next run, or None if the user has switched the schedule off.
        """
        schedule = self._get(schedule_id)
        with self._database.write():
            updated = self._set_next_run(schedule, self._clock.now_ms(), postponed_s=delay_s).load()
            if updated.next_run_at != schedule.next_run_at:
                self._journal.notify(ScheduleUpdated(schedule=updated))
        self._wake()
        return updated.next_run_at if updated.enabled else None

    def tick(self) -> str | None:
        now_ms = self._clock.now_ms()
        for schedule in self._schedules.due(iso(now_ms)):
            with self._database.write():
                self._set_next_run(schedule, now_ms)  # first, so that the notification of `_create_job` has it
                if self._journal.store.get_live(schedule.last_job_id) is None:  # otherwise skip this run
                    self._create_job(schedule)
        for schedule in self._schedules.too_far_ahead(now_ms):
            with self._database.write():
                self._set_next_run(schedule, now_ms)
        return self._schedules.next_run_at()

    async def list(self) -> ScheduleList:
        return encode(ScheduleList, schedules=as_models(self._schedules.all())).as_model()

    async def update(self, *, schedule_id: str, enabled: bool | None = None, period_s: int | None = None) -> Schedule:
        schedule = self._get(schedule_id)
        with self._database.write():
            next_run_at = iso(after(self._clock.now_ms(), schedule.offset_ms, period_s or schedule.period_s))
            updated = self._schedules.update(schedule_id, next_run_at, enabled=enabled, period_s=period_s)
            self._journal.notify(ScheduleUpdated(schedule=updated.as_model()))
        self._wake()
        return updated.as_model()

    async def run(self, *, schedule_id: str) -> Job:
        return self.run_now(schedule_id).as_model()

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        schedule = self._get(schedule_id)
        if (live := self._journal.store.get_live(schedule.last_job_id)) is not None:
            started = self._journal.end_wait(live.load().job_id)
            self._wake()
            return live if started is None else started
        with self._database.write():
            job = self._create_job(schedule)
        if job is None:
            raise ScheduleNotFound(hint="This version cannot run jobs of the schedule's type.")
        self._wake()
        return job

    def _get(self, schedule_id: str) -> StoredSchedule:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            raise ScheduleNotFound
        return schedule

    def _create_job(self, schedule: StoredSchedule) -> Encoded[Job] | None:
        try:
            spec = self._specs()[schedule.type].model_validate_json(schedule.payload_json)
        except (KeyError, ValidationError):
            log.warning("schedule %s is skipped: this version cannot run its jobs", schedule.schedule_id)
            return None
        job, _ = self._journal.enqueue(spec, schedule_id=schedule.schedule_id)
        updated = self._schedules.set_last_run(schedule.schedule_id, job.load().job_id, iso_now(self._clock))
        self._journal.notify(ScheduleUpdated(schedule=updated.as_model()))
        return job

    def _set_next_run(self, schedule: StoredSchedule, now_ms: int, *, postponed_s: int = 0) -> Encoded[Schedule]:
        next_run_at = iso(after(now_ms + postponed_s * 1000, schedule.offset_ms, schedule.period_s))
        return self._schedules.update(schedule.schedule_id, next_run_at, postponed_s=postponed_s)


def after(now_ms: int, offset_ms: int, period_s: int) -> int:
    """Returns the first point of the grid after now, in milliseconds since 1970."""
    period_ms = period_s * 1000
    return offset_ms + ((now_ms - offset_ms) // period_ms + 1) * period_ms
