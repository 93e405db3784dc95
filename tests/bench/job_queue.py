"""The job queue: empty jobs, from the request to the notification of their end.

huey is measured too if it is installed.  It guarantees less, see `HUEY_LACKS`.
"""

import json
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmark import QUIET_S, Benchmark, ServerPool, Values
from tests.bench.driver import MarkedLines, Wire, drain, read_once, send_all
from tests.bench.process_stats import rss_mib
from tests.bench.request_load import WINDOW
from tests.bench.server import Server, environment, last_stderr_line
from tests.bench.server_kinds import EMPTY_JOB, ROOT, Refused, missing

JOB: Final[dict[str, Any]] = {"type": EMPTY_JOB}
LINES: Final = ("Started", "Succeeded")
"""The log of a finished job."""
SILENCE_S: Final = 60.0
"""Timeout of a server that has jobs to run and sends nothing."""
HUEY_LACKS: Final = (
    "the row is deleted when the job starts, so that a crash loses the job; it stores only the result, no state, log "
    "or events of a job; producer and worker share a process, and no client is notified of the end"
)
SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
"""Names of the values of SQLite's pragma `synchronous`."""


def queue(benchmark: Benchmark) -> None:
    """Measures jobs that are created in a paused queue and then run, and jobs that run while others are created."""
    if benchmark.with_jobs is None:
        benchmark.notes["queue"] = "left out: this server has no benchmark job types"
        return
    samples = {"sidecar": partial(_sidecar, benchmark.with_jobs)}
    if absent := missing("huey"):
        benchmark.notes["huey"] = f"left out: {absent}"
    else:
        samples["huey"] = partial(_huey, benchmark, benchmark.with_jobs.data("huey"))
    benchmark.sample_each("queue", samples, rounds=1)  # the thousands of jobs average out
    benchmark.with_jobs.release("queue")
    pace = benchmark.pace
    benchmark.notes["queue"] = f"{pace.jobs:,} empty jobs, with {pace.finished:,} finished ones in the database"


def _sidecar(pool: ServerPool) -> Values:
    server = _with_finished_jobs(pool)
    jobs, wire = pool.pace.jobs, server.wire
    requests = pool.kind.many("jobs.create", [JOB] * jobs)
    pool.call(server, "jobs.queue.pause", {})
    start = time.perf_counter()
    send_all(wire, requests, WINDOW)
    created = time.perf_counter() - start
    drain(wire, QUIET_S)
    ended = succeeded(wire)
    start = time.perf_counter()
    pool.call(server, "jobs.queue.resume", {})
    until_succeeded(wire, ended + jobs)
    ran = time.perf_counter() - start
    start = time.perf_counter()
    send_all(wire, requests, WINDOW)
    until_succeeded(wire, ended + 2 * jobs)
    through = time.perf_counter() - start
    return {"created": jobs / created, "ran": jobs / ran, "through": jobs / through, "rss": rss_mib(server.pid)}


def _with_finished_jobs(pool: ServerPool) -> Server:
    if not pool.has("queue"):
        pool.ready("queue")
        pool.release("queue")  # has created the tables
        _insert_finished_jobs(pool.data("queue") / "sidecar.db", pool.pace.finished)
    return pool.ready("queue")


def _insert_finished_jobs(path: Path, jobs: int) -> None:
    """Inserts rows directly: running the jobs would take longer than the measurement."""
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(jobs)]
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            """
            INSERT INTO jobs (job_id, type, status, created_at, updated_at, started_at, finished_at, progress,
                              payload_json, result_json, version, attempt)
            SELECT ?, ?, 'succeeded', now, now, now, now, 1.0, '{}', '{"lines":0}', 3, 1
            FROM (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour') AS now)
            """,
            [(job_id, EMPTY_JOB) for job_id in ids],
        )
        database.executemany(
            """
            INSERT INTO job_events (event_id, job_id, created_at, level, message)
            VALUES (? || ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), 'info', ?)
            """,
            [(job_id, line, job_id, line) for job_id in ids for line in LINES],
        )


def succeeded(wire: Wire) -> int:
    """Returns the number of jobs whose success was received."""
    assert isinstance(wire.framing, MarkedLines)
    return wire.framing.marked


def until_succeeded(wire: Wire, jobs: int) -> None:
    """Reads until the success of this number of jobs was received."""
    while succeeded(wire) < jobs:
        read_once(wire, SILENCE_S)


def _huey(benchmark: Benchmark, folder: Path) -> Values:
    shutil.rmtree(folder, ignore_errors=True)  # each round starts with a new database
    folder.mkdir()
    numbers = [str(benchmark.pace.jobs), str(benchmark.pace.finished)]
    command = [sys.executable, "-m", "tests.bench.huey_queue", str(folder / "huey.db"), *numbers]
    with (folder / "stderr.txt").open("ab") as stderr:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                timeout=benchmark.left_s(),
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise Refused(f"huey failed: {type(error).__name__} ({last_stderr_line(folder)})") from error
    answer = json.loads(done.stdout)
    mode, level = answer["pragmas"]["journal_mode"], SYNCHRONOUS[answer["pragmas"]["synchronous"]]
    how = f"{mode}, synchronous {level}, a commit a step, one worker thread"
    benchmark.notes["huey"] = f"by its defaults ({how}): {HUEY_LACKS}"
    values: Values = answer["values"]
    return values
