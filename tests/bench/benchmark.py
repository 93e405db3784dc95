"""A benchmark run: the servers measured, the order and duration of the samples, and the results.

A figure is the median of several rounds, and each round measures every kind of server, so that a slow minute of the
machine affects all of them.  A failed measurement becomes a note, never an exception.
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

from tests.bench.driver import ServerGone, drain, send_all, send_request
from tests.bench.server import Server, kill_all, last_stderr_line, launch
from tests.bench.server_kinds import FAR_FUTURE, Link, Refused, ServerKind, handshake

Values = dict[str, float]
FAILURES: Final = (Refused, ServerGone, OSError)
"""Errors of a server that end its part in a group."""
QUEUED_JOB: Final[dict[str, Any]] = {"type": "maintenance.backup", "payload": {}, "run_at": FAR_FUTURE}
"""A job that stays queued."""
QUIET_S: Final = 0.02
"""Silence, in seconds, after which no notification is left: a server writes its events within one tick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The durations and amounts of a run."""

    rounds: int
    seconds: float
    """Duration of one sample of a rate or a latency."""
    group_s: float
    """A group ends after the round in which it exceeds this."""
    total_s: float
    """No group starts later than this."""
    kill_s: float
    """Every server is killed after this time, so that no run hangs."""
    idle_s: float
    """How long an idle process is watched."""
    seeded: int
    """Jobs in the database of most loads."""
    rows: int
    """Events in the feed whose pages are measured."""
    creates: int
    """Jobs whose events are replayed to a client; the sidecar's log keeps 10,000 events."""
    jobs: int
    """Jobs that are run, next to `finished` finished ones in the database."""
    finished: int
    events: int
    """Durable events that a client leaves unread."""
    replayed: int
    """Events read by `events.replay`."""
    big_rows: int
    """Jobs on a page of 4 MB, each with a payload of 7.5 KB."""
    bursts: int
    """Bursts with and without recording per sample."""
    messages: int
    """Messages of the transcript that is recorded and replayed; `sidecar inspect` reads twice as many."""


PACES: Final = {
    "full": Pace(
        rounds=5, seconds=0.2, group_s=7, total_s=105, kill_s=116, idle_s=10, seeded=500, rows=10_000, creates=4_000,
        jobs=5_000, finished=20_000, events=50_000, replayed=10_000, big_rows=500, bursts=9, messages=50_000,
    ),
    "quick": Pace(
        rounds=2, seconds=0.06, group_s=1.5, total_s=23, kill_s=28, idle_s=2, seeded=100, rows=1_000, creates=500,
        jobs=500, finished=2_000, events=10_000, replayed=10_000, big_rows=500, bursts=9, messages=5_000,
    ),
    "smoke": Pace(
        rounds=1, seconds=0.01, group_s=1, total_s=200, kill_s=240, idle_s=0.1, seeded=70, rows=100, creates=20,
        jobs=20, finished=20, events=10_000, replayed=1_000, big_rows=20, bursts=1, messages=200,
    ),
}  # fmt: skip


@dataclass(slots=True)
class ServerPool:
    """The running servers of one kind: one per purpose, each with its own data folder."""

    kind: ServerKind
    folder: Path
    pace: Pace
    job_ids: list[str] = field(default_factory=list)
    _servers: dict[str, Server] = field(default_factory=dict)

    def data(self, purpose: str) -> Path:
        """Returns the data folder of a purpose."""
        return self.folder / purpose

    def link(self) -> Link:
        """Returns the usual link to this kind of server."""
        return self.kind.links[0]

    def start(self, purpose: str, link: Link | None = None) -> Server:
        """Starts a new process, without a handshake."""
        return launch(self.kind, link or self.link(), self.data(purpose))

    def encode(self, method: str, params: dict[str, Any]) -> bytes:
        """Returns a request as bytes."""
        return self.kind.encode(1, method, params)

    def call(self, server: Server, method: str, params: dict[str, Any]) -> Any:
        """Sends a request and returns its result.  Raises `Refused` if the answer is an error."""
        return self.kind.decode(send_request(server.wire, self.encode(method, params)))

    def ready(self, purpose: str, link: Link | None = None) -> Server:
        """Returns the running server of a purpose after its handshake; starts it if necessary."""
        server = self._servers.get(purpose)
        if server is None:
            server = self._servers[purpose] = self.start(purpose, link)
            self.call(server, "initialize", handshake())
        drain(server.wire, QUIET_S)
        return server

    def loaded(self) -> Server:
        """Returns the server with jobs in its database, on which most loads are measured."""
        server = self.ready("load")
        if not self.job_ids:
            created = [self.call(server, "jobs.create", QUEUED_JOB) for _ in range(self.pace.seeded)]
            self.job_ids = [answer["job"]["job_id"] for answer in created]
            drain(server.wire, QUIET_S)
        return server

    def fill(self, server: Server, jobs: int, params: dict[str, Any], window: int) -> None:
        """Creates this number of jobs.  Raises `Refused` if the first one is refused."""
        self.call(server, "jobs.create", params)
        send_all(server.wire, self.kind.many("jobs.create", [params] * (jobs - 1)), window)
        drain(server.wire, QUIET_S)

    def has(self, purpose: str) -> bool:
        """Whether a server is running for this purpose."""
        return purpose in self._servers

    def release(self, *purposes: str) -> None:
        """Stops the servers of these purposes."""
        for purpose in purposes:
            if server := self._servers.pop(purpose, None):
                server.stop()

    def kill(self, purpose: str) -> None:
        """Kills the server of this purpose."""
        if server := self._servers.pop(purpose, None):
            server.kill()

    def close(self) -> None:
        """Stops every server."""
        self.release(*list(self._servers))


