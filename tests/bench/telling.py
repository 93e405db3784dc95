"""Durable events on their way to the host: to one that reads, to one that hangs and comes back, and page by page.

The events are lines of jobs' logs, written as fast as a job can.
"""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.arena import QUEUED_JOB, Arena, Stage, Values
from tests.bench.contestants import TALK, Link, Refused, trivial_method
from tests.bench.driver import ask, hear, write_all
from tests.bench.lives import at_rest
from tests.bench.loads import WINDOW
from tests.bench.observe import rss_mib
from tests.bench.server import Server
from tests.bench.working import SILENCE_S, succeeded, until_succeeded

LINES: Final = 1_000
"""A job's lines; its log takes 5,000, or 1 MiB."""
CHARS: Final = 900
"""10,000 such lines pass what the sidecar holds for a host that does not read (8 MiB)."""
READ_SHARE: Final = 5
"""A host that reads is told a fifth of the events that one that hangs misses: a second's worth."""
REQUESTS: Final = 1_000
"""What a host that hangs has asked meanwhile."""
PAGE: Final = 1_000
"""The longest page of events there is."""
REPLAYED: Final = 10_000
"""As many as the log keeps."""
HUNG_S: Final = 30.0
"""Jobs that talk to nobody have ended by then."""
LAGGED: Final = b'"method":"events.lag"'
IN_A_PAGE: Final = b'"params":{"seq":'
"""Once for each event of a page."""


def events(arena: Arena) -> None:
    """Events per second to a host that reads, while they happen."""

    def sample(stage: Stage) -> Values:
        wire, jobs = _warm(stage, "told").wire, arena.pace.events // READ_SHARE // LINES
        ended, told = succeeded(wire), wire.framing.notifications
        start = time.perf_counter()
        write_all(wire.write_fd, b"".join(_talk(stage, jobs)))
        until_succeeded(wire, ended + jobs)
        elapsed = time.perf_counter() - start
        return {"rate": (wire.framing.notifications - told) / elapsed}

    if (working := _working(arena, "events")) is not None:
        arena.take_turns("events", {"sidecar": lambda: sample(working)})
        working.release("told")


