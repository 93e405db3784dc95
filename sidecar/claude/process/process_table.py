"""The table `claude_processes`: CLI processes that were started and have not been seen to end.

A sidecar that is killed leaves its rows, and the next one kills the processes that they name.  That works even where
the environment of a process, which names its owner, cannot be read.  A process is identified by its id and its start
time, because ids are reused.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.storage.database import Database


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A CLI process; `started_ts` is in seconds since 1970, `owner_id` the id of a job or a session."""

    pid: int
    started_ts: float
    owner_id: str


class ProcessTable:
    """Every statement about CLI processes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, process: ProcessRecord) -> None:
        """Stores a process.  Never raises, since its environment identifies it as well."""
        with self._database.write_or_log("a CLI process could not be recorded"):
            self._database.execute(
                "INSERT OR REPLACE INTO claude_processes (pid, started_ts, owner_id) VALUES (?, ?, ?)",
                (process.pid, process.started_ts, process.owner_id),
            )

    def discard(self, pids: Iterable[int]) -> None:
        """Deletes processes that have ended.  Never raises: the next start ignores records of ended processes."""
        with self._database.write_or_log("the end of a CLI process could not be recorded"):
            for pid in pids:
                self._database.execute("DELETE FROM claude_processes WHERE pid = ?", (pid,))

    def records(self) -> list[ProcessRecord]:
        """Returns the processes that have not been seen to end."""
        rows = self._database.rows("SELECT pid, started_ts, owner_id FROM claude_processes")
        return [ProcessRecord(*row) for row in rows]
