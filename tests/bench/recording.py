"""Transcripts: the cost of recording, and the speed of replay and of `sidecar inspect`.

mcp-cassette, which records and replays MCP servers through a proxy, is measured too if it is installed:
`uv run --python 3.13 --with mcp-cassette python -m tests.bench --only transcripts`.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmark import QUEUED_JOB, QUIET_S, Benchmark, Pace, ServerPool, Values
from tests.bench.driver import drain, exchange, send_all
from tests.bench.request_load import DISTINCT, WINDOW
from tests.bench.server import Server, launch
from tests.bench.server_kinds import ROOT, ServerKind, handshake, missing

PAGE: Final[dict[str, Any]] = {"limit": 50}
PAGES_AT_ONCE: Final = 16
CALLS: Final = 5_000
"""Recorded calls of a long test of a front end."""
INSPECTED: Final = 20_000
CASSETTE_SHARE: Final = 50
"""mcp-cassette gets this share of the requests: it is much slower, and slows down with the length."""
BIG: Final = (
    b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":%d,"at":"2026-11-23T08:00:00.000Z","text":"%s"}}'
)
REPLAY: Final = "replay"
STARTED_S: Final = 0.5
"""A sidecar goes on starting after its first answer; a replay server has started, and would read ahead meanwhile."""


def transcripts(benchmark: Benchmark) -> None:
    """Measures recording, replay and inspection; only our own sidecar has transcripts."""
    pool = benchmark.pools[0]
    if pool.kind.command(pool.folder) != [sys.executable, "-m", "sidecar"]:
        benchmark.notes["transcripts"] = "left out: this server has no transcripts"
        return
    benchmark.sample_each("transcripts", {"sidecar": lambda: _recorded(pool)})
    samples = {"sidecar": lambda: _replayed(pool)}
    if missing("mcp_cassette"):
        benchmark.notes["mcp-cassette"] = "left out: not installed (uv run --python 3.13 --with mcp-cassette ...)"
    else:
        fewer = _requests(pool) // CASSETTE_SHARE
        benchmark.notes["mcp-cassette"] = (
            f"recorded and replayed {fewer:,} trivial requests, the sidecar {CASSETTE_SHARE} times as many"
        )
        samples["mcp-cassette"] = lambda: _cassette(pool)
    benchmark.sample_each("transcripts", samples, rounds=3)
    benchmark.sample_each("transcripts", {"sidecar": lambda: _pages_replayed(pool)}, rounds=2)
    benchmark.sample_each("transcripts", {"sidecar": lambda: _inspected(pool)}, rounds=2)


def _requests(pool: ServerPool) -> int:
    return pool.pace.messages


def _with(pool: ServerPool, command: list[str]) -> ServerKind:
    return replace(pool.kind, command=lambda _: command)


def _start(pool: ServerPool, kind: ServerKind, purpose: str) -> Server:
    server = launch(kind, pool.link(), pool.data(purpose))
    pool.call(server, "initialize", handshake())
    return server


def _recorded(pool: ServerPool) -> Values:
    """Measures trivial requests, single jobs, pages of 50 and creates, with `--record` and without."""
    file = pool.folder / "recorded.jsonl"
    file.unlink(missing_ok=True)
    command = pool.kind.command(pool.folder)
    servers = {
        "plain": _start(pool, pool.kind, "plain"),
        "recorded": _start(pool, _with(pool, [*command, "--record", str(file)]), "recorded"),
    }
    for server in servers.values():
        pool.fill(server, 50, QUEUED_JOB, WINDOW)
    many = pool.kind.many
    ids = {
        name: [job["job_id"] for job in pool.call(server, "jobs.list", PAGE)["jobs"]]
        for name, server in servers.items()
    }
    trivial, pages, creates = (
        dict.fromkeys(servers, many(method, [params] * DISTINCT))
        for method, params in (("system.health", {}), ("jobs.list", PAGE), ("jobs.create", QUEUED_JOB))
    )
    gets = {name: many("jobs.get", [{"job_id": job_id} for job_id in ids[name]] * 40) for name in servers}
    speed, cost = _compared(servers, trivial, WINDOW, pool.pace)
    values = {"recorded": speed, "record_cpu": cost}
    values["recorded_gets"], _ = _compared(servers, gets, WINDOW, pool.pace)
    values["recorded_pages"], _ = _compared(servers, pages, PAGES_AT_ONCE, pool.pace)
    values["recorded_creates"], _ = _compared(servers, creates, WINDOW, pool.pace)
    for server in servers.values():
        server.stop()
    return values


def _compared(
    servers: dict[str, Server], requests: dict[str, list[bytes]], window: int, pace: Pace
) -> tuple[float, float]:
    """Returns the rate with recording in % of the rate without, and the added CPU time per request in microseconds."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(pace.bursts):
        for name, server in servers.items():
            burst = exchange(server.wire, requests[name], window, pace.seconds / 2)
            drain(server.wire, QUIET_S)
            rates[name].append(burst.per_s)
            costs[name].append(burst.cpu_us)
    speed = statistics.median(rates["recorded"]) / statistics.median(rates["plain"])
    return 100 * speed, statistics.median(costs["recorded"]) - statistics.median(costs["plain"])


