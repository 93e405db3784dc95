"""A life: the process, its host and its world on one clock, from a plan to the checks at the end."""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, Final, Protocol

from sidecar.clock import iso
from sidecar.settings import Settings
from tests.simulation import invariants
from tests.simulation.calls import Calls
from tests.simulation.claude.calls import ClaudeCalls
from tests.simulation.claude.files import ClaudeFiles
from tests.simulation.clouds import Clouds
from tests.simulation.disk import Disk
from tests.simulation.fate import Fate, SimulatedClock
from tests.simulation.host import Host
from tests.simulation.kind_days import KindDays
from tests.simulation.looks import Looks
from tests.simulation.loop import Killed, later
from tests.simulation.plan import DAY_S, Plan, Step, draw
from tests.simulation.process import KILLED, Process, bury, empty_database
from tests.simulation.restores import Restores
from tests.simulation.storms import Storms
from tests.simulation.story import Story, explained
from tests.simulation.timetables import Timetables
from tests.simulation.work import HANDLER

SHM: Final = Path("/dev/shm")  # noqa: S108 - a disk without a disk; each life has its own folder there
END_S: Final = 2.5
"""Seconds after the end of stdin in which the process has to end."""
KIND_DAYS: Final = 3
KIND_AWAKE_S: Final = 1_200
MORE_KIND_DAYS: Final = 10
"""How many days more a session has at most for the prompts that it was sent while Claude hung."""
ACTORS: Final = (Calls, Timetables, ClaudeCalls, ClaudeFiles, Restores, Fate, Disk, Clouds, Storms)
"""Where the steps begin."""


class Broken(Exception):
    """A sentence of the invariants is broken."""

    def __init__(self, sentence: str, details: object) -> None:
        super().__init__(f"{sentence}\n    {explained(details)}")
        self.sentence = sentence


class Actor(Protocol):
    """A source of steps: each has a method by its name, which returns what happened."""

    @property
    def WEIGHTS(self) -> dict[str, int]:  # noqa: N802 - it is a constant of the classes
        """How often each step happens."""

    def be_kind(self) -> None:
        """Ends all trouble, for good."""


@dataclass
class Result:
    """How a life has ended."""

    plan: Plan
    story: Story
    broken: Broken | None
    starts: int
    days: float
    """How long it was; of a standby a day counts at most."""
    ended_at: float
    """The second of the loop's clock at which it ended."""


