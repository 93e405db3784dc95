"""The conduct of a run: who takes part, in which order, for how long, and what came out.

A figure is the median of rounds, and each round measures every contestant in turn, so that a slow minute of the
machine slows all of them.  Whatever cannot be measured becomes a note, never an exception.
"""

import math
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.bench.contestants import FAR_FUTURE, Contestant, Link, Refused, handshake
from tests.bench.driver import ServerGone, ask, deliver, drain
from tests.bench.server import Server, kill_all, last_words, launch

Values = dict[str, float]
TROUBLE: Final = (Refused, ServerGone, OSError)
"""What a server may do to a measurement."""
QUEUED_JOB: Final[dict[str, Any]] = {"type": "maintenance.backup", "payload": {}, "run_at": FAR_FUTURE}
"""A job that stays queued."""
SETTLE_S: Final = 0.02
"""A server that has said nothing for so long has nothing left to say: its event lane is written within a tick."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes."""

    rounds: int
    seconds: float
    """One sample of a rate or a latency."""
    group_s: float
    """A group stops after the round in which it passes this."""
    total_s: float
    """No new group begins after this."""
    kill_s: float
    """Every server is killed then, so that nothing can hang."""
    idle_s: float
    seeded: int
    """Jobs in the database."""
    creates: int
    """Jobs whose events the host is told again; the sidecar's log keeps 10,000 events."""
    jobs: int
    """Jobs that are run, with `finished` others in the database."""
    finished: int
    events: int
    """Durable events of which a host that hangs reads none."""


FULL: Final = Pace(5, 0.2, 7, 105, 116, 10, 500, 4_000, 5_000, 20_000, 50_000)
QUICK: Final = Pace(2, 0.06, 1.5, 23, 28, 2, 100, 500, 500, 2_000, 10_000)


@dataclass(slots=True)
class Stage:
    """One contestant and its servers, each purpose with a data folder of its own."""

    contestant: Contestant
    folder: Path
    pace: Pace
    job_ids: list[str] = field(default_factory=list)
    _servers: dict[str, Server] = field(default_factory=dict)

    def data(self, purpose: str) -> Path:
        """The data folder for a purpose."""
        return self.folder / purpose

    def link(self) -> Link:
        """How it is usually reached."""
        return self.contestant.links[0]

    def start(self, purpose: str, link: Link | None = None) -> Server:
        """A fresh process that has said nothing yet."""
        return launch(self.contestant, link or self.link(), self.data(purpose))

    def say(self, method: str, params: dict[str, Any]) -> bytes:
        """One request."""
        return self.contestant.encode(1, method, params)

    def call(self, server: Server, method: str, params: dict[str, Any]) -> Any:
        """Ask and read the result; raises Refused."""
        return self.contestant.decode(ask(server.wire, self.say(method, params)))

    def ready(self, purpose: str, link: Link | None = None) -> Server:
        """A process that has shaken hands and is kept until `close`."""
        server = self._servers.get(purpose)
        if server is None:
            server = self._servers[purpose] = self.start(purpose, link)
            self.call(server, "initialize", handshake())
        drain(server.wire, SETTLE_S)
        return server

    def loaded(self) -> Server:
        """The one that most loads are measured on: shaken hands, and jobs in its database."""
        server = self.ready("load")
        if not self.job_ids:
            created = [self.call(server, "jobs.create", QUEUED_JOB) for _ in range(self.pace.seeded)]
            self.job_ids = [answer["job"]["job_id"] for answer in created]
            drain(server.wire, SETTLE_S)
        return server

    def fill(self, server: Server, jobs: int, params: dict[str, Any], window: int) -> None:
        """Create so many jobs; raises Refused if the first cannot be."""
        self.call(server, "jobs.create", params)
        deliver(server.wire, self.contestant.many("jobs.create", [params] * (jobs - 1)), window)
        drain(server.wire, SETTLE_S)

    def has(self, purpose: str) -> bool:
        """Whether `ready` would give one that is running already."""
        return purpose in self._servers

    def release(self, *purposes: str) -> None:
        """Stop what is kept for these purposes."""
        for purpose in purposes:
            if server := self._servers.pop(purpose, None):
                server.stop()

    def abandon(self, purpose: str) -> None:
        """Kill what is kept for this purpose."""
        if server := self._servers.pop(purpose, None):
            server.abandon()

    def close(self) -> None:
        """Stop every kept server."""
        self.release(*list(self._servers))