def unread_events(arena: Arena) -> None:
    """A host that reads nothing while things happen, then reads and asks for what it missed."""

    def sample(stage: Stage) -> Values:
        server = _warm(stage, "hung")
        try:
            values, note = _hang(stage, server, arena.pace.events // LINES)
        finally:
            stage.abandon("hung")
        arena.notes["unread_events"] = note
        return values

    if (working := _working(arena, "unread_events")) is not None:
        arena.take_turns("unread_events", {"sidecar": lambda: sample(working)}, rounds=1)


def _working(arena: Arena, group: str) -> Stage | None:
    if arena.working is None:
        arena.notes[group] = "left out: this server has no job type that talks"
    return arena.working


def _warm(stage: Stage, purpose: str) -> Server:
    """One whose worker has worked: what that imports is not the events' cost."""
    if not stage.has(purpose):
        wire = stage.ready(purpose).wire
        write_all(wire.write_fd, b"".join(_talk(stage, 1)))
        until_succeeded(wire, 1)
    return stage.ready(purpose)


def _talk(stage: Stage, jobs: int) -> list[bytes]:
    talk = {"type": TALK, "payload": {"lines": LINES, "chars": CHARS}}
    return stage.contestant.many("jobs.create", [talk] * jobs)


def _hang(stage: Stage, server: Server, jobs: int) -> tuple[Values, str]:
    """Let so many jobs talk to nobody, then catch up; the figures, and what happened."""
    path, wire, before = stage.data("hung") / "sidecar.db", server.wire, rss_mib(server.pid)
    made, told = _latest(path), wire.framing.notifications
    requests = [*_talk(stage, jobs), *stage.contestant.many(trivial_method(), [{}] * (jobs + REQUESTS))[jobs:]]
    start = time.perf_counter()
    write_all(wire.write_fd, b"".join(requests))
    _await_jobs(path, jobs + 1)
    took = time.perf_counter() - start
    hung = at_rest(server.pid)
    made = _latest(path) - made
    start = time.perf_counter()
    missed = _read_all(server, len(requests))
    answered = time.perf_counter() - start
    pushed = wire.framing.notifications - told - 1
    page = _replay_from(stage, server, missed["from_seq"] - 1)
    caught_up = time.perf_counter() - start
    if pushed + missed["dropped"] != made or page.latest != missed["to_seq"]:
        raise Refused(f"{pushed} events were pushed and {missed['dropped']} left out, of {made}")
    note = (
        f"{made:,} events of about {page.size // page.events:,} bytes happened in {took:.1f} s to a host that read "
        f"nothing; then it was sent {pushed:,} of them and its {len(requests):,} answers, told that it lagged, and "
        f"replayed {page.events:,}; the log no longer held {missed['dropped'] - page.events:,}"
    )
    values = {"growth": hung - before, "kept": at_rest(server.pid) - before}
    values |= {"bytes": made * page.size / page.events / 2**20}
    return values | {"answered": 1e3 * answered, "caught_up": 1e3 * caught_up}, note


def _await_jobs(path: Path, jobs: int) -> None:
    """Look into the database until so many have succeeded: the host hears nothing of it."""
    end = time.monotonic() + HUNG_S
    with closing(_look_into(path)) as database:
        while database.execute("SELECT count(*) FROM jobs WHERE status = 'succeeded'").fetchone()[0] < jobs:
            if time.monotonic() > end:
                raise Refused(f"{jobs} jobs did not end in {HUNG_S:g} s while nobody read")
            time.sleep(0.02)


def _latest(path: Path) -> int:
    with closing(_look_into(path)) as database:
        return int(database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event_log'").fetchone()[0])


def _look_into(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, isolation_level=None)


def _read_all(server: Server, answers: int) -> dict[str, Any]:
    """Read until every answer has come and the host is told what it missed; give that."""
    missed: dict[str, Any] | None = None
    while answers > 0 or missed is None:
        answers -= hear(server.wire, SILENCE_S)
        block = server.wire.framing.block
        if missed is None and LAGGED in block:
            line = next(line for line in block.splitlines() if LAGGED in line)
            missed = json.loads(line)["params"]
    return missed


@dataclass(slots=True)
class Replayed:
    """What came back of the log."""

    events: int = 0
    size: int = 0
    latest: int = 0


def _replay_from(stage: Stage, server: Server, after_seq: int) -> Replayed:
    """Ask for page after page, as a host does that looks at what it gets."""
    replayed = Replayed()
    while True:
        page = stage.call(server, "events.replay", {"after_seq": after_seq, "limit": PAGE})
        if not page["events"]:
            return replayed
        replayed.events += len(page["events"])
        replayed.size += len(server.wire.framing.block)
        replayed.latest = after_seq = page["events"][-1]["params"]["seq"]


def replay(arena: Arena) -> None:
    """The whole log by pages of 1,000 to a host that only reads the bytes."""

    def sample(stage: Stage) -> Values:
        if Link.TCP in stage.contestant.links or stage.contestant.name == "floor":
            return {}  # they have no log
        server = stage.ready("replay")
        if not stage.call(server, "events.replay", {"after_seq": 0, "limit": 1})["events"]:
            stage.fill(server, REPLAYED // 2, QUEUED_JOB, WINDOW)  # two events each
        latest = stage.call(server, "events.replay", {"after_seq": 0, "limit": 1})["latest_seq"]
        asked = range(latest - REPLAYED, latest, PAGE)
        requests = [stage.say("events.replay", {"after_seq": after_seq, "limit": PAGE}) for after_seq in asked]
        start = time.perf_counter()
        pages = [ask(server.wire, request) for request in requests]
        elapsed = time.perf_counter() - start
        if (came := sum(page.count(IN_A_PAGE) for page in pages)) != REPLAYED:
            raise Refused(f"{came} of {REPLAYED} events were replayed")
        return {"ms": 1e3 * elapsed, "rate": sum(map(len, pages)) / elapsed / 1e6}

    arena.interleave("replay", sample)
    for stage in arena.stages:
        stage.release("replay")
