"""Transcripts: what recording costs, how fast they are replayed, and how fast one is looked through."""

import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.arena import QUEUED_JOB, Arena, Stage, Values
from tests.bench.contestants import ROOT, Contestant, handshake
from tests.bench.driver import deliver, drain, exchange
from tests.bench.loads import DISTINCT, WINDOW
from tests.bench.observe import cpu_seconds
from tests.bench.server import Server, launch

PAGES_ASKED: Final = 2_000
"""Lists that are recorded and asked again of the stand-in."""
ROUNDS_EACH: Final = 3
"""With and without in turn, within one sample: their ratio is the figure."""
MESSAGES: Final = 100_000
BIG: Final = (
    b'{"jsonrpc":"2.0","method":"jobs.updated","params":{"seq":%d,"at":"2026-11-23T08:00:00.000Z","text":"%s"}}'
)


def transcripts(arena: Arena) -> None:
    """All of it, of the sidecar alone; another server that is measured in its place has no transcripts."""
    stage = arena.stages[0]
    if stage.contestant.command(stage.folder) != [sys.executable, "-m", "sidecar"]:
        arena.notes["transcripts"] = "left out: this server has none"
        return
    arena.take_turns("transcripts", {"sidecar": lambda: _recorded(stage)})
    arena.take_turns("transcripts", {"sidecar": lambda: _replayed(stage)}, rounds=2)
    arena.take_turns("transcripts", {"sidecar": lambda: _inspected(stage)}, rounds=2)


def _with(stage: Stage, *arguments: str) -> Contestant:
    command = stage.contestant.command(stage.folder)
    return replace(stage.contestant, command=lambda _: [*command, *arguments])


def _start(stage: Stage, contestant: Contestant, purpose: str) -> Server:
    server = launch(contestant, stage.link(), stage.data(purpose))
    stage.call(server, "initialize", handshake())
    return server


def _recorded(stage: Stage) -> Values:
    """Trivial requests, 64 at once, with `--record` and without."""
    file = stage.folder / "recorded.jsonl"
    file.unlink(missing_ok=True)
    plain = _start(stage, stage.contestant, "plain")
    taped = _start(stage, _with(stage, "--record", str(file)), "taped")
    requests = stage.contestant.many("system.health", [{}] * DISTINCT)
    rates: dict[str, list[float]] = {"plain": [], "taped": []}
    costs: dict[str, list[float]] = {"plain": [], "taped": []}
    for _ in range(ROUNDS_EACH):
        for name, server in (("plain", plain), ("taped", taped)):
            burst = exchange(server.wire, requests, WINDOW, stage.pace.seconds)
            rates[name].append(burst.per_s)
            costs[name].append(burst.cpu_us)
    plain.stop()
    taped.stop()
    speed = statistics.median(rates["taped"]) / statistics.median(rates["plain"])
    cost = statistics.median(costs["taped"]) - statistics.median(costs["plain"])
    return {"recorded": 100 * speed, "record_cpu": cost}


def _replayed(stage: Stage) -> Values:
    """Pages of 50 jobs, 64 at once: recorded from a live sidecar, then asked of the stand-in."""
    file = stage.folder / "replayed.jsonl"
    file.unlink(missing_ok=True)
    live = _start(stage, _with(stage, "--record", str(file)), "live")
    stage.fill(live, 50, QUEUED_JOB, WINDOW)
    requests = stage.contestant.many("jobs.list", [{"limit": 50}] * PAGES_ASKED)
    lived = _rate(live, requests)
    live.stop()
    standin = replace(stage.contestant, command=lambda _: [sys.executable, "-m", "sidecar", "replay", str(file)])
    begin = time.perf_counter()
    server = _start(stage, standin, "standin")
    started = 1e3 * (time.perf_counter() - begin)
    played = _rate(server, requests)
    server.stop()
    return {"replayed": 100 * played / lived, "standin_start": started}


def _rate(server: Server, requests: list[bytes]) -> float:
    """Answers per second of the server's own CPU: whoever else is busy has no part in it."""
    drain(server.wire, 0.02)
    before = cpu_seconds(server.pid)
    deliver(server.wire, requests, WINDOW)
    return len(requests) / (cpu_seconds(server.pid) - before)


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
