"""Implements `jobs.schedules.*`: checks what a client asks of a schedule."""

from typing import Any, Final

from sidecar_protocol.contract import as_models, encode
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidParams, PayloadTooLarge
from sidecar_protocol.jobs.schedules import (
    MisfirePolicy,
    Schedule,
    ScheduleDeletion,
    ScheduleFixed,
    ScheduleList,
    ScheduleRunPage,
    ScheduleRunStatus,
    Schedules,
    TooManySchedules,
)
from sidecar_protocol.scalars import DEFAULT_LINES_LIMIT

from sidecar.clock import iso
from sidecar.days import begins_ms, computer_zone_name, local, zone_or_raise, zone_or_utc
from sidecar.jobs.intake import Intake
from sidecar.jobs.journal import MAX_PAYLOAD_BYTES
from sidecar.jobs.schedule_store import StoredSchedule, milliseconds
from sidecar.jobs.scheduler import Scheduler
from sidecar.jobs.timing import RuleRefused, RuleTimes

MAX_SCHEDULES: Final = 200
"""Maximum number of schedules that are not the sidecar's own."""
FIRST_START: Final = "1900-01-01T00:00:00.000Z"
LAST_START: Final = "2200-01-01T00:00:00.000Z"
"""Starts beyond these are mistakes, and times near the ends of the calendar cannot be computed in all zones."""


