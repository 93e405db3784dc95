"""What a server does under load: latency, throughput, CPU time, notifications and big answers."""

import time
from collections.abc import Callable
from typing import Any, Final

from tests.bench.arena import QUEUED_JOB, Arena, Stage, Values
from tests.bench.contestants import FAR_FUTURE, Contestant, Link, Refused, handshake, trivial_method
from tests.bench.driver import ask, exchange, round_trip, round_trips
from tests.bench.observe import can_pin, on_one_core
from tests.bench.server import Server

WINDOW: Final = 64
"""In flight at once: a view that opens and asks for everything.  Far below the sidecar's limit of 256."""
PAGES: Final = 16
"""Pages of 50 in flight: a whole list scrolled through."""
DISTINCT: Final = 1_024
"""Prepared requests, sent in a circle; more than are ever in flight, so that ids never collide."""
BIG_PROMPT: Final = "x" * 7_500
"""500 jobs of it make a page of 4.0 MB; the sidecar's pages end at 4 MiB."""
BIG_ROWS: Final = 500
"""The longest page there is."""
BIG_BYTES: Final = 3_800_000
"""A smaller page is not what the figure's name says."""
BIG_WINDOW: Final = 4
"""Requests of 7.5 KB in flight while seeding: they fit into a 64 KiB pipe, so that neither side waits for the other."""
NOTIFIED_S: Final = 3.0
"""Notifications that have not come by then will not come."""


def one_in_flight(arena: Arena) -> None:
    """A single request at a time, with both processes on one core and wherever the system puts them."""

    def anywhere(stage: Stage) -> Values:
        taken = round_trips(stage.loaded().wire, _trivial(stage.contestant), arena.pace.seconds)
        return {"p50": percentile(taken, 50), "p99": percentile(taken, 99)}

    def pinned(stage: Stage) -> Values:
        wire = stage.loaded().wire
        with on_one_core(wire.pid):
            taken = round_trips(wire, _trivial(stage.contestant), arena.pace.seconds)
        return {"pinned_p50": percentile(taken, 50), "pinned_p99": percentile(taken, 99)}

    arena.interleave("one_in_flight", anywhere)  # first: processes that shared a core go on sharing it for a while
    if can_pin():
        arena.interleave("one_in_flight", pinned)


def trivial(arena: Arena) -> None:
    """The request that does least, pipelined, over the usual link and over pipes."""

    def usual(stage: Stage) -> Values:
        burst = exchange(stage.loaded().wire, _trivial(stage.contestant), WINDOW, arena.pace.seconds)
        return {"x64": burst.per_s, "cpu": burst.cpu_us}

    def pipes(stage: Stage) -> Values:
        if Link.PIPE not in stage.contestant.links:
            return {}
        wire = stage.ready("pipe", Link.PIPE).wire
        return {"pipe_x64": exchange(wire, _trivial(stage.contestant), WINDOW, arena.pace.seconds).per_s}

    arena.interleave("trivial", usual)
    arena.interleave("trivial", pipes)


def jobs_get(arena: Arena) -> None:
    """One job by its id."""
    _throughput(arena, "jobs_get", "jobs.get", WINDOW, lambda stage: [{"job_id": job_id} for job_id in stage.job_ids])


def jobs_list(arena: Arena) -> None:
    """A page of 50 jobs."""
    _throughput(arena, "jobs_list", "jobs.list", PAGES, lambda _: [{"limit": 50}] * DISTINCT)


def jobs_create(arena: Arena) -> None:
    """A job put into the queue, on disk before it is answered: one after the other, and 64 at once."""
    for window in (1, WINDOW):
        _throughput(arena, "jobs_create", "jobs.create", window, lambda _: [QUEUED_JOB] * DISTINCT)


def _throughput(
    arena: Arena, group: str, method: str, window: int, each: Callable[[Stage], list[dict[str, Any]]]
) -> None:
    def sample(stage: Stage) -> Values:
        server = stage.loaded()
        params = each(stage)
        stage.call(server, method, params[0])  # raises where it is refused: errors must not be counted as answers
        burst = exchange(server.wire, stage.contestant.many(method, params), window, arena.pace.seconds)
        return {f"x{window}": burst.per_s}

    arena.interleave(group, sample)


def notifications(arena: Arena) -> None:
    """A host that comes back is told everything since the first event, while it pings one at a time."""
    windows: dict[str, dict[str, Any]] = {}

    def sample(stage: Stage) -> Values:
        name = stage.contestant.name
        if Link.TCP in stage.contestant.links:
            return {}
        if name not in windows:
            windows[name] = _make_events(stage, arena.pace.creates)
        server = stage.start("events")
        try:
            return _told(stage, server, windows[name])
        finally:
            server.stop()

    arena.interleave("notifications", sample)


def _make_events(stage: Stage, jobs: int) -> dict[str, Any]:
    server = stage.ready("events")
    stage.fill(server, jobs, QUEUED_JOB, WINDOW)
    events: dict[str, Any] = stage.call(server, "events.replay", {"after_seq": 0, "limit": 1})
    stage.release("events")
    return {"epoch": events["epoch"], "oldest_seq": 1, "expected": events["latest_seq"]}


def _told(stage: Stage, server: Server, events: dict[str, Any]) -> Values:
    wire, ping, expected = server.wire, _trivial(stage.contestant)[0], events["expected"]
    ask(wire, ping)  # so that the process's start is not part of it
    start = time.perf_counter()
    ask(wire, stage.say("initialize", handshake(events)))
    pings = [round_trip(wire, ping)]
    while wire.framing.notifications < expected:
        if time.perf_counter() > start + NOTIFIED_S:
            raise Refused(f"{wire.framing.notifications} of {expected} notifications came in {NOTIFIED_S:g} s")
        pings.append(round_trip(wire, ping))
    elapsed = time.perf_counter() - start
    pings.sort()
    return {"rate": expected / elapsed, "ping_p50": percentile(pings, 50), "ping_worst": pings[-1] / 1e6}


def big_answer(arena: Arena) -> None:
    """One page of 4 MB, over each link."""

    def sample(stage: Stage) -> Values:
        values: Values = {}
        for link in stage.contestant.links:
            key = "pipe" if link is Link.PIPE else "socket"
            server = _with_a_big_page(stage, f"big-{key}", link)
            taken = round_trips(server.wire, [_big_page(stage)], arena.pace.seconds)
            values[key] = percentile(taken, 50) / 1e3
        return values

    arena.interleave("big_answer", sample)
    for stage in arena.stages:
        stage.release("big-pipe", "big-socket")


def _with_a_big_page(stage: Stage, purpose: str, link: Link) -> Server:
    if stage.has(purpose):
        return stage.ready(purpose)
    server = stage.ready(purpose, link)
    job = {"type": "claude.run", "payload": {"prompt": BIG_PROMPT}, "run_at": FAR_FUTURE}
    stage.fill(server, BIG_ROWS, job, BIG_WINDOW)
    size = len(ask(server.wire, _big_page(stage)))
    if size < BIG_BYTES:
        raise Refused(f"the page has only {size} bytes")
    return server


def _big_page(stage: Stage) -> bytes:
    return stage.say("jobs.list", {"limit": BIG_ROWS})


def _trivial(contestant: Contestant) -> list[bytes]:
    return contestant.many(trivial_method(), [{}] * DISTINCT)


def percentile(taken: list[int], percent: int) -> float:
    """A percentile of sorted nanoseconds, in microseconds."""
    return taken[min(len(taken) - 1, len(taken) * percent // 100)] / 1e3
