"""Transcripts: what recording costs, how fast they are replayed, and how fast one is looked through.

mcp-cassette, which records and replays MCP servers from a proxy, does the same beside it where it is installed:
`uv run --python 3.13 --with mcp-cassette python -m tests.bench --only transcripts`.
"""

import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.bench.arena import QUEUED_JOB, SETTLE_S, Arena, Stage, Values
from tests.bench.contestants import ROOT, Contestant, handshake, missing
from tests.bench.driver import deliver, drain, exchange
from tests.bench.loads import DISTINCT, WINDOW
from tests.bench.server import Server, launch

BURSTS: Final = 9
"""With and without in turn, within one sample: their ratio is the figure."""
PAGE: Final[dict[str, Any]] = {"limit": 50}
PAGES_AT_ONCE: Final = 16
MESSAGES: Final = 100_000
"""Of the transcript that is looked through, and half as many of the requests that are replayed."""
CASSETTE_SHARE: Final = 50
"""mcp-cassette gets so much less to do, since it is so much slower; its rate falls with the length."""
BIG: Final = (
    b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":%d,"at":"2026-11-23T08:00:00.000Z","text":"%s"}}'
)
STANDIN: Final = "standin"
STARTED_S: Final = 0.5
"""A sidecar that answers has not quite started yet; a stand-in has, and would use the time to read ahead."""
QUICKER: Final = 10
"""A quick run replays so much less."""


def transcripts(arena: Arena) -> None:
    """All of it, of the sidecar alone; another server that is measured in its place has no transcripts."""
    stage = arena.stages[0]
    if stage.contestant.command(stage.folder) != [sys.executable, "-m", "sidecar"]:
        arena.notes["transcripts"] = "left out: this server has none"
        return
    arena.take_turns("transcripts", {"sidecar": lambda: _recorded(stage)})
    samples = {"sidecar": lambda: _replayed(stage)}
    if missing("mcp_cassette"):
        arena.notes["mcp-cassette"] = "left out: not installed (uv run --python 3.13 --with mcp-cassette ...)"
    else:
        fewer = _requests(stage) // CASSETTE_SHARE
        arena.notes["mcp-cassette"] = (
            f"recorded and asked for {fewer:,} trivial requests, the sidecar for {CASSETTE_SHARE} times as many"
        )
        samples["mcp-cassette"] = lambda: _cassette(stage)
    arena.take_turns("transcripts", samples, rounds=3)
    arena.take_turns("transcripts", {"sidecar": lambda: _pages_replayed(stage)}, rounds=2)
    arena.take_turns("transcripts", {"sidecar": lambda: _inspected(stage)}, rounds=2)


def _requests(stage: Stage) -> int:
    return MESSAGES // 2 // (1 if stage.pace.rounds > 2 else QUICKER)


def _with(stage: Stage, command: list[str]) -> Contestant:
    return replace(stage.contestant, command=lambda _: command)


def _start(stage: Stage, contestant: Contestant, purpose: str) -> Server:
    server = launch(contestant, stage.link(), stage.data(purpose))
    stage.call(server, "initialize", handshake())
    return server


def _recorded(stage: Stage) -> Values:
    """What a host asks for, with `--record` and without: nothing, jobs one by one, pages of 50, new jobs."""
    file = stage.folder / "recorded.jsonl"
    file.unlink(missing_ok=True)
    command = stage.contestant.command(stage.folder)
    servers = {
        "plain": _start(stage, stage.contestant, "plain"),
        "taped": _start(stage, _with(stage, [*command, "--record", str(file)]), "taped"),
    }
    for server in servers.values():
        stage.fill(server, 50, QUEUED_JOB, WINDOW)
    many, seconds = stage.contestant.many, stage.pace.seconds
    ids = {
        name: [job["job_id"] for job in stage.call(server, "jobs.list", PAGE)["jobs"]]
        for name, server in servers.items()
    }
    trivial, pages, creates = (
        dict.fromkeys(servers, many(method, [params] * DISTINCT))
        for method, params in (("system.health", {}), ("jobs.list", PAGE), ("jobs.create", QUEUED_JOB))
    )
    gets = {name: many("jobs.get", [{"job_id": job_id} for job_id in ids[name]] * 40) for name in servers}
    speed, cost = _compared(servers, trivial, WINDOW, seconds)
    values = {"recorded": speed, "record_cpu": cost}
    values["recorded_gets"], _ = _compared(servers, gets, WINDOW, seconds)
    values["recorded_pages"], _ = _compared(servers, pages, PAGES_AT_ONCE, seconds)
    values["recorded_creates"], _ = _compared(servers, creates, WINDOW, seconds)
    for server in servers.values():
        server.stop()
    return values