class SchedulesService(Schedules):
    """Implements `Schedules`."""

    def __init__(self, scheduler: Scheduler, intake: Intake) -> None:
        self._intake = intake
        self._scheduler = scheduler
        self._store = scheduler.store
        self._journal = scheduler.journal

    async def list(self) -> ScheduleList:
        return encode(ScheduleList, schedules=as_models(self._store.all())).as_model()

    async def create(
        self,
        *,
        title: str,
        type: str,
        payload: dict[str, Any] | None = None,
        period_s: int | None = None,
        rrule: str | None = None,
        start: str | None = None,
        time_zone: str | None = None,
        misfire_policy: MisfirePolicy = MisfirePolicy.RUN_ONCE,
        enabled: bool = True,
    ) -> Schedule:
        if (period_s is None) is (rrule is None):
            raise _refused("rrule", "needs either period_s or rrule")
        payload_json = await self._payload(type, payload or {})
        if self._store.count() >= MAX_SCHEDULES:
            raise TooManySchedules
        schedule = StoredSchedule(
            schedule_id=self._journal.new_id(),
            type=type,
            payload_json=payload_json,
            offset_ms=0,
            title=title,
            period_s=period_s,
            rrule=rrule,
            start=start,
            time_zone=time_zone,
            misfire_policy=misfire_policy,
            enabled=enabled,
        )
        return self._scheduler.put(self._timed(schedule)).as_model()

    async def update(
        self,
        *,
        schedule_id: str,
        enabled: bool | None = None,
        period_s: int | None = None,
        title: str | None = None,
        type: str | None = None,
        payload: dict[str, Any] | None = None,
        rrule: str | None = None,
        start: str | None = None,
        time_zone: str | None = None,
        misfire_policy: MisfirePolicy | None = None,
    ) -> Schedule:
        schedule = self._scheduler.get(schedule_id)
        content = {"title": title, "type": type, "rrule": rrule, "start": start, "time_zone": time_zone}
        if schedule.is_fixed and (payload is not None or any(value is not None for value in content.values())):
            raise ScheduleFixed
        if period_s is not None and rrule is not None:
            raise _refused("rrule", "needs either period_s or rrule")
        changes: dict[str, Any] = {
            **content, "enabled": enabled, "period_s": period_s, "misfire_policy": misfire_policy
        }  # fmt: skip
        if payload is not None or type not in (None, schedule.type):
            changes["type"] = type or schedule.type
            changes["payload_json"] = await self._payload(changes["type"], payload or {})
        self._scheduler.tick()  # a time that is due already would be lost by the change
        schedule = self._scheduler.get(schedule_id)  # it may have changed meanwhile
        changed = schedule._replace(**{name: value for name, value in changes.items() if value is not None})
        if period_s is not None:
            changed = changed._replace(rrule=None, time_zone=None)
        elif rrule is not None:
            changed = changed._replace(period_s=None)
        if start is None and (changed.rrule is None) is not (schedule.rrule is None):
            changed = changed._replace(start=None)  # that of a period is no start of a rule, nor the other way round
        elif start is None and changed.rrule is not None and time_zone is not None:
            changed = changed._replace(start=_in_zone(schedule, time_zone))
        if not schedule.is_fixed and (changed.timing != schedule.timing or changed.time_zone != schedule.time_zone):
            changed = self._timed(changed)
        return self._scheduler.put(changed).as_model()

    async def delete(self, *, schedule_id: str) -> ScheduleDeletion:
        if self._scheduler.get(schedule_id).is_fixed:
            raise ScheduleFixed
        self._scheduler.remove(schedule_id)
        return ScheduleDeletion(schedule_id=schedule_id)

    async def run(self, *, schedule_id: str) -> Job:
        return self._scheduler.run_now(schedule_id).as_model()

    async def list_runs(
        self,
        *,
        schedule_id: str | None = None,
        status: ScheduleRunStatus | None = None,
        since: str | None = None,
        limit: int = DEFAULT_LINES_LIMIT,
        cursor: str | None = None,
    ) -> ScheduleRunPage:
        runs, next_cursor = self._journal.ledger.page(schedule_id, status, since, limit, cursor)
        return encode(ScheduleRunPage, runs=as_models(runs), next_cursor=next_cursor).as_model()

    def _timed(self, schedule: StoredSchedule) -> StoredSchedule:
        """Returns a schedule with the zone and the start that it needs.  Raises `InvalidParams`, `TimeZoneUnknown`."""
        now_ms = self._journal.clock.now_ms()
        if schedule.start is not None and not FIRST_START <= schedule.start < LAST_START:
            raise _refused("start", f"must be from {FIRST_START[:4]} on and before {LAST_START[:4]}")
        if schedule.period_s is not None:
            start_ms = now_ms if schedule.start is None else milliseconds(schedule.start)
            return schedule._replace(
                offset_ms=start_ms % (schedule.period_s * 1000), start=iso(start_ms), time_zone=None
            )
        assert schedule.rrule is not None  # as checked
        name = schedule.time_zone or computer_zone_name() or "UTC"
        zone = zone_or_raise(name)
        start_ms = (
            begins_ms(local(now_ms, zone).date(), zone) if schedule.start is None else milliseconds(schedule.start)
        )
        try:
            RuleTimes(schedule.rrule, start_ms, name).check(now_ms)
        except RuleRefused as refused:
            raise _refused("rrule", str(refused)) from None
        return schedule._replace(start=iso(start_ms), time_zone=name)

    async def _payload(self, job_type: str, payload: dict[str, Any]) -> str:
        """Returns a payload as it is stored.  Raises `UnknownJobType`, `InvalidParams`, `PayloadTooLarge`."""
        job = self._intake.read(job_type, payload)
        await self._intake.admit(job)
        encoded = job.json_bytes()
        if len(encoded) > MAX_PAYLOAD_BYTES:
            raise PayloadTooLarge
        return encoded.decode()


def _in_zone(schedule: StoredSchedule, zone_name: str) -> str | None:
    """Returns the start of a rule moved to another zone, where it is at the same local time."""
    if schedule.start is None:
        return None
    begin = local(milliseconds(schedule.start), zone_or_utc(schedule.time_zone or "UTC"))
    return iso(round(begin.replace(tzinfo=zone_or_raise(zone_name)).timestamp() * 1000))


def _refused(path: str, message: str) -> InvalidParams:
    return InvalidParams(details=[{"path": path, "message": message}])
