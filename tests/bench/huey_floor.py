"""The huey floor: the same jobs through huey's SqliteHuey with its defaults, and one worker thread.

huey is no dependency of the project: `uv run --with huey python -m tests.bench`.  Run as `python -m
tests.bench.huey_floor DATABASE JOBS FINISHED`; prints its figures as JSON.  Producer and worker share a process, which
is how a program without a sidecar would use it: a job crosses no pipe, and nobody is told about it.
"""

import importlib
import json
import os
import sys
import threading
import time
from typing import Any, Final

from tests.bench.observe import rss_mib

PATIENCE_S: Final = 60.0
"""Jobs that have not ended by then will not end."""


class Work:
    """A queue, a task that does nothing, and how many of it have ended."""

    def __init__(self, database: str) -> None:
        huey: Any = importlib.import_module("huey")
        signals: Any = importlib.import_module("huey.signals")
        self.queue: Any = huey.SqliteHuey("bench", filename=database)
        self._awaited = 0
        self._all_ended = threading.Event()

        def nothing() -> dict[str, int]:
            return {"lines": 0}

        def ended(*_: object) -> None:
            self._awaited -= 1
            if self._awaited == 0:
                self._all_ended.set()

        self.nothing = self.queue.task()(nothing)
        self.queue.signal(signals.SIGNAL_COMPLETE)(ended)  # sent once the result is stored

    def has_finished(self, jobs: int) -> None:
        """Store the results of so many earlier jobs, which is all that huey keeps of one."""
        storage = self.queue.storage
        rows = [(storage.name, f"seeded-{number}", b'{"lines": 0}') for number in range(jobs)]
        with storage.db(commit=True) as cursor:
            cursor.executemany("INSERT INTO kv (queue, key, value) VALUES (?, ?, ?)", rows)

    def expect(self, jobs: int) -> None:
        """Count this many from now on."""
        self._awaited = jobs
        self._all_ended.clear()

    def create(self, jobs: int) -> None:
        """Queue so many, one after the other: huey has no other way."""
        for _ in range(jobs):
            self.nothing()

    def wait(self) -> None:
        """Return when all that are expected have ended."""
        if not self._all_ended.wait(PATIENCE_S):
            raise TimeoutError(f"{self._awaited} jobs have not ended after {PATIENCE_S:g} s")

    def pragmas(self) -> dict[str, Any]:
        """What its own connection is set to."""
        names = ("journal_mode", "synchronous")
        return {name: self.queue.storage.sql(f"PRAGMA {name}", results=True)[0][0] for name in names}


def measure(work: Work, jobs: int) -> dict[str, Any]:
    """The figures that the sidecar has, too: queue all, then run all, then both at once."""
    work.expect(jobs)
    start = time.perf_counter()
    work.create(jobs)
    created = time.perf_counter()
    consumer = work.queue.create_consumer(workers=1)
    consumer.start()
    work.wait()
    ran = time.perf_counter()
    work.expect(jobs)
    again = time.perf_counter()
    work.create(jobs)
    work.wait()
    through = time.perf_counter() - again
    rates = {"created": jobs / (created - start), "ran": jobs / (ran - created), "through": jobs / through}
    consumer.stop(graceful=True)
    return {"values": rates | {"rss": rss_mib(os.getpid())}, "pragmas": work.pragmas()}


def main(database: str, jobs: int, finished: int) -> None:
    """Measure once."""
    work = Work(database)
    work.has_finished(finished)
    print(json.dumps(measure(work, jobs)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