def _replayed(pool: ServerPool) -> Values:
    """Measures 64 pipelined trivial requests: live, while recorded, then replayed."""
    requests = _trivial(pool)
    live_rate = _rate_of(pool, pool.kind, "live", requests)
    record, replay = _recorder_and_replayer(pool)
    _rate_of(pool, record, "live", requests)
    begin = time.perf_counter()
    server = _start(pool, replay, REPLAY)
    started = 1e3 * (time.perf_counter() - begin)
    replay_rate = _rate(server, requests)
    server.stop()
    return {
        "replayed": 100 * replay_rate / live_rate,
        "replayed_calls": CALLS / replay_rate,
        "replay_start": started,
    }


def _cassette(pool: ServerPool) -> Values:
    """Measures the same with mcp-cassette."""
    requests = _trivial(pool)
    few = requests[: len(requests) // CASSETTE_SHARE]
    live_rate = _rate_of(pool, pool.kind, "live", requests)
    file = pool.folder / "cassette.json"
    file.unlink(missing_ok=True)
    program = [sys.executable, "-m", "mcp_cassette"]
    serve = pool.kind.command(pool.folder)
    recorded = _rate_of(pool, _with(pool, [*program, "record", "--cassette", str(file), "--", *serve]), "live", few)
    begin = time.perf_counter()
    server = _start(pool, _with(pool, [*program, "serve", str(file)]), REPLAY)
    started = 1e3 * (time.perf_counter() - begin)
    replay_rate = _rate(server, few)
    server.stop()
    return {"recorded": 100 * recorded / live_rate, "replayed": 100 * replay_rate / live_rate, "replay_start": started}


def _pages_replayed(pool: ServerPool) -> Values:
    """Measures 64 pipelined pages of 50 jobs in the same way."""
    pages = pool.kind.many("jobs.list", [PAGE] * (_requests(pool) // 20))
    live = _start(pool, pool.kind, "live-pages")
    pool.fill(live, 50, QUEUED_JOB, WINDOW)
    drain(live.wire, STARTED_S)
    live_rate = _rate(live, pages)
    live.stop()
    record, replay = _recorder_and_replayer(pool)
    _rate_of(pool, record, "live-pages", pages)
    return {"replayed_pages": 100 * _rate_of(pool, replay, REPLAY, pages) / live_rate}


def _recorder_and_replayer(pool: ServerPool) -> tuple[ServerKind, ServerKind]:
    """Returns a server kind that records and one that replays the recording."""
    file = pool.folder / "replayed.jsonl"
    file.unlink(missing_ok=True)
    serve = pool.kind.command(pool.folder)
    return _with(pool, [*serve, "--record", str(file)]), _with(pool, [*serve, "replay", str(file)])


def _trivial(pool: ServerPool) -> list[bytes]:
    return pool.kind.many("system.health", [{}] * _requests(pool))


def _rate_of(pool: ServerPool, kind: ServerKind, purpose: str, requests: list[bytes]) -> float:
    server = _start(pool, kind, purpose)
    if purpose != REPLAY:
        drain(server.wire, STARTED_S)
    rate = _rate(server, requests)
    server.stop()
    return rate


def _rate(server: Server, requests: list[bytes]) -> float:
    """Returns the answers per second; sends each request once."""
    begin = time.perf_counter()
    send_all(server.wire, requests, WINDOW)
    return len(requests) / (time.perf_counter() - begin)


def _inspected(pool: ServerPool) -> Values:
    """Measures `sidecar inspect`, in seconds per 100 MB and without the start of the process."""
    file, short = pool.folder / "long.jsonl", pool.folder / "short.jsonl"
    size = _write_long(file, INSPECTED)
    _write_long(short, 1)
    return {"inspect": (_inspection_s(file) - _inspection_s(short)) * 100e6 / size}


def _inspection_s(file: Path) -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-m", "sidecar", "inspect", str(file)]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=300, check=True)
    return time.perf_counter() - begin


def _write_long(file: Path, messages: int) -> int:
    if not file.exists():
        with file.open("wb") as lines:
            lines.write(
                b'{"transcript":1,"protocol_version":1,"server":"bench","started_at":"2026-11-23T08:00:00.000Z"}\n'
            )
            for number in range(messages):
                message = BIG % (number + 1, b"x" * 860)
                lines.write(b'{"t":%d.5,"dir":"s2c","msg":%s}\n' % (number, message))
    return file.stat().st_size
