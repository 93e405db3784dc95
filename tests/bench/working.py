"""The queue at work: jobs that do nothing, from the host's request to its being told of their end.

huey does the same beside it, where it is installed.  It promises less; `HUEY_LACKS` says what.
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

from tests.bench.arena import SETTLE_S, Arena, Stage, Values
from tests.bench.contestants import NOTHING, ROOT, Refused, missing
from tests.bench.driver import MarkedLines, Wire, deliver, drain, hear
from tests.bench.loads import WINDOW
from tests.bench.observe import rss_mib
from tests.bench.server import Server, environment, last_words

JOB: Final[dict[str, Any]] = {"type": NOTHING}
LINES: Final = ("Queued", "Started", "Succeeded")
"""What the log of a finished job says."""
SILENCE_S: Final = 5.0
"""A server with work to do that says nothing for so long does not work."""
HUEY_LACKS: Final = (
    "the row is deleted when it is taken, so that a crash loses the job; all it keeps is the result, and it has no "
    "state, log or events of a job; producer and worker share a process, and nobody else is told of the end"
)
SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")
"""SQLite's names for the numbers of the pragma."""


def queue(arena: Arena) -> None:
    """Jobs created while the queue is paused, then run; then as many that are created while they are run."""
    if arena.working is None:
        arena.notes["queue"] = "left out: this server has no job type that does nothing"
        return
    samples = {"sidecar": partial(_sidecar, arena.working)}
    if absent := missing("huey"):
        arena.notes["huey"] = f"left out: {absent}"
    else:
        samples["huey"] = partial(_huey, arena, arena.working.data("huey"))
    arena.take_turns("queue", samples, rounds=1)  # thousands of jobs are rounds enough
    arena.working.release("queue")
    pace = arena.pace
    arena.notes["queue"] = f"{pace.jobs:,} jobs that do nothing, with {pace.finished:,} finished ones in the database"


def _sidecar(stage: Stage) -> Values:
    server = _with_finished_jobs(stage)
    jobs, wire = stage.pace.jobs, server.wire
    requests = stage.contestant.many("jobs.create", [JOB] * jobs)
    stage.call(server, "jobs.queue.pause", {})
    start = time.perf_counter()
    deliver(wire, requests, WINDOW)
    created = time.perf_counter() - start
    drain(wire, SETTLE_S)
    ended = succeeded(wire)
    start = time.perf_counter()
    stage.call(server, "jobs.queue.resume", {})
    until_succeeded(wire, ended + jobs)
    ran = time.perf_counter() - start
    start = time.perf_counter()
    deliver(wire, requests, WINDOW)
    until_succeeded(wire, ended + 2 * jobs)
    through = time.perf_counter() - start
    return {"created": jobs / created, "ran": jobs / ran, "through": jobs / through, "rss": rss_mib(server.pid)}


def _with_finished_jobs(stage: Stage) -> Server:
    if not stage.has("queue"):
        stage.ready("queue")
        stage.release("queue")  # the tables exist now
        _insert_finished_jobs(stage.data("queue") / "sidecar.db", stage.pace.finished)
    return stage.ready("queue")


def _insert_finished_jobs(path: Path, jobs: int) -> None:
    """Put them in by hand: running them all would take longer than what is to be measured."""
    ids = [f"00000000-0000-7000-8000-{number:012x}" for number in range(jobs)]
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(
            """
            INSERT INTO jobs (job_id, type, status, created_at, updated_at, started_at, finished_at, progress,
                              payload_json, result_json, version, attempt)
            SELECT ?, ?, 'succeeded', now, now, now, now, 1.0, '{}', '{"lines":0}', 3, 1
            FROM (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour') AS now)
            """,
            [(job_id, NOTHING) for job_id in ids],
        )
        database.executemany(
            """
            INSERT INTO job_events (event_id, job_id, created_at, level, message)
            VALUES (? || ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour'), 'info', ?)
            """,
            [(job_id, line, job_id, line) for job_id in ids for line in LINES],
        )


def succeeded(wire: Wire) -> int:
    """How many jobs the host has been told of that succeeded."""
    assert isinstance(wire.framing, MarkedLines)
    return wire.framing.marked


def until_succeeded(wire: Wire, jobs: int) -> None:
    """Read until the host has been told of so many."""
    while succeeded(wire) < jobs:
        hear(wire, SILENCE_S)


def _huey(arena: Arena, folder: Path) -> Values:
    shutil.rmtree(folder, ignore_errors=True)  # each round from a new database
    folder.mkdir()
    numbers = [str(arena.pace.jobs), str(arena.pace.finished)]
    command = [sys.executable, "-m", "tests.bench.huey_floor", str(folder / "huey.db"), *numbers]
    with (folder / "stderr.txt").open("ab") as stderr:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                timeout=arena.left_s(),
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise Refused(f"huey failed: {type(error).__name__} ({last_words(folder)})") from error
    answer = json.loads(done.stdout)
    mode, level = answer["pragmas"]["journal_mode"], SYNCHRONOUS[answer["pragmas"]["synchronous"]]
    how = f"{mode}, synchronous {level}, a commit a step, one worker thread"
    arena.notes["huey"] = f"by its defaults ({how}): {HUEY_LACKS}"
    values: Values = answer["values"]
    return values
