"""The same jobs with huey's SqliteHuey in its default configuration and one worker thread.

huey is not a dependency of the project: `uv run --with huey python -m tests.bench`.  Run as `python -m
tests.bench.huey_queue DATABASE JOBS FINISHED`; prints its figures as JSON.  Producer and worker share a process, as in
a program without a sidecar: no job crosses a pipe, and no client is notified.
"""

import importlib
import json
import os
import sys
import threading
import time
from typing import Any, Final

from tests.bench.process_stats import rss_mib

TIMEOUT_S: Final = 60.0
"""Timeout of all jobs of a measurement."""


class Work:
    """A queue with an empty task, and a count of the tasks to end."""

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

    def add_finished(self, jobs: int) -> None:
        """Stores the results of earlier jobs, the only thing that huey keeps."""
        storage = self.queue.storage
        rows = [(storage.name, f"seeded-{number}", b'{"lines": 0}') for number in range(jobs)]
        with storage.db(commit=True) as cursor:
            cursor.executemany("INSERT INTO kv (queue, key, value) VALUES (?, ?, ?)", rows)

    def expect(self, jobs: int) -> None:
        """Sets the number of jobs that `wait` waits for."""
        self._awaited = jobs
        self._all_ended.clear()

    def create(self, jobs: int) -> None:
        """Queues jobs one after the other; huey has no bulk operation."""
        for _ in range(jobs):
            self.nothing()

    def wait(self) -> None:
        """Waits until all expected jobs have ended."""
        if not self._all_ended.wait(TIMEOUT_S):
            raise TimeoutError(f"{self._awaited} jobs have not ended after {TIMEOUT_S:g} s")

    def pragmas(self) -> dict[str, Any]:
        """Returns the settings of huey's connection."""
        names = ("journal_mode", "synchronous")
        return {name: self.queue.storage.sql(f"PRAGMA {name}", results=True)[0][0] for name in names}


def measure(work: Work, jobs: int) -> dict[str, Any]:
    """Returns the figures of `tests.bench.job_queue`: queue all, run all, then both at once."""
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
    """Measures once and prints the figures."""
    work = Work(database)
    work.add_finished(finished)
    print(json.dumps(measure(work, jobs)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