def _compared(
    servers: dict[str, Server], requests: dict[str, list[bytes]], window: int, seconds: float
) -> tuple[float, float]:
    """The rate while recorded in % of the rate while not; and the CPU that recording adds to a request, in us."""
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(BURSTS):
        for name, server in servers.items():
            burst = exchange(server.wire, requests[name], window, seconds / 2)
            drain(server.wire, SETTLE_S)
            rates[name].append(burst.per_s)
            costs[name].append(burst.cpu_us)
    speed = statistics.median(rates["taped"]) / statistics.median(rates["plain"])
    return 100 * speed, statistics.median(costs["taped"]) - statistics.median(costs["plain"])


def _replayed(stage: Stage) -> Values:
    """Trivial requests, 64 at once: asked of a live sidecar, then recorded, then asked of the stand-in."""
    requests = _trivial(stage)
    lived = _rate_of(stage, stage.contestant, "live", requests)
    record, replay = _ours(stage)
    _rate_of(stage, record, "live", requests)
    begin = time.perf_counter()
    standin = _start(stage, replay, STANDIN)
    started = 1e3 * (time.perf_counter() - begin)
    played = _rate(standin, requests)
    standin.stop()
    return {"replayed": 100 * played / lived, "standin_start": started}


def _cassette(stage: Stage) -> Values:
    """The same by mcp-cassette."""
    requests = _trivial(stage)
    few = requests[: len(requests) // CASSETTE_SHARE]
    lived = _rate_of(stage, stage.contestant, "live", requests)
    file = stage.folder / "cassette.json"
    file.unlink(missing_ok=True)
    program = [sys.executable, "-m", "mcp_cassette"]
    serve = stage.contestant.command(stage.folder)
    recorded = _rate_of(stage, _with(stage, [*program, "record", "--cassette", str(file), "--", *serve]), "live", few)
    begin = time.perf_counter()
    standin = _start(stage, _with(stage, [*program, "serve", str(file)]), STANDIN)
    started = 1e3 * (time.perf_counter() - begin)
    played = _rate(standin, few)
    standin.stop()
    return {"recorded": 100 * recorded / lived, "replayed": 100 * played / lived, "standin_start": started}


def _pages_replayed(stage: Stage) -> Values:
    """Pages of 50 jobs, 64 at once, in the same way."""
    pages = stage.contestant.many("jobs.list", [PAGE] * (_requests(stage) // 20))
    live = _start(stage, stage.contestant, "live-pages")
    stage.fill(live, 50, QUEUED_JOB, WINDOW)
    drain(live.wire, STARTED_S)
    lived = _rate(live, pages)
    live.stop()
    record, replay = _ours(stage)
    _rate_of(stage, record, "live-pages", pages)
    return {"replayed_pages": 100 * _rate_of(stage, replay, STANDIN, pages) / lived}


def _ours(stage: Stage) -> tuple[Contestant, Contestant]:
    """One that records, and one that replays that."""
    file = stage.folder / "replayed.jsonl"
    file.unlink(missing_ok=True)
    serve = stage.contestant.command(stage.folder)
    return _with(stage, [*serve, "--record", str(file)]), _with(stage, [*serve, "replay", str(file)])


def _trivial(stage: Stage) -> list[bytes]:
    return stage.contestant.many("system.health", [{}] * _requests(stage))


def _rate_of(stage: Stage, contestant: Contestant, purpose: str, requests: list[bytes]) -> float:
    server = _start(stage, contestant, purpose)
    if purpose != STANDIN:
        drain(server.wire, STARTED_S)
    rate = _rate(server, requests)
    server.stop()
    return rate


def _rate(server: Server, requests: list[bytes]) -> float:
    """Answers per second, each request once."""
    begin = time.perf_counter()
    deliver(server.wire, requests, WINDOW)
    return len(requests) / (time.perf_counter() - begin)


def _inspected(stage: Stage) -> Values:
    """`sidecar inspect` on 100,000 messages, in seconds for 100 MB."""
    file = stage.folder / "long.jsonl"
    size = _write_long(file)
    begin = time.perf_counter()
    command = shlex.join([sys.executable, "-m", "sidecar", "inspect", str(file)])
    subprocess.run(shlex.split(command), cwd=ROOT, stdout=subprocess.DEVNULL, timeout=60, check=True)
    return {"inspect": (time.perf_counter() - begin) * 100e6 / size}


def _write_long(file: Path) -> int:
    if not file.exists():
        with file.open("wb") as lines:
            lines.write(
                b'{"transcript":1,"protocol_version":1,"server":"bench","started_at":"2026-11-23T08:00:00.000Z"}\n'
            )
            for number in range(MESSAGES):
                message = BIG % (number + 1, b"x" * 860)
                lines.write(b'{"t":%d.5,"dir":"s2c","msg":%s}\n' % (number, message))
    return file.stat().st_size
