"""Schedules that people make: what the process records of their times must be what the calendar says.

The times are computed here a second time, by dateutil and without the code of `sidecar`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from tests.simulation.host import Host, Json, Refused, Script
from tests.simulation.plan import ZONES

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
PERIODS_S: Final = (7_200, 21_600, 86_400)
ENDED: Final = "jobs.schedule_run_ended"
MOST: Final = 4
"""Schedules of a life."""
KEPT: Final = timedelta(days=80)
"""How far back times are compared; the process deletes what it has recorded of them after 90 days."""
MARGIN: Final = timedelta(minutes=10)
"""How long after a change of a schedule, and before the present, no times are compared."""


@dataclass
class Timetable:
    """A schedule as it was acknowledged."""

    schedule: Json
    since: datetime | None
    """When it was, by the process's clock, or when that has jumped since; None while a change is not acknowledged."""

    def times(self, first: datetime, last: datetime) -> set[datetime]:
        """Returns its times from `first` to `last`."""
        return {one for one in self._times_to(last) if first <= one <= last}

    def _times_to(self, last: datetime) -> Iterator[datetime]:
        if (period_s := self.schedule["period_s"]) is not None:
            begin, period = _moment(self.schedule["next_run_at"]), timedelta(seconds=period_s)
            yield from (begin + number * period for number in range((last - begin) // period + 1))
            return
        zone = ZoneInfo(self.schedule["time_zone"])
        start = _moment(self.schedule["start"]).astimezone(zone).replace(tzinfo=None, microsecond=0)
        end = last.astimezone(zone).replace(tzinfo=None) + timedelta(days=2)
        for local in rrulestr(self.schedule["rrule"], dtstart=start).between(start, end, inc=True):
            yield local.replace(tzinfo=zone).astimezone(UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


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
        wanted = timetable.times(first, last)
        recorded = {_moment(one["scheduled_for"]): one["times"] for one in runs}
        had = {one for one in recorded if first <= one <= last}
        if wanted != had and not any(recorded[one] > 1 for one in had):  # one counts others, too
            wrong = [sorted(map(str, one)) for one in (wanted - had, had - wanted)]
            self._fail("Each time of a schedule is recorded, and no other.", (timetable, *wrong))
