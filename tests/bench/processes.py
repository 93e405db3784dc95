"""Start, idling and end of a server process, and its memory when a client stops reading."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmark import FAILURES, QUEUED_JOB, Benchmark, ServerPool, Values
from tests.bench.driver import write_until_stalled
from tests.bench.process_stats import cpu_seconds, rss_mib, wake_ups
from tests.bench.server import Server, environment
from tests.bench.server_kinds import ROOT, Link, Refused, handshake, trivial_method

FEW_JOBS: Final = 50
"""Jobs in the database, one page of `jobs.list`."""
PAUSE_S: Final = 0.2
"""Between the first answers and the stop, so that no server is stopped during its start."""
REST_S: Final = 1.0
"""Before the idle measurement: work after the first answers belongs to the start."""
UNREAD: Final = 20_000
"""Number of requests in the stated target."""
STALL_S: Final = 0.5
"""A server that has taken nothing for this time has stopped reading."""
AT_REST_S: Final = 1.0
"""Longest wait for memory to stop growing."""
NODE_S: Final = 120.0
"""Timeout of the Node driver."""


def life(benchmark: Benchmark) -> None:
    """Measures the time from spawn to the first answers with an existing database, and from EOF to the exit."""

    def sample(pool: ServerPool) -> Values:
        _prepared(pool)
        server = pool.start("life")
        try:
            pool.call(server, "initialize", handshake())
            initialized = time.perf_counter()
            pool.call(server, "jobs.list", {"limit": FEW_JOBS})
            listed = time.perf_counter()
            time.sleep(PAUSE_S)
        finally:
            stopped = server.stop()
        return {
            "initialize": 1e3 * (initialized - server.started_at),
            "jobs_list": 1e3 * (listed - server.started_at),
            "stop": stopped,
        }

    benchmark.sample_all("life", sample)


def _prepared(pool: ServerPool) -> None:
    """Creates the jobs in the data folder if necessary, and stops the server that has it open."""
    if not pool.data("life").exists():
        pool.fill(pool.ready("life"), FEW_JOBS, QUEUED_JOB, 1)
    pool.release("life")


def idle(benchmark: Benchmark) -> None:
    """Measures memory, wake-ups and CPU time of idle servers, all during the same seconds."""
    idling: list[tuple[ServerPool, Server]] = []
    for pool in benchmark.pools:
        try:
            _prepared(pool)
            server = pool.ready("life")
            pool.call(server, "jobs.list", {"limit": FEW_JOBS})
        except FAILURES as failure:
            benchmark.note("idle", pool.kind.name, str(failure))
        else:
            idling.append((pool, server))
    time.sleep(REST_S)
    before = [(wake_ups(server.pid), cpu_seconds(server.pid)) for _, server in idling]
    time.sleep(benchmark.pace.idle_s)
    in_ten_seconds = 10 / benchmark.pace.idle_s
    for (pool, server), (wakes, cpu) in zip(idling, before, strict=True):
        woken = (wake_ups(server.pid) - wakes) * in_ten_seconds
        used = 1e3 * (cpu_seconds(server.pid) - cpu) * in_ten_seconds
        benchmark.add("idle", pool.kind.name, {"rss": rss_mib(server.pid), "wake_ups": woken, "cpu": used})


def unread(benchmark: Benchmark) -> None:
    """Measures a client that sends 20,000 requests and reads no answer."""

    def sample(pool: ServerPool) -> Values:
        server = pool.ready("life")
        requests = b"".join(pool.kind.many(trivial_method(), [{}] * UNREAD))
        before = rss_mib(server.pid)
        try:
            taken = write_until_stalled(server.wire, requests, STALL_S)
            after = at_rest(server.pid)
        finally:
            pool.kill("life")
        if taken < len(requests):
            share = 100 * taken // len(requests)
            benchmark.notes[f"unread / {pool.kind.name}"] = f"stopped reading after {share} % of the requests"
        return {"growth": after - before}

    benchmark.sample_all("unread", sample, rounds=1)


def at_rest(pid: int) -> float:
    """Returns the memory once it has not grown for 0.2 s, or after AT_REST_S."""
    end, size, quiet = time.monotonic() + AT_REST_S, rss_mib(pid), 0
    while quiet < 4 and time.monotonic() < end:
        time.sleep(0.05)
        now = rss_mib(pid)
        quiet = 0 if now > size else quiet + 1
        size = max(size, now)
    return size


def after_load(benchmark: Benchmark) -> None:
    """Measures the memory of the server on which most loads ran."""
    benchmark.sample_all("after_load", lambda pool: {"rss": at_rest(pool.loaded().pid)}, rounds=1)


def node(benchmark: Benchmark) -> None:
    """Measures trivial requests pipelined by Node, the runtime of Electron's main process."""
    executable = shutil.which("node")
    if executable is None:
        benchmark.notes["node"] = "left out: node is not on PATH"
        return

    def sample(pool: ServerPool) -> Values:
        if Link.TCP in pool.kind.links:
            return {}
        _prepared(pool)
        return {"x64": _driven_by_node(executable, pool, benchmark.pace.seconds)}

    benchmark.sample_all("node", sample)


def _driven_by_node(executable: str, pool: ServerPool, seconds: float) -> float:
    folder = pool.data("life")
    order: dict[str, Any] = {
        "command": pool.kind.command(folder),
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
