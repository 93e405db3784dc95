"""Latency, throughput, CPU time, notifications and large answers under load."""

import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any, Final

from tests.bench.benchmark import QUEUED_JOB, Benchmark, ServerPool, Values
from tests.bench.driver import drain, exchange, round_trip, round_trips, send_request
from tests.bench.process_stats import can_pin, on_one_core
from tests.bench.server import Server
from tests.bench.server_kinds import FAR_FUTURE, Link, Refused, ServerKind, handshake, trivial_method

WINDOW: Final = 64
"""Requests in flight, as when a view opens; far below the sidecar's limit of 256."""
PAGES: Final = 16
"""Pages of 50 in flight, as when a whole list is scrolled through."""
FEED_METHOD: Final = "activity.events.list"
FEED_PAGE: Final = 200
FEED_WINDOW: Final = 4
"""Pages of 200 events in flight; an answer is about 140 kB."""
WALKED_PAGES: Final = 50
"""Pages that are read in turns: 7 MB, of which the sidecar keeps 2 MiB."""
INDEXING_S: Final = 0.1
"""How often the share of indexed rows is asked for."""
DISTINCT: Final = 1_024
"""Prepared requests, sent in a ring; more than are ever in flight, so that ids never collide."""
BIG_PROMPT: Final = "x" * 7_500
"""500 jobs with it fill a page of 4.0 MB; the sidecar limits pages to 4 MiB."""
BIG_WINDOW: Final = 4
"""Requests of 7.5 KB in flight while seeding; they fit into a pipe of 64 KiB."""
NOTIFIED_S: Final = 60.0
"""Timeout of the notifications."""


def one_in_flight(benchmark: Benchmark) -> None:
    """Measures one request at a time, with both processes on one core and without pinning."""

    def anywhere(pool: ServerPool) -> Values:
        taken = round_trips(pool.loaded().wire, _trivial(pool.kind), benchmark.pace.seconds)
        return {"p50": percentile(taken, 50), "p99": percentile(taken, 99)}

    def pinned(pool: ServerPool) -> Values:
        wire = pool.loaded().wire
        with on_one_core(wire.pid):
            taken = round_trips(wire, _trivial(pool.kind), benchmark.pace.seconds)
        return {"pinned_p50": percentile(taken, 50), "pinned_p99": percentile(taken, 99)}

    benchmark.sample_all("one_in_flight", anywhere)  # first: pinned processes stay on one core for a while
    if can_pin():
        benchmark.sample_all("one_in_flight", pinned)


def trivial(benchmark: Benchmark) -> None:
    """Measures the cheapest request, pipelined, over the usual transport and over pipes."""

    def usual(pool: ServerPool) -> Values:
        burst = exchange(pool.loaded().wire, _trivial(pool.kind), WINDOW, benchmark.pace.seconds)
        return {"x64": burst.per_s, "cpu": burst.cpu_us}

    def pipes(pool: ServerPool) -> Values:
        if Link.PIPE not in pool.kind.links:
            return {}
        wire = pool.ready("pipe", Link.PIPE).wire
        return {"pipe_x64": exchange(wire, _trivial(pool.kind), WINDOW, benchmark.pace.seconds).per_s}

    benchmark.sample_all("trivial", usual)
    benchmark.sample_all("trivial", pipes)


def jobs_get(benchmark: Benchmark) -> None:
    """Measures `jobs.get`."""
    _throughput(benchmark, "jobs_get", "jobs.get", WINDOW, lambda pool: [{"job_id": job_id} for job_id in pool.job_ids])


def jobs_list(benchmark: Benchmark) -> None:
    """Measures pages of 50 jobs."""
    benchmark.notes["jobs_list"] = "the newest jobs are read again and again"
    _throughput(benchmark, "jobs_list", "jobs.list", PAGES, lambda _: [{"limit": 50}] * DISTINCT)


def feed_page(benchmark: Benchmark) -> None:
    """Measures pages of 200 events of a feed with `rows` events: the newest again and again, and one after the other.

    The sidecar keeps the encoded rows of some pages, so that only the latter encode rows each time.
    """
    params, rows = {"limit": FEED_PAGE}, benchmark.pace.rows

    def fill(pool: ServerPool) -> Values:
        _with_a_feed(pool, rows)
        return {}

    def sample(pool: ServerPool) -> Values:
        server = _with_a_feed(pool, rows)
        pool.call(server, FEED_METHOD, params)
        values: Values = {}
        for name, pages in (("x4", [params]), ("walked_x4", _feed_pages(pool, server))):
            if pages:
                requests = pool.kind.many(FEED_METHOD, list(islice(cycle(pages), DISTINCT)))
                values[name] = exchange(server.wire, requests, FEED_WINDOW, benchmark.pace.seconds).per_s
        return values

    benchmark.notes["feed_page"] = f"{rows:,} events in the feed; the newest page is read again and again"
    benchmark.sample_all("feed_page", fill, rounds=1)  # takes minutes for a million events
    benchmark.sample_all("feed_page", sample)
    for pool in benchmark.pools:
        pool.release("feed")


