"""The table `claude_processes`: the CLIs that were started and have not been seen to end.

A process is known by its number and by when it started, since numbers are used again.  A sidecar that was killed leaves
its entries, and the next one kills what they name: that works also where the environment of a process, which bears the
owner's mark, cannot be read.
"""

import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.storage.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A CLI; `started_ts` in seconds since 1970, `owner_id` a job's or a session's."""

    pid: int
    started_ts: float
    owner_id: str


class ProcessTable:
    """Every statement about CLI processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def started(self, process: ProcessRecord) -> None:
        """Note a process.  Never raises: its mark is looked for too."""
        try:
            with self._database.write():
                self._database.execute(
                    "INSERT OR REPLACE INTO claude_processes (pid, started_ts, owner_id) VALUES (?, ?, ?)",
                    (process.pid, process.started_ts, process.owner_id),
                )
        except sqlite3.Error:
            log.exception("a process could not be noted")

    def ended(self, pid: int) -> None:
        """Nothing is left of a process.  Never raises: at worst the next start looks in vain."""
        try:
            self.forget([pid])
        except sqlite3.Error:
            log.exception("the end of a process could not be noted")

    def left(self) -> list[ProcessRecord]:
        """What was not seen to end."""
        rows = self._database.rows("SELECT pid, started_ts, owner_id FROM claude_processes")
        return [ProcessRecord(*row) for row in rows]

    def forget(self, pids: Iterable[int]) -> None:
        """These were looked for."""
        with self._database.write():
            for pid in pids:
                self._database.execute("DELETE FROM claude_processes WHERE pid = ?", (pid,))
