"""Delivery of durable events: to a client that reads, to one that stops reading and catches up, and page by page.

The events are log lines of jobs, written as fast as a job can.
"""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmark import QUEUED_JOB, Benchmark, ServerPool, Values
from tests.bench.driver import read_once, send_request, write_all
from tests.bench.job_queue import SILENCE_S, succeeded, until_succeeded
from tests.bench.process_stats import rss_mib
from tests.bench.processes import at_rest
from tests.bench.request_load import WINDOW
from tests.bench.server import Server
from tests.bench.server_kinds import LOG_LINES_JOB, Link, Refused, trivial_method

LINES: Final = 1_000
"""Log lines of a job; a log is limited to 5,000 lines and 1 MiB."""
CHARS: Final = 900
"""Length of a line; 10,000 of them exceed the 8 MiB that the sidecar buffers for a client that does not read."""
READ_SHARE: Final = 5
"""The client that reads gets a fifth of the events, about a second's worth."""
REQUESTS: Final = 1_000
"""Requests that the client sends while it does not read."""
PAGE: Final = 1_000
"""The maximum page size of `events.replay`."""
UNREAD_S: Final = 120.0
"""Timeout of the jobs whose events are not read."""
LAGGED: Final = b'"method":"events.lag"'
IN_A_PAGE: Final = b'"params":{"seq":'
"""Occurs once per event of a page."""


def events(benchmark: Benchmark) -> None:
    """Measures events per second to a client that reads while they are written."""

    def sample(pool: ServerPool) -> Values:
        wire, jobs = _warm(pool, "events").wire, benchmark.pace.events // READ_SHARE // LINES
        ended, received = succeeded(wire), wire.framing.notifications
        start = time.perf_counter()
        write_all(wire.write_fd, b"".join(_log_jobs(pool, jobs)))
        until_succeeded(wire, ended + jobs)
        elapsed = time.perf_counter() - start
        return {"rate": (wire.framing.notifications - received) / elapsed}

    if (with_jobs := _pool_with_jobs(benchmark, "events")) is not None:
        benchmark.sample_each("events", {"sidecar": lambda: sample(with_jobs)})
        with_jobs.release("events")


