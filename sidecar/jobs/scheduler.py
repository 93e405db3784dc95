"""The scheduler: creates the jobs of schedules when they are due, by the wall clock, and records each time that passes.

A time of a schedule, the run that it is for and its job are written in one transaction, so a crash neither loses nor
doubles it.  After standby, or if the clock was set forward, one job replaces all missed times.
"""

import logging
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pydantic import ValidationError
from sidecar_protocol.contract import Encoded, JobSpec
from sidecar_protocol.entities import Job, WaitingFor
from sidecar_protocol.jobs.schedules import (
    MisfirePolicy,
    Schedule,
    ScheduleDeleted,
    ScheduleNotFound,
    ScheduleRunReason,
    ScheduleRunStatus,
    ScheduleUpdated,
)

from sidecar.clock import iso, iso_now
from sidecar.jobs.journal import JobJournal, JobTypes
from sidecar.jobs.ledger import NewRun
from sidecar.jobs.schedule_store import SchedulesStore, StoredSchedule, milliseconds

log = logging.getLogger(__name__)

GRACE_MS: Final = 5 * 60_000
"""Delay in milliseconds after which a time counts as missed: the worker may be busy, and a computer wakes slowly."""
AWAY_MS: Final = 2 * 60_000
"""Milliseconds without a look at the schedules after which the computer has slept: the worker looks each minute."""
PRESENCE_MS: Final = 5 * 60_000
"""How often the last look is stored, in milliseconds: after a crash, it says when the process ended."""
MAX_LISTED: Final = 50
"""Maximum number of times missed together that are recorded one by one; the oldest row counts the rest."""
REASONS: Final = {
    WaitingFor.NETWORK: ScheduleRunReason.OFFLINE,
    WaitingFor.RATE_LIMIT: ScheduleRunReason.LIMIT,
    WaitingFor.APPROVAL: ScheduleRunReason.NEEDS_USER,
}
"""Why the previous job of a schedule has not ended, by what it waits for."""


class Absence(NamedTuple):
    """A time in which nothing could be started; `from_ms` is None if its beginning is unknown."""

    reason: ScheduleRunReason
    from_ms: int | None
    to_ms: int


