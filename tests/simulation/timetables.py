"""Schedules that people make: what the process records of their times must be what the calendar says.

The times are computed here a second time, by dateutil and without the code of `sidecar`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from tests.simulation.host import Host, Json, Refused, Script

RULES: Final = (
    "FREQ=DAILY;BYHOUR=9;BYMINUTE=0",
    "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
    "FREQ=DAILY;INTERVAL=3;COUNT=5;BYHOUR=0,12;BYMINUTE=0",
    "FREQ=WEEKLY;BYDAY=MO,WE,SU;BYHOUR=1,23;BYMINUTE=15",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU;BYHOUR=18;BYMINUTE=0",
    "FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=0;BYMINUTE=0",
    "FREQ=MONTHLY;BYDAY=2TU,-1FR;BYHOUR=2;BYMINUTE=0",
    "FREQ=HOURLY;INTERVAL=7",
)
"""Some of these times are skipped or repeated when clocks change."""
ZONES: Final = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe")
PERIODS_S: Final = (7_200, 21_600, 86_400)
ENDED: Final = "jobs.schedule_run_ended"
MOST: Final = 4
"""Schedules of a life."""
KEPT: Final = timedelta(days=80)
"""The record of a time is deleted after 90 days."""
MARGIN: Final = timedelta(minutes=10)
"""Around a change of a schedule, which takes its time, and before the present."""


@dataclass
class Timetable:
    """A schedule as it was acknowledged at a time of the process's clock; None if that is unknown."""

    schedule: Json
    since: datetime | None

    def times(self, until: datetime) -> list[datetime]:
        """Returns its times from the acknowledgement on."""
        assert self.since is not None
        first = self.since + MARGIN
        if (period_s := self.schedule["period_s"]) is not None:
            begin, period = _moment(self.schedule["next_run_at"]), timedelta(seconds=period_s)
            number = max(0, -((begin - first) // period))
            return _until([begin + count * period for count in range(number, number + 10_000)], first, until)
        zone = ZoneInfo(self.schedule["time_zone"])
        start = _moment(self.schedule["start"]).astimezone(zone).replace(tzinfo=None, microsecond=0)
        local = until.astimezone(zone).replace(tzinfo=None) + timedelta(days=2)
        found = rrulestr(self.schedule["rrule"], dtstart=start).between(start, local, inc=True)
        return _until(sorted({one.replace(tzinfo=zone).astimezone(UTC) for one in found}), first, until)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _until(times: list[datetime], first: datetime, last: datetime) -> list[datetime]:
    return [one for one in times if first <= one <= last]


class Timetables:
    """The steps that begin with schedules."""

    WEIGHTS: Final = {"plan": 2, "replan": 1, "unplan": 1}

    def __init__(self, host: Host, fail: Callable[[str, object], None]) -> None:
        self._host = host
        self._fail = fail
        self._known: dict[str, Timetable] = {}
        self._has_jumped = False

    def plan(self, rng: Random) -> str:
        if len(self._known) >= MOST:
            return ""
        payload = {"takes_s": rng.choice((0.0, 5.0, 50.0)), "ends": rng.choice(("well", "failing", "logging"))}
        params: Json = {"title": "Plan", "type": "simulation.repeatable", "payload": payload, **self._timing(rng)}
        params["misfire_policy"] = rng.choice(("run_once", "skip"))
        self._host.call("jobs.schedules.create", params, self._acknowledged)
        return str(params)

    def replan(self, rng: Random) -> str:
        """Changes when a schedule is due, or switches it off and on."""
        if not self._known:
            return ""
        schedule_id = rng.choice(list(self._known))
        params = {"schedule_id": schedule_id, **(self._timing(rng) if rng.random() < 0.7 else {"enabled": False})}
        self._known[schedule_id].since = None
        self._host.call("jobs.schedules.update", params, self._acknowledged)
        if "enabled" in params:
            self._host.call("jobs.schedules.update", {"schedule_id": schedule_id, "enabled": True}, self._acknowledged)
        return str(params)

    def unplan(self, rng: Random) -> str:
        if not self._known:
            return ""
        schedule_id = rng.choice(list(self._known))
        del self._known[schedule_id]
        self._host.call("jobs.schedules.delete", {"schedule_id": schedule_id})
        return schedule_id

    def _timing(self, rng: Random) -> Json:
        if rng.random() < 0.3:
            return {"period_s": rng.choice(PERIODS_S)}
        return {"rrule": rng.choice(RULES), "time_zone": rng.choice(ZONES)}

    def _acknowledged(self, schedule: Any) -> None:
        if not isinstance(schedule, Refused) and (schedule["enabled"] or schedule["schedule_id"] in self._known):
            since = self._now() if schedule["enabled"] else None
            self._known[schedule["schedule_id"]] = Timetable(schedule, since)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._host.now_ms() / 1000, UTC)

    def forget(self) -> None:
        """Forgets what an older database cannot know."""
        self._known.clear()

    def be_kind(self) -> None:
        """Does nothing: people go on planning as before."""

    def clock_jumps(self) -> None:
        """Leaves out the times up to this one; it is called before the clock jumps, and after it."""
        self._has_jumped = True
        for timetable in self._known.values():
            if timetable.since is not None:
                timetable.since = max(timetable.since, self._now())

    def check_end(self) -> Script:
        """Compares the recorded times with the calendar's."""
        for schedule_id, timetable in self._known.items():
            runs: list[Json] = []
            params: Json = {"schedule_id": schedule_id, "limit": 200}
            while True:
                page = yield "jobs.schedules.runs.list", params
                runs += [one for one in page["runs"] if not one["manual"]]
                if page["next_cursor"] is None:
                    break
                params = {**params, "cursor": page["next_cursor"]}
            recorded = Counter(one["scheduled_for"] for one in runs)
            if twice := [one for one, count in recorded.items() if count > 1]:
                self._fail("A time of a schedule is recorded once.", (timetable, twice))
            if timetable.since is not None:
                self._compare(timetable, runs)
        ended = [params["run"]["run_id"] for name, params in self._host.memory.events.values() if name == ENDED]
        twice = [one for one, count in Counter(ended).items() if count > 1]
        if twice and not self._has_jumped:  # what was missed by a clock that was ahead can still succeed
            self._fail("The end of a schedule's run is told once.", twice)

    def _compare(self, timetable: Timetable, runs: list[Json]) -> None:
        assert timetable.since is not None
        now = self._now()
        first, last = max(timetable.since + MARGIN, now - KEPT), now - MARGIN
        wanted = {one for one in timetable.times(last) if one >= first}
        had = {_moment(one["scheduled_for"]): one["times"] for one in runs}
        had = {one: times for one, times in had.items() if first <= one <= last}
        if wanted - had.keys() or had.keys() - wanted:
            wrong = [sorted(map(str, one)) for one in (wanted - had.keys(), had.keys() - wanted)]
            if not any(times > 1 for times in had.values()):
                self._fail("Each time of a schedule is recorded, and no other.", (timetable, *wrong))
