"""The scheduler: makes the jobs of schedules when their time comes, by the wall clock.

Runs lie on a grid, `anchor + n * period`, that no restart moves: a period longer than the app is ever open still
fires.  After a night's sleep or a clock that was set ahead, what was missed is made up for once.
"""

import logging
import zlib
from collections.abc import Callable, Mapping

from pydantic import ValidationError
from sidecar_protocol.contract import Encoded, JobSpec, Notification, as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.jobs import Schedule, ScheduleList, ScheduleNotFound, Schedules, ScheduleUpdated

from sidecar.clock import Clock, iso, iso_now
from sidecar.jobs.journal import JobJournal
from sidecar.jobs.schedules import SchedulesStore, StoredSchedule
from sidecar.jobs.store import JobsStore
from sidecar.storage.database import Database

log = logging.getLogger(__name__)


class Scheduler(Schedules):
    """Schedules, as the worker ticks them and as clients see them."""

    def __init__(
        self,
        database: Database,
        schedules: SchedulesStore,
        jobs: JobsStore,
        journal: JobJournal,
        specs: Callable[[], Mapping[str, type[JobSpec]]],
        *,
        clock: Clock,
        notify: Callable[[Notification], None],
        wake: Callable[[], None],
    ) -> None:
        """`specs` gives every job type, by name."""
        self._database = database
        self._schedules = schedules
        self._jobs = jobs
        self._journal = journal
        self._specs = specs
        self._clock = clock
        self._notify = notify
        self._wake = wake

    def ensure(self, schedule_id: str, spec: JobSpec, *, period_s: int, jitter_s: int = 0) -> None:
        """See to it that there is a schedule; one that its user has changed stays so.

        The grid's anchor is the epoch plus a share of `jitter_s` that the id decides, so that a hundred accounts do
        not all sync at the full hour.
        """
        if self._schedules.exists(schedule_id):
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
        """End a schedule."""
        with self._database.write():
            self._schedules.remove(schedule_id)

    def tick(self) -> str | None:
        """Make what is due; when the next one is."""
        now_ms = self._clock.now_ms()
        for schedule in self._schedules.due(iso(now_ms)):
            with self._database.write():
                self._move(schedule, now_ms)  # first: what `_make` tells of the schedule names its next run
                if not self._is_live(schedule):  # overlap: skip
                    self._make(schedule)
        for schedule in self._schedules.too_far_ahead(now_ms):
            with self._database.write():
                self._move(schedule, now_ms)
        return self._schedules.next_run_at()

    async def list(self) -> ScheduleList:
        return encode(ScheduleList, schedules=as_models(self._schedules.all())).as_model()

    async def update(self, *, schedule_id: str, enabled: bool | None = None, period_s: int | None = None) -> Schedule:
        schedule = self._get(schedule_id)
        period = schedule.period_s if period_s is None else period_s
        wanted = self._schedules.is_enabled(schedule_id) if enabled is None else enabled
        with self._database.write():
            self._schedules.change(schedule_id, enabled=wanted, period_s=period)
            next_run_at = iso(after(self._clock.now_ms(), schedule.offset_ms, period))
            changed = self._schedules.move(schedule_id, next_run_at)
            self._notify(ScheduleUpdated(schedule=changed.as_model()))
        self._wake()
        return changed.as_model()

    async def run(self, *, schedule_id: str) -> Job:
        return self.run_now(schedule_id).as_model()

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        """Creates the schedule's job now, or returns its previous job if that is still live."""
        schedule = self._get(schedule_id)
        if schedule.last_job_id is not None and self._is_live(schedule):
            live = self._jobs.get(schedule.last_job_id)
            assert live is not None
            return live
        with self._database.write():
            job = self._make(schedule)
        if job is None:
            raise ScheduleNotFound(hint="Its job type is not known to this version.")
        self._wake()
        return job

    def _get(self, schedule_id: str) -> StoredSchedule:
        schedule = self._schedules.get(schedule_id)
        if schedule is None:
            raise ScheduleNotFound
        return schedule

    def _is_live(self, schedule: StoredSchedule) -> bool:
        return schedule.last_job_id is not None and self._jobs.is_live(schedule.last_job_id)

    def _make(self, schedule: StoredSchedule) -> Encoded[Job] | None:
        spec = self._specs().get(schedule.type)
        try:
            wanted = spec.model_validate_json(schedule.payload) if spec is not None else None
        except ValidationError:
            wanted = None
        if wanted is None:
            log.warning("the schedule %s makes jobs that this version does not know", schedule.schedule_id)
            return None
        job, _ = self._journal.queue(wanted, schedule_id=schedule.schedule_id)
        stored = self._schedules.ran(schedule.schedule_id, job.load().job_id, iso_now(self._clock))
        self._notify(ScheduleUpdated(schedule=stored.as_model()))
        return job

    def _move(self, schedule: StoredSchedule, now_ms: int) -> None:
        self._schedules.move(schedule.schedule_id, iso(after(now_ms, schedule.offset_ms, schedule.period_s)))


def after(now_ms: int, offset_ms: int, period_s: int) -> int:
    """The first point of the grid after now, in milliseconds since 1970."""
    period_ms = period_s * 1000
    return offset_ms + ((now_ms - offset_ms) // period_ms + 1) * period_ms
