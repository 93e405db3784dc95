"""The table `claude_runs`: the CLI's session of each run, and `claude.runs`."""

from typing import Final, NamedTuple

from sidecar_protocol.claude.runs import ClaudeRun, RunNotFound, Runs

from sidecar.clock import DAY_S, Clock, iso, iso_now
from sidecar.storage.database import Database

KEPT_S: Final = 90 * DAY_S
"""Age in seconds up to which runs are listed.  The CLI deletes its own record of a session after 30 days."""


class RunState(NamedTuple):
    """The state of a run: its session in the CLI, and whether Claude has answered anything or used a tool."""

    claude_session_id: str | None = None
    has_acted: bool = False


class RunStore:
    """Every statement about runs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def begin(self, job_id: str, *, is_first: bool) -> RunState:
        """Begins an attempt of a run.  Returns what earlier attempts have done, unless it is the first."""
        with self._database.write():
            if is_first:
                oldest = iso(self._clock.now_ms() - KEPT_S * 1000)
                self._database.execute("DELETE FROM claude_runs WHERE started_at < ?", (oldest,))
                sql = "INSERT OR REPLACE INTO claude_runs (job_id, started_at) VALUES (?, ?)"
                self._database.execute(sql, (job_id, iso_now(self._clock)))
        row = self._database.row("SELECT claude_session_id, has_acted FROM claude_runs WHERE job_id = ?", (job_id,))
        return RunState() if row is None else RunState(row[0], bool(row[1]))

    def record(self, job_id: str, state: RunState) -> None:
        """Stores what an attempt has done so far.  If that fails, it is logged and the run goes on."""
        with self._database.write_or_log("the session of a Claude run could not be stored"):
            sql = "UPDATE claude_runs SET claude_session_id = ?, has_acted = ? WHERE job_id = ?"
            self._database.execute(sql, (state.claude_session_id, state.has_acted, job_id))

    def of_conversation(self, claude_session_id: str) -> list[str]:
        """Returns the runs that have this session in the CLI."""
        return self._database.values("SELECT job_id FROM claude_runs WHERE claude_session_id = ?", (claude_session_id,))

    def get(self, job_id: str) -> ClaudeRun | None:
        sql = "SELECT job_id, claude_session_id, started_at FROM claude_runs WHERE job_id = ?"
        row = self._database.row(sql, (job_id,))
        return None if row is None else ClaudeRun(job_id=row[0], session_id=row[1], started_at=row[2])


class RunsService(Runs):
    """Implements `Runs`."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def get(self, *, job_id: str) -> ClaudeRun:
        run = self._store.get(job_id)
        if run is None:
            raise RunNotFound
        return run