class Scheduler:
    """Creates due jobs, and the schedules that features need."""

    def __init__(self, journal: JobJournal, specs: JobTypes, *, wake: Callable[[], None]) -> None:
        self.store = SchedulesStore(journal.database)
        self.journal = journal
        self.specs = specs
        self.wake = wake
        self._database = journal.database
        self._clock = journal.clock
        self._ledger = journal.ledger
        self._seen_ms: int | None = None
        """When the schedules were last looked at; None before the first time."""
        self._stored_ms: int | None = None
        self._before: tuple[int | None, int | None] = None, None
        """`_seen_ms` and `_stored_ms` before the last tick."""

    def ensure(self, schedule_id: str, spec: JobSpec, *, period_s: int, jitter_s: int = 0) -> None:
        """Creates a schedule if there is none with this id; an existing one keeps the user's changes.

        The grid is offset by up to `jitter_s`, derived from the id, so that many accounts do not sync at once.
        """
        if self.store.get(schedule_id) is None:
            offset_ms = (zlib.crc32(schedule_id.encode()) % (jitter_s * 1000)) if jitter_s else 0
            self.put(_fixed(schedule_id, spec, offset_ms, period_s))

    def ensure_own(self, periods_s: Mapping[str, int]) -> None:
        """Creates the missing schedules of the sidecar's own, each with the id of its job's type.

        Call it before the first request: then the first list has them, and no notification is sent.
        """
        try:
            for job_type, period_s in periods_s.items():
                if self.store.get(job_type) is None:
                    with self._database.write():
                        self.store.put(self.planned(_fixed(job_type, self.specs[job_type](), 0, period_s)))
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("could not create the sidecar's own schedules; the next start tries again")

    def put(self, schedule: StoredSchedule) -> Encoded[Schedule]:
        """Adds a schedule or replaces the one with its id, and plans its next run."""
        with self._database.write():
            stored = self.store.put(self.planned(schedule))
            self.journal.notify(ScheduleUpdated(schedule=stored.as_model()))
        self.wake()
        return stored

    def remove(self, schedule_id: str) -> None:
        """Deletes a schedule, if there is one with this id, with the record of its runs."""
        with self._database.write():
            if self.store.remove(schedule_id):
                self._ledger.remove(schedule_id)
                self.journal.notify(ScheduleDeleted(schedule_id=schedule_id))

    def postpone(self, schedule_id: str, delay_s: int) -> str | None:
        """Leaves out a schedule's runs of the next `delay_s` seconds; with 0, undoes that.

        Returns the time of the next run, or None if the user has switched the schedule off.
        """
        schedule = self.get(schedule_id)
        with self._database.write():
            self._record_postponed(schedule)
            updated = self.store.put(self.planned(schedule, postponed_s=delay_s)).load()
            if updated.next_run_at != schedule.next_run_at:
                self.journal.notify(ScheduleUpdated(schedule=updated))
        self.wake()
        return updated.next_run_at if updated.enabled else None

    def tick(self) -> str | None:
        """Creates what is due.  Returns the time of the next run."""
        now_ms = self._clock.now_ms()
        self._before = self._seen_ms, self._stored_ms
        if self._seen_ms is None or now_ms < self._seen_ms:
            self._bring_forward(now_ms)
        absence = self._look(now_ms)
        for schedule in self.store.due(iso(now_ms)):
            with self._database.write():
                self._fire(schedule, now_ms, absence)
        return self.store.next_run_at()

    def forget_tick(self) -> None:
        """Lets the next tick do what the last one did, since its writes were rolled back."""
        self._seen_ms, self._stored_ms = self._before

    def _bring_forward(self, now_ms: int) -> None:
        """Moves the next times that lie further ahead than they must, if the clock was set back."""
        for schedule in self.store.enabled():
            assert schedule.next_run_at is not None  # as selected
            due_ms = schedule.timing.after(now_ms + schedule.postponed_s * 1000 + 1000)
            if due_ms is not None and iso(due_ms) < schedule.next_run_at:
                with self._database.write():
                    self.store.put(self.planned(schedule))

    def store_presence(self) -> None:
        """Stores until when schedules were looked at, at the end of the process."""
        if self._seen_ms is not None:
            with self._database.write_or_log("the end of the work could not be stored"):
                self.journal.store.set_seen_at(iso_now(self._clock))

    def run_now(self, schedule_id: str) -> Encoded[Job]:
        schedule = self.get(schedule_id)
        if (live := self.journal.store.get_live(schedule.last_job_id)) is not None:
            started = self.journal.end_wait(live.load().job_id)
            self.wake()
            return live if started is None else started
        with self._database.write():
            job = self._create_job(schedule, _run(schedule, self._clock.now_ms())._replace(manual=True))
        if job is None:
            raise ScheduleNotFound(hint="This version cannot run jobs of the schedule's type.")
        self.wake()
        return job

    def get(self, schedule_id: str) -> StoredSchedule:
        schedule = self.store.get(schedule_id)
        if schedule is None:
            raise ScheduleNotFound
        return schedule

    def planned(self, schedule: StoredSchedule, *, postponed_s: int = 0) -> StoredSchedule:
        """Returns a schedule with its next time from now on, the times of the next `postponed_s` seconds left out."""
        now_ms = self._clock.now_ms()
        due_ms = schedule.timing.after(now_ms + postponed_s * 1000)
        return schedule._replace(
            next_run_at=None if due_ms is None else iso(due_ms),
            postponed_at=iso(now_ms) if postponed_s else None,
            postponed_s=postponed_s,
        )

    def _look(self, now_ms: int) -> Absence | None:
        """Notes that the schedules are looked at.  Returns since when they were not, if that is long."""
        seen_ms, self._seen_ms = self._seen_ms, now_ms
        reason = ScheduleRunReason.ASLEEP
        if seen_ms is None:
            stored = self.journal.store.seen_at()
            reason, seen_ms = ScheduleRunReason.CLOSED, None if stored is None else milliseconds(stored)
        if self._stored_ms is None or abs(now_ms - self._stored_ms) >= PRESENCE_MS:
            self._stored_ms = now_ms
            with self._database.write():
                self.journal.store.set_seen_at(iso(now_ms))
        is_away = reason is ScheduleRunReason.CLOSED or (seen_ms is not None and now_ms - seen_ms > AWAY_MS)
        return Absence(reason, seen_ms, now_ms) if is_away else None

    def _fire(self, schedule: StoredSchedule, now_ms: int, absence: Absence | None) -> None:
        """Records the times that have passed, and creates the job of the last one if that is to be."""
        assert schedule.next_run_at is not None  # it is due
        self._record_postponed(schedule)
        due_ms = milliseconds(schedule.next_run_at)
        times, others = schedule.timing.between(due_ms, now_ms, MAX_LISTED)
        times = times or [due_ms]  # of another time zone database
        is_late = now_ms - times[-1] > GRACE_MS
        has_job = not (is_late and schedule.misfire_policy == MisfirePolicy.SKIP)
        self.store.put(self.planned(schedule))  # first, so that the notification of the job has it
        self._record_missed(schedule, times[:-1] if has_job else times, others, absence)
        last = iso(times[-1])
        if not has_job or self._ledger.has_job(schedule.schedule_id, last):
            return
        if (live := self.journal.store.get_live(schedule.last_job_id)) is not None:
            self._skip(schedule, times[-1], self._reason_of(live.load()))
        elif self._create_job(schedule, _run(schedule, times[-1])) is None:
            self._skip(schedule, times[-1], ScheduleRunReason.UNSUPPORTED)

    def _reason_of(self, live: Job) -> ScheduleRunReason:
        if live.waiting_for is not None and live.waiting_for in REASONS:
            return REASONS[live.waiting_for]
        is_paused = live.started_at is None and self.journal.store.paused_at() is not None
        return ScheduleRunReason.PAUSED if is_paused else ScheduleRunReason.OVERLAP

    def _record_missed(self, schedule: StoredSchedule, times: list[int], others: int, absence: Absence | None) -> None:
        """Records times that nothing was started for, and notifies the client once."""
        runs = [_run(schedule, time_ms)._replace(status=ScheduleRunStatus.MISSED) for time_ms in times]
        if absence is not None:
            since, until = None if absence.from_ms is None else iso(absence.from_ms), iso(absence.to_ms)
            runs = [run._replace(reason=absence.reason, away_from=since, away_to=until) for run in runs]
        self._record(schedule, _counting(runs, others), missed=len(times) + others)

    def _skip(self, schedule: StoredSchedule, time_ms: int, reason: ScheduleRunReason) -> None:
        run = _run(schedule, time_ms)._replace(status=ScheduleRunStatus.SKIPPED, reason=reason)
        self._record(schedule, [run], missed=1)

    def _record(self, schedule: StoredSchedule, runs: list[NewRun], *, missed: int) -> None:
        newest = self._ledger.add(*runs)
        if newest is not None and not schedule.is_fixed:
            self._ledger.tell(self._ledger.get(newest), missed=missed)

    def _record_postponed(self, schedule: StoredSchedule) -> None:
        """Records the times that were left out while the schedule's account was refused."""
        if schedule.postponed_at is None or schedule.next_run_at is None:
            return
        until_ms = min(self._clock.now_ms(), milliseconds(schedule.next_run_at) - 1)
        times, others = schedule.timing.between(milliseconds(schedule.postponed_at) + 1, until_ms, MAX_LISTED)
        status, reason = ScheduleRunStatus.SKIPPED, ScheduleRunReason.ACCOUNT
        runs = [_run(schedule, time_ms)._replace(status=status, reason=reason) for time_ms in times]
        self._ledger.add(*_counting(runs, others))

    def _create_job(self, schedule: StoredSchedule, run: NewRun) -> Encoded[Job] | None:
        """Creates the job of a run, and records the run.  Returns None if this version cannot run the job."""
        try:
            spec = self.specs[schedule.type].model_validate_json(schedule.payload_json)
        except (KeyError, ValidationError):
            log.warning("schedule %s is skipped: this version cannot run its jobs", schedule.schedule_id)
            return None
        job, _ = self.journal.enqueue(spec, schedule_id=schedule.schedule_id)
        job_id = job.load().job_id
        self._ledger.add(run._replace(job_id=job_id, answer=spec.answer))
        updated = self.store.set_last_run(schedule.schedule_id, job_id, iso_now(self._clock))
        self.journal.notify(ScheduleUpdated(schedule=updated.as_model()))
        return job


def _run(schedule: StoredSchedule, time_ms: int) -> NewRun:
    title = None if schedule.is_fixed else schedule.title
    return NewRun(schedule.schedule_id, title, iso(time_ms), ScheduleRunStatus.QUEUED)


def _counting(runs: list[NewRun], others: int) -> list[NewRun]:
    """Returns runs of which the oldest also counts `others`, which are left out."""
    return [run._replace(times=1 + others) for run in runs[:1]] + runs[1:]


def _fixed(schedule_id: str, spec: JobSpec, offset_ms: int, period_s: int) -> StoredSchedule:
    """Returns a schedule whose job only the sidecar determines."""
    payload = spec.json_bytes().decode()
    return StoredSchedule(schedule_id, spec.type, payload, offset_ms, period_s=period_s, is_fixed=True)