class Arena:
    """All contestants, what they have shown so far, and why something is missing."""

    def __init__(self, stages: Iterable[Stage], pace: Pace, working: Stage | None) -> None:
        """`working` is the sidecar with job types that measure; None where another server stands in its place."""
        self.stages = list(stages)
        self.pace = pace
        self.working = working
        self.samples: dict[str, dict[str, list[float]]] = {}
        self.notes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        """What each group took."""
        self._begun = time.monotonic()

    def interleave(self, group: str, sample: Callable[[Stage], Values], rounds: int | None = None) -> None:
        """Sample each contestant in turn, round after round; the figures' names are `group.key`."""
        samples = {stage.contestant.name: partial(sample, stage) for stage in self.stages}
        self.take_turns(group, samples, rounds)

    def take_turns(self, group: str, samples: Mapping[str, Callable[[], Values]], rounds: int | None = None) -> None:
        """The same where each has a way of its own."""
        taking_part = list(samples)
        end = time.monotonic() + self.pace.group_s
        for _ in range(rounds or self.pace.rounds):
            for who in list(taking_part):
                if not self._one(group, who, samples[who]):
                    taking_part.remove(who)
            taking_part.reverse()  # so that none is always the one after the heaviest
            if time.monotonic() > end:
                break

    def _one(self, group: str, who: str, sample: Callable[[], Values]) -> bool:
        try:
            values = sample()
        except TROUBLE as trouble:
            self.note(group, who, str(trouble))
            return False
        self.add(group, who, values)
        return True

    def add(self, group: str, who: str, values: Values) -> None:
        """Keep what one sample showed."""
        for key, value in values.items():
            if math.isnan(value):
                continue  # what this system cannot tell
            self.samples.setdefault(f"{group}.{key}", {}).setdefault(who, []).append(value)

    def note(self, group: str, who: str, trouble: str) -> None:
        """Say why a contestant has no figure, with its own last words where it left any."""
        folders = [folder for stage in self._all() if stage.contestant.name == who for folder in stage.folder.iterdir()]
        words = max((last_words(folder) for folder in folders), key=len, default="")
        self.notes[f"{group} / {who}"] = f"{trouble} ({words})" if words else trouble

    def _all(self) -> list[Stage]:
        return [*self.stages, *([self.working] if self.working else [])]

    def run(self, groups: dict[str, Callable[["Arena"], None]]) -> None:
        """Measure one group after the other, within the time that there is."""
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            for name, group in groups.items():
                begun = time.monotonic()
                if begun > self._begun + self.pace.total_s:
                    self.notes[name] = "left out: the run's time was over"
                    continue
                group(self)
                self.seconds[name] = round(time.monotonic() - begun, 2)
        finally:
            for stage in self._all():
                stage.close()
            done.set()

    def left_s(self) -> float:
        """How long until every server is killed; who starts another process must see to it that it ends by then."""
        return max(0.1, self._begun + self.pace.kill_s - time.monotonic())

    def _watch(self, done: threading.Event) -> None:
        over = done.wait(self.pace.kill_s)
        while not over:
            kill_all()
            over = done.wait(1)  # again: what was waiting for one server may start another

    def median(self, figure: str, contestant: str) -> float | None:
        """What a contestant showed; None where it showed nothing."""
        values = self.samples.get(figure, {}).get(contestant)
        return statistics.median(values) if values else None