class Benchmark:
    """The servers of a run, the samples so far, and notes on missing figures."""

    def __init__(self, pools: Iterable[ServerPool], pace: Pace, with_jobs: ServerPool | None) -> None:
        """`with_jobs` is the sidecar with benchmark job types, or None if another server is measured."""
        self.pools = list(pools)
        self.pace = pace
        self.with_jobs = with_jobs
        self.samples: dict[str, dict[str, list[float]]] = {}
        self.notes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}
        """Duration of each group."""
        self._begun = time.monotonic()

    def sample_all(self, group: str, sample: Callable[[ServerPool], Values], rounds: int | None = None) -> None:
        """Samples every kind of server in each round; a figure is named `group.key`."""
        samples = {pool.kind.name: partial(sample, pool) for pool in self.pools}
        self.sample_each(group, samples, rounds)

    def sample_each(self, group: str, samples: Mapping[str, Callable[[], Values]], rounds: int | None = None) -> None:
        """Calls each sampling function in each round, by the name of its column."""
        active = list(samples)
        end = time.monotonic() + self.pace.group_s
        for _ in range(min(rounds or self.pace.rounds, self.pace.rounds)):
            for column in list(active):
                if not self._sample(group, column, samples[column]):
                    active.remove(column)
            active.reverse()  # so that not always the same one follows the heaviest
            if time.monotonic() > end:
                break

    def _sample(self, group: str, column: str, sample: Callable[[], Values]) -> bool:
        try:
            values = sample()
        except FAILURES as failure:
            self.note(group, column, str(failure))
            return False
        self.add(group, column, values)
        return True

    def add(self, group: str, column: str, values: Values) -> None:
        """Adds the values of one sample."""
        for key, value in values.items():
            if math.isnan(value):
                continue  # unknown on this system
            self.samples.setdefault(f"{group}.{key}", {}).setdefault(column, []).append(value)

    def note(self, group: str, column: str, failure: str) -> None:
        """Notes why a figure is missing, with the last line of the server's stderr."""
        folders = [folder for pool in self._all() if pool.kind.name == column for folder in pool.folder.iterdir()]
        stderr = max((last_stderr_line(folder) for folder in folders), key=len, default="")
        self.notes[f"{group} / {column}"] = f"{failure} ({stderr})" if stderr else failure

    def _all(self) -> list[ServerPool]:
        return [*self.pools, *([self.with_jobs] if self.with_jobs else [])]

    def run(self, groups: dict[str, Callable[["Benchmark"], None]]) -> None:
        """Measures one group after the other until the time is over."""
        done = threading.Event()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()
        try:
            for name, group in groups.items():
                begun = time.monotonic()
                if begun > self._begun + self.pace.total_s:
                    self.notes[name] = "left out: no time left"
                    continue
                group(self)
                self.seconds[name] = round(time.monotonic() - begun, 2)
        finally:
            for pool in self._all():
                pool.close()
            done.set()

    def left_s(self) -> float:
        """Returns the time until every server is killed, the timeout for other processes."""
        return max(0.1, self._begun + self.pace.kill_s - time.monotonic())

    def _watch(self, done: threading.Event) -> None:
        over = done.wait(self.pace.kill_s)
        while not over:
            kill_all()
            over = done.wait(1)  # again: a group may have started another server

    def median(self, figure: str, column: str) -> float | None:
        """Returns the median of the samples, or None if there are none."""
        values = self.samples.get(figure, {}).get(column)
        return statistics.median(values) if values else None