class Life:
    """A life, which is the world of its process's loop."""

    def __init__(self, plan: Plan, *, prints: bool = False, copy: BinaryIO | None = None) -> None:
        self.plan = plan
        self.folder = Path(tempfile.mkdtemp(prefix="sidecar-life-", dir=SHM if SHM.is_dir() else None))
        self.story = Story(str(self.folder), prints=prints, copy=copy)
        self.now = 0.0
        self.clock = SimulatedClock(self, plan.start_ms)
        self.dies = False
        self.steps_left = 0
        self.starts = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._pauses = Random(f"{plan.seed} pauses")
        self._starts_at: float | None = 0.0
        self._process: Process | None = None
        self._broken: Broken | None = None
        self._is_kind, self._is_over, self._kind_days_left = False, False, MORE_KIND_DAYS
        self._copies: list[dict[str, bytes]] = []
        self._older: dict[str, bytes] | None = None
        self._nights_s = 0
        self.host = Host(note=self.note, fail=self.fail, now_ms=self.clock.now_ms, refuses=frozenset())
        self.host.later = self.later
        self.calls = Calls(self.host, self.clock.now_ms, self.later, plan.seed)
        self.disk, self.fate = Disk(self.later, lambda: self.now), Fate(self)
        self.clouds = Clouds(self.host, self.clock.true_ms, self.later, self.fail, plan.seed)
        self.secrets = invariants.Secrets(self.clouds.secrets())
        self.claude = ClaudeCalls(self)
        self.start_program = self.claude.world.start
        self.timetables = Timetables(self.host, self.fail)
        self._actors: dict[str, Actor] = {
            "host": self.calls,
            "people": self.timetables,
            "claude": self.claude,
            "files": ClaudeFiles(self.claude.world, self.later),
            "restore": Restores(self.host),
            "fate": self.fate,
            "disk": self.disk,
            "cloud": self.clouds,
            "storm": Storms(self.host, self.disk, self.fate, self.later, self.fail),
        }
        self.host.on_ready = self._on_ready
        self.host.on_other = self._forget
        self.host.inspect = self._inspect

    # --- the world of the loop ------------------------------------------------------------------------------------

    def exchange(self) -> None:
        self.host.exchange()
        self._check()

    def wait(self, timeout_s: float | None) -> None:
        target = None if timeout_s is None else later(self.now, timeout_s)
        if self._events and (target is None or self._events[0][0] <= target):
            at, _, action = heappop(self._events)
            self.now = max(self.now, at)
            action()
        else:
            assert target is not None, "nothing will ever happen"
            self.now = target
        self._check()

    def step(self) -> None:
        if self.steps_left:
            self.steps_left -= 1
            if not self.steps_left:
                raise Killed

    def thread_pause(self) -> tuple[float, float]:
        pause = self._pauses.choice((0.0, 0.001, 0.05, 2.0))
        return self._pauses.choice(((pause, 0.0), (0.0, pause)))

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Lets something happen in a while."""
        heappush(self._events, (self.now + delay_s, next(self._order), action))

    def _check(self) -> None:
        if self._broken is not None:
            raise self._broken
        if self.dies and self._process is not None:
            self.dies = False
            raise Killed

    # --- what happens ---------------------------------------------------------------------------------------------

    def note(self, what: str, who: str = "host") -> None:
        self.story.add(self.clock.true_ms(), who, what)

    def fail(self, sentence: str, details: object) -> None:
        """Ends the life: a sentence is broken."""
        if self._broken is None:
            self._broken = Broken(sentence, details)
            self.note(f"BROKEN {sentence}", "check")

    def run(self) -> Result:
        """Lives."""
        HANDLER.begin(self.fail)
        os.environ["HOME"] = str(self.folder / "home")
        os.environ["TZ"] = self.plan.zone
        for name in ("SHELL", "CLAUDE_CONFIG_DIR"):
            os.environ.pop(name, None)
        time.tzset()
        (self.folder / "home").mkdir()
        self._database.parent.mkdir(mode=0o700)
        self._database.write_bytes(empty_database())
        self.claude.begin()
        for step in self.plan.steps:
            self.later(step.at, lambda step=step: self._perform(step))  # type: ignore[misc]
        self.later(self.plan.awake_s + 1, self._be_kind)
        Looks(self).begin()
        watch = invariants.LogWatch(self.fail, lambda: self.disk.had_problem, self.secrets)
        logging.root.handlers = [watch]
        try:
            while not self._is_over:
                if self._starts_at is None or self._starts_at > self.now:
                    self.wait(None if self._starts_at is None else self._starts_at - self.now)
                else:
                    self._live()
            if self._broken is None:
                self.secrets.check_files(self.folder, self.fail)
                invariants.check_database(self._database, self.story, self.fail)
            if self._broken is not None:
                raise self._broken
        except Broken as broken:
            return Result(self.plan, self.story, broken, self.starts, self._days, self.now)
        finally:
            logging.root.handlers = [logging.NullHandler()]  # a killed process may complain
            bury()
            shutil.rmtree(self.folder, ignore_errors=True)
        return Result(self.plan, self.story, None, self.starts, self._days, self.now)

    @property
    def _days(self) -> float:
        return (self.now + self._nights_s) / DAY_S

    @property
    def _database(self) -> Path:
        return self.folder / "data" / "sidecar.db"

    def _settings(self) -> Settings:
        return Settings(
            database=self._database,
            log_dir=self.folder / "logs",
            claude_path=str(self.claude.executable),
            seed=self.plan.seed * 10_000 + self.starts,  # two restores must not begin the same epoch
            **self.clouds.settings(),
        )

    def take_older(self) -> bool:
        """Lets the next process find an older copy of the database, if there is one."""
        self._older = self._copies[0] if self._copies else None
        return self._older is not None

    def _put_older(self) -> None:
        assert self._older is not None
        for suffix in ("", "-wal", "-shm"):
            self._database.with_name(f"sidecar.db{suffix}").unlink(missing_ok=True)
        for name, data in self._older.items():
            self._database.with_name(name).write_bytes(data)
        self._older = None
        self._forget()

    def _forget(self) -> None:
        """Lets everyone forget what the database that a process has got cannot know."""
        self._copies.clear()
        self.host.forget()
        self.clouds.forget()
        self.claude.forget()
        self.timetables.forget()
        HANDLER.begin(self.fail)

    def _keep_copy(self) -> None:
        names = [name for name in ("sidecar.db", "sidecar.db-wal") if self._database.with_name(name).exists()]
        self._copies = [*self._copies, {name: self._database.with_name(name).read_bytes() for name in names}][-3:]

    def _live(self) -> None:
        """Runs the process until it ends."""
        if self._older is not None:
            self._put_older()
        self._starts_at = None
        self.starts += 1
        HANDLER.begin()
        self.disk.had_problem = self.disk.has_problem
        process = Process(self, self._settings(), self.clock, self.clouds.connect, self.disk.open)
        self._process = process
        self.host.connect(process)
        code = process.run()
        self._process = None
        self.host.disconnect()
        self.claude.world.parent_ended()
        self.steps_left = 0
        self.note(f"ended {'killed' if code == KILLED else code} {process.problem or ''}", "process")
        problem = invariants.end_problem(code, process.problem, had_problem=self.disk.had_problem)
        if problem is not None:
            self.fail("The process ends only when it is asked to, or has no disk.", problem)
        self._keep_copy()
        self._starts_at = self.now + (1.0 if self._is_kind else self._pauses.choice((0.5, 3, 3, 60, self.plan.pause_s)))

    def _on_ready(self) -> None:
        self.note(f"start {self.starts}", "process")
        self.calls.on_ready()
        self.clouds.on_ready()
        self.claude.on_ready()

    def _perform(self, step: Step) -> None:
        if step.what == "standby":
            self.clock.slept_ms += step.number * 1_000
            self._nights_s += min(step.number, DAY_S)
            self.note(f"standby {step.number / 3600:.1f} h", "fate")
            if step.number % 7 and self.host.is_ready:
                self.host.call("jobs.queue.wake", {})
            return
        for who, actor in self._actors.items():
            if step.what in actor.WEIGHTS and (who not in ("host", "people", "storm") or self.host.is_ready):
                if what := getattr(actor, step.what)(Random(step.number)):
                    self.note(f"{step.what} {what}", who)
                if step.what == "reload":
                    self._must_end(self.starts)

    def _must_end(self, start: int) -> None:
        def check() -> None:
            if self._process is not None and self.starts == start:
                self.fail("The process ends soon after its stdin.", f"{END_S} s")

        self.later(END_S, check)

    def _inspect(self, line: bytes) -> None:
        self.secrets.check(line, self.fail)
        if b'"resident_bytes"' not in line:  # health and diagnostics measure this computer
            self.story.note(line)

    # --- the end --------------------------------------------------------------------------------------------------

    def _be_kind(self) -> None:
        """Ends all trouble, and lets some days pass."""
        self.note("kind from here on", "world")
        self._is_kind = True
        for actor in self._actors.values():
            actor.be_kind()
        if self.host.used_key != self.host.key:
            self.host.hang_up()  # the next process gets the right key
        if self._starts_at is not None:  # otherwise a process that has just ended would miss the first kind day
            self._starts_at = min(self._starts_at, self.now + 1.0)
        KindDays(self.host, self.clouds, self.later, self.fail, self.plan.seed).begin(KIND_AWAKE_S)
        for day in range(KIND_DAYS):
            self.later((day + 1) * KIND_AWAKE_S, lambda: self._perform(Step(0, "standby", DAY_S - KIND_AWAKE_S)))
        self.later(KIND_DAYS * KIND_AWAKE_S + KIND_AWAKE_S, self._finish)

    def _finish(self) -> None:
        if not self.host.is_ready:
            self.fail("In a kind world the process runs.", self._starts_at)
            return
        if self.claude.has_backlog and self._kind_days_left:
            self._kind_days_left -= 1
            self._perform(Step(0, "standby", DAY_S - KIND_AWAKE_S))
            self.later(KIND_AWAKE_S, self._finish)
            return
        self.host.play(self._last_checks())

    def _last_checks(self) -> Any:
        yield from invariants.check_end(self.host, iso(self.clock.true_ms() - invariants.LATE_S * 1_000), self.fail)
        yield from self.timetables.check_end()
        yield from self.clouds.check_end()
        yield from self.claude.checks.check_end()
        self._is_over = True
        self.dies = True


def weights() -> dict[str, int]:
    """Returns how often each kind of step happens."""
    return {name: weight for actor in ACTORS for name, weight in actor.WEIGHTS.items() if weight}


def live(seed: int, *, prints: bool = False, copy: BinaryIO | None = None) -> Result:
    """Lives the life of a seed."""
    return Life(draw(seed, weights()), prints=prints, copy=copy).run()
