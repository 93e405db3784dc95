"""What a server's life costs: its start, its idling, its end, and a host that stops reading."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from tests.bench.arena import QUEUED_JOB, TROUBLE, Arena, Stage, Values
from tests.bench.contestants import ROOT, Link, Refused, handshake, trivial_method
from tests.bench.driver import stuff
from tests.bench.observe import cpu_seconds, rss_mib, wake_ups
from tests.bench.server import Server, environment

FEW_JOBS: Final = 50
"""One page, so that the first jobs.list has something to say."""
PAUSE_S: Final = 0.2
"""Between the first answers and the end, so that what is stopped is not still warming up."""
REST_S: Final = 1.0
"""What a server warms up after its first answers is over by then, and belongs to its start, not to its idling."""
UNREAD: Final = 20_000
"""As many as the target is stated for."""
STALL_S: Final = 0.5
"""A server that has taken nothing for so long has stopped reading."""
AT_REST_S: Final = 1.0
"""Memory that still grows then is looked at as it is."""
NODE_S: Final = 20.0
"""A Node driver that takes longer than this hangs."""


def life(arena: Arena) -> None:
    """From the spawn to the first answers of a process whose database exists, and from its input's end to its own."""

    def sample(stage: Stage) -> Values:
        _prepared(stage)
        server = stage.start("life")
        try:
            stage.call(server, "initialize", handshake())
            greeted = time.perf_counter()
            stage.call(server, "jobs.list", {"limit": FEW_JOBS})
            listed = time.perf_counter()
            time.sleep(PAUSE_S)
        finally:
            stopped = server.stop()
        return {
            "initialize": 1e3 * (greeted - server.started_at),
            "jobs_list": 1e3 * (listed - server.started_at),
            "stop": stopped,
        }

    arena.interleave("life", sample)


def _prepared(stage: Stage) -> None:
    """Make sure that the data folder has its jobs and that no process has it open."""
    if not stage.data("life").exists():
        stage.fill(stage.ready("life"), FEW_JOBS, QUEUED_JOB, 1)
    stage.release("life")


def idle(arena: Arena) -> None:
    """What a server that nobody asks anything uses; all idle through the same seconds."""
    idling: list[tuple[Stage, Server]] = []
    for stage in arena.stages:
        try:
            _prepared(stage)
            server = stage.ready("life")
            stage.call(server, "jobs.list", {"limit": FEW_JOBS})
        except TROUBLE as trouble:
            arena.note("idle", stage.contestant.name, str(trouble))
        else:
            idling.append((stage, server))
    time.sleep(REST_S)
    before = [(wake_ups(server.pid), cpu_seconds(server.pid)) for _, server in idling]
    time.sleep(arena.pace.idle_s)
    in_ten_seconds = 10 / arena.pace.idle_s
    for (stage, server), (wakes, cpu) in zip(idling, before, strict=True):
        woken = (wake_ups(server.pid) - wakes) * in_ten_seconds
        used = 1e3 * (cpu_seconds(server.pid) - cpu) * in_ten_seconds
        arena.add("idle", stage.contestant.name, {"rss": rss_mib(server.pid), "wake_ups": woken, "cpu": used})


def unread(arena: Arena) -> None:
    """A host that sends 20,000 requests and reads none of the answers."""

    def sample(stage: Stage) -> Values:
        server = stage.ready("life")
        requests = b"".join(stage.contestant.many(trivial_method(), [{}] * UNREAD))
        before = rss_mib(server.pid)
        try:
            taken = stuff(server.wire, requests, STALL_S)
            after = at_rest(server.pid)
        finally:
            stage.abandon("life")
        if taken < len(requests):
            share = 100 * taken // len(requests)
            arena.notes[f"unread / {stage.contestant.name}"] = f"stopped reading after {share} % of the requests"
        return {"growth": after - before}

    arena.interleave("unread", sample, rounds=1)


def at_rest(pid: int) -> float:
    """Its memory once that has not grown for 0.2 s, or after AT_REST_S."""
    end, size, quiet = time.monotonic() + AT_REST_S, rss_mib(pid), 0
    while quiet < 4 and time.monotonic() < end:
        time.sleep(0.05)
        now = rss_mib(pid)
        quiet = 0 if now > size else quiet + 1
        size = max(size, now)
    return size


def after_load(arena: Arena) -> None:
    """What the server that most loads were measured on has kept."""
    arena.interleave("after_load", lambda stage: {"rss": at_rest(stage.loaded().pid)}, rounds=1)


def node(arena: Arena) -> None:
    """The trivial request pipelined by Node, which is what Electron's main process is."""
    executable = shutil.which("node")
    if executable is None:
        arena.notes["node"] = "left out: node is not on PATH"
        return

    def sample(stage: Stage) -> Values:
        if Link.TCP in stage.contestant.links:
            return {}
        _prepared(stage)
        return {"x64": _driven_by_node(executable, stage, arena.pace.seconds)}

    arena.interleave("node", sample)


def _driven_by_node(executable: str, stage: Stage, seconds: float) -> float:
    folder = stage.data("life")
    order: dict[str, Any] = {
        "command": stage.contestant.command(folder),
        "initialize": handshake(),
        "method": trivial_method(),
        "window": 64,
        "seconds": seconds,
    }
    script = Path(__file__).with_name("node_host.mjs")
    with (folder / "stderr.txt").open("ab") as stderr:
        try:
            done = subprocess.run(
                [executable, str(script), json.dumps(order)],
                cwd=ROOT,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                timeout=NODE_S,
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise Refused(f"the Node host failed: {type(error).__name__}") from error
    return float(json.loads(done.stdout)["per_s"])