def _feed_pages(pool: ServerPool, server: Server) -> list[dict[str, Any]]:
    """Returns the params of more pages than the sidecar keeps; none for the baselines, which have no cursors."""
    pages: list[dict[str, Any]] = []
    if pool.kind.name != "sidecar":
        return pages
    cursor: str | None = None
    while len(pages) < WALKED_PAGES:
        pages.append({"limit": FEED_PAGE, "cursor": cursor})
        if (cursor := pool.call(server, FEED_METHOD, pages[-1])["next_cursor"]) is None:
            break
    return pages


def _with_a_feed(pool: ServerPool, rows: int) -> Server:
    """Returns a server with a filled feed, after it has built its index."""
    if not pool.has("feed"):
        folder = pool.data("feed")
        folder.mkdir()
        pool.kind.fill_feed(folder, rows)
    server = pool.ready("feed")
    while pool.kind.name == "sidecar" and pool.call(server, "system.status", {})["database"]["indexed"] != 1:
        drain(server.wire, INDEXING_S)
    return server


def jobs_create(benchmark: Benchmark) -> None:
    """Measures `jobs.create`, committed before the answer: one at a time and 64 pipelined."""
    for window in (1, WINDOW):
        _throughput(benchmark, "jobs_create", "jobs.create", window, lambda _: [QUEUED_JOB] * DISTINCT)


def _throughput(
    benchmark: Benchmark, group: str, method: str, window: int, each: Callable[[ServerPool], list[dict[str, Any]]]
) -> None:
    def sample(pool: ServerPool) -> Values:
        server = pool.loaded()
        params = each(pool)
        pool.call(server, method, params[0])  # raises if refused: errors must not be counted as answers
        burst = exchange(server.wire, pool.kind.many(method, params), window, benchmark.pace.seconds)
        return {f"x{window}": burst.per_s}

    benchmark.sample_all(group, sample)


def notifications(benchmark: Benchmark) -> None:
    """Measures a client that resumes all events from the first on while it sends one request at a time."""
    windows: dict[str, dict[str, Any]] = {}

    def sample(pool: ServerPool) -> Values:
        name = pool.kind.name
        if Link.TCP in pool.kind.links:
            return {}
        if name not in windows:
            windows[name] = _make_events(pool, benchmark.pace.creates)
        server = pool.start("events")
        try:
            return _resumed(pool, server, windows[name])
        finally:
            server.stop()

    benchmark.sample_all("notifications", sample)


def _make_events(pool: ServerPool, jobs: int) -> dict[str, Any]:
    server = pool.ready("events")
    pool.fill(server, jobs, QUEUED_JOB, WINDOW)
    events: dict[str, Any] = pool.call(server, "events.replay", {"after_seq": 0, "limit": 1})
    pool.release("events")
    return {"epoch": events["epoch"], "oldest_seq": 1, "expected": events["latest_seq"]}


def _resumed(pool: ServerPool, server: Server, events: dict[str, Any]) -> Values:
    wire, ping, expected = server.wire, _trivial(pool.kind)[0], events["expected"]
    send_request(wire, ping)  # excludes the start of the process
    start = time.perf_counter()
    send_request(wire, pool.encode("initialize", handshake(events)))
    pings = [round_trip(wire, ping)]
    while wire.framing.notifications < expected:
        if time.perf_counter() > start + NOTIFIED_S:
            raise Refused(f"{wire.framing.notifications} of {expected} notifications arrived in {NOTIFIED_S:g} s")
        pings.append(round_trip(wire, ping))
    elapsed = time.perf_counter() - start
    pings.sort()
    return {"rate": expected / elapsed, "ping_p50": percentile(pings, 50), "ping_worst": pings[-1] / 1e6}


def big_answer(benchmark: Benchmark) -> None:
    """Measures one page of 4 MB over each transport."""

    def sample(pool: ServerPool) -> Values:
        values: Values = {}
        for link in pool.kind.links:
            key = "pipe" if link is Link.PIPE else "socket"
            server = _with_a_big_page(pool, f"big-{key}", link)
            taken = round_trips(server.wire, [_big_page(pool)], benchmark.pace.seconds)
            values[key] = percentile(taken, 50) / 1e3
        return values

    benchmark.sample_all("big_answer", sample)
    for pool in benchmark.pools:
        pool.release("big-pipe", "big-socket")


def _with_a_big_page(pool: ServerPool, purpose: str, link: Link) -> Server:
    if pool.has(purpose):
        return pool.ready(purpose)
    server = pool.ready(purpose, link)
    rows = pool.pace.big_rows
    job = {"type": "claude.run", "payload": {"prompt": BIG_PROMPT}, "run_at": FAR_FUTURE}
    pool.fill(server, rows, job, BIG_WINDOW)
    size = len(send_request(server.wire, _big_page(pool)))
    if size < rows * len(BIG_PROMPT):
        raise Refused(f"the page has only {size} bytes")
    return server


def _big_page(pool: ServerPool) -> bytes:
    return pool.encode("jobs.list", {"limit": pool.pace.big_rows})


def _trivial(kind: ServerKind) -> list[bytes]:
    return kind.many(trivial_method(), [{}] * DISTINCT)


def percentile(taken: list[int], percent: int) -> float:
    """Returns a percentile of sorted nanoseconds, in microseconds."""
    return taken[min(len(taken) - 1, len(taken) * percent // 100)] / 1e3