def unread_events(benchmark: Benchmark) -> None:
    """Measures a client that reads nothing while events are written, then reads and replays the missed ones."""

    def sample(pool: ServerPool) -> Values:
        server = _warm(pool, "unread")
        try:
            values, note = _catch_up(pool, server, benchmark.pace.events // LINES)
        finally:
            pool.kill("unread")
        benchmark.notes["unread_events"] = note
        return values

    if (with_jobs := _pool_with_jobs(benchmark, "unread_events")) is not None:
        benchmark.sample_each("unread_events", {"sidecar": lambda: sample(with_jobs)}, rounds=1)


def _pool_with_jobs(benchmark: Benchmark, group: str) -> ServerPool | None:
    if benchmark.with_jobs is None:
        benchmark.notes[group] = "left out: this server has no benchmark job types"
    return benchmark.with_jobs


def _warm(pool: ServerPool, purpose: str) -> Server:
    """Returns a server whose worker has run a job, so that its imports are not measured."""
    if not pool.has(purpose):
        wire = pool.ready(purpose).wire
        write_all(wire.write_fd, b"".join(_log_jobs(pool, 1)))
        until_succeeded(wire, 1)
    return pool.ready(purpose)


def _log_jobs(pool: ServerPool, jobs: int) -> list[bytes]:
    job = {"type": LOG_LINES_JOB, "payload": {"lines": LINES, "chars": CHARS}}
    return pool.kind.many("jobs.create", [job] * jobs)


def _catch_up(pool: ServerPool, server: Server, jobs: int) -> tuple[Values, str]:
    """Runs jobs while nothing is read, then catches up; returns the figures and a note."""
    path, wire, before = pool.data("unread") / "sidecar.db", server.wire, rss_mib(server.pid)
    written, received = _latest(path), wire.framing.notifications
    requests = [*_log_jobs(pool, jobs), *pool.kind.many(trivial_method(), [{}] * (jobs + REQUESTS))[jobs:]]
    start = time.perf_counter()
    write_all(wire.write_fd, b"".join(requests))
    _await_jobs(path, jobs + 1)
    took = time.perf_counter() - start
    grown = at_rest(server.pid)
    written = _latest(path) - written
    start = time.perf_counter()
    missed = _read_all(server, len(requests))
    answered = time.perf_counter() - start
    pushed = wire.framing.notifications - received - 1
    page = _replay_from(pool, server, missed["from_seq"] - 1)
    caught_up = time.perf_counter() - start
    if pushed + missed["dropped"] != written or page.latest != missed["to_seq"]:
        raise Refused(f"{pushed} events were pushed and {missed['dropped']} dropped, of {written}")
    note = (
        f"{written:,} events of about {page.size // page.events:,} bytes were written in {took:.1f} s while the client "
        f"read nothing; then it received {pushed:,} of them, its {len(requests):,} answers and events.lag, and "
        f"replayed {page.events:,}; the log had dropped {missed['dropped'] - page.events:,}"
    )
    values = {"growth": grown - before, "kept": at_rest(server.pid) - before}
    values |= {"bytes": written * page.size / page.events / 2**20}
    return values | {"answered": 1e3 * answered, "caught_up": 1e3 * caught_up}, note


def _await_jobs(path: Path, jobs: int) -> None:
    """Polls the database until this number of jobs has succeeded; the client does not read."""
    end = time.monotonic() + UNREAD_S
    with closing(_open_read_only(path)) as database:
        while database.execute("SELECT count(*) FROM jobs WHERE status = 'succeeded'").fetchone()[0] < jobs:
            if time.monotonic() > end:
                raise Refused(f"{jobs} jobs did not end in {UNREAD_S:g} s while the client did not read")
            time.sleep(0.02)


def _latest(path: Path) -> int:
    with closing(_open_read_only(path)) as database:
        return int(database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event_log'").fetchone()[0])


def _open_read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path.as_uri() + "?mode=ro", uri=True, isolation_level=None)


def _read_all(server: Server, answers: int) -> dict[str, Any]:
    """Reads every answer and `events.lag`; returns the params of the latter."""
    missed: dict[str, Any] | None = None
    while answers > 0 or missed is None:
        answers -= read_once(server.wire, SILENCE_S)
        block = server.wire.framing.block
        if missed is None and LAGGED in block:
            line = next(line for line in block.splitlines() if LAGGED in line)
            missed = json.loads(line)["params"]
    return missed


@dataclass(slots=True)
class Replayed:
    """Totals of the pages read by `events.replay`."""

    events: int = 0
    size: int = 0
    latest: int = 0


def _replay_from(pool: ServerPool, server: Server, after_seq: int) -> Replayed:
    """Replays and parses page after page, as a client does."""
    replayed = Replayed()
    while True:
        page = pool.call(server, "events.replay", {"after_seq": after_seq, "limit": PAGE})
        if not page["events"]:
            return replayed
        replayed.events += len(page["events"])
        replayed.size += len(server.wire.framing.block)
        replayed.latest = after_seq = page["events"][-1]["params"]["seq"]


def replay(benchmark: Benchmark) -> None:
    """Measures the replay of the log in pages of 1,000 to a client that only reads the bytes."""

    def sample(pool: ServerPool) -> Values:
        if Link.TCP in pool.kind.links or pool.kind.name == "baseline":
            return {}  # has no event log
        server, replayed = pool.ready("replay"), pool.pace.replayed
        if not pool.call(server, "events.replay", {"after_seq": 0, "limit": 1})["events"]:
            pool.fill(server, replayed, QUEUED_JOB, WINDOW)  # an event each
        latest = pool.call(server, "events.replay", {"after_seq": 0, "limit": 1})["latest_seq"]
        positions = range(latest - replayed, latest, PAGE)
        requests = [pool.encode("events.replay", {"after_seq": after_seq, "limit": PAGE}) for after_seq in positions]
        start = time.perf_counter()
        pages = [send_request(server.wire, request) for request in requests]
        elapsed = time.perf_counter() - start
        if (count := sum(page.count(IN_A_PAGE) for page in pages)) != replayed:
            raise Refused(f"{count} of {replayed} events were replayed")
        return {"ms": 1e3 * elapsed, "rate": sum(map(len, pages)) / elapsed / 1e6}

    benchmark.sample_all("replay", sample)
    for pool in benchmark.pools:
        pool.release("replay")
