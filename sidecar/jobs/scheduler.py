"""The scheduler: creates the jobs of schedules when they are due, by the wall clock.

Runs lie on a grid, `offset + n * period`, which restarts do not move, so that a period longer than any session of the
app still fires.  After standby, or if the clock was set forward, one job replaces all missed runs.
"""

import logging
import zlib
from collections.abc import Callable, Mapping

from pydantic import ValidationError
from sidecar_protocol.contract import Encoded, JobSpec, as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import Schedule, ScheduleList, ScheduleNotFound, Schedules, ScheduleUpdated

from sidecar.clock import iso, iso_now
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.schedules import SchedulesStore, StoredSchedule

log = logging.getLogger(__name__)


class Scheduler(Schedules):
    """Implements `jobs.schedules.*`, and creates due jobs.  `specs` returns every job type by name."""

    def __init__(
        self,
        schedules: SchedulesStore,
        journal: JobJournal,
        specs: Callable[[], Mapping[str, type[JobSpec]]],
        *,
        wake: Callable[[], None],
    ) -> None:
        self._schedules = schedules
        self._journal = journal
        self._jobs = journal.store
        self._database = journal.database
        self._clock = journal.clock
        self._notify = journal.notify
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

    def tick(self) -> str | None:
        now_ms = self._clock.now_ms()
        for schedule in self._schedules.due(iso(now_ms)):
            with self._database.write():
                self._set_next_run(schedule, now_ms)  # first, so that the notification of `_create_job` has it
                if self._jobs.get_live(schedule.last_job_id) is None:  # otherwise skip this run
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
            self._notify(ScheduleUpdated(schedule=updated.as_model()))
        self._wake()
        return updated.as_model()

    async def run(self, *, schedule_id: str) -> Job:
        return self.run_now(schedule_id).as_model()

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        schedule = self._get(schedule_id)
        if (live := self._jobs.get_live(schedule.last_job_id)) is not None:
            return live
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
        self._notify(ScheduleUpdated(schedule=updated.as_model()))
        return job

    def _set_next_run(self, schedule: StoredSchedule, now_ms: int) -> None:
        next_run_at = iso(after(now_ms, schedule.offset_ms, schedule.period_s))
        self._schedules.update(schedule.schedule_id, next_run_at)


def after(now_ms: int, offset_ms: int, period_s: int) -> int:
    """Returns the first point of the grid after now, in milliseconds since 1970."""
    period_ms = period_s * 1000
    return offset_ms + ((now_ms - offset_ms) // period_ms + 1) * period_ms
