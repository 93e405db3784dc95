"""The disk: real SQLite, whose connection can be refused, slow, full or killed at a commit."""

import sqlite3
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.simulation.loop import Killed

LOCK_WAIT: Final = "PRAGMA busy_timeout"
PROBLEMS: Final = ("full", "busy", "failing", "losing", "losing")


class Connection:
    """Passes everything to a connection, as long as the disk is well."""

    def __init__(self, real: sqlite3.Connection, disk: "Disk") -> None:
        self._real = real
        self._disk = disk
        # A wait for a lock would take time of this computer, and changes nothing here: the lock outlasts it.
        real.execute(f"{LOCK_WAIT} = 0")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def execute(self, sql: str, *parameters: Any) -> Any:
        if sql.startswith(LOCK_WAIT):
            return None
        if sql == "COMMIT":
            return self._disk.commit(self._real)
        self._disk.look(sql)
        return self._real.execute(sql, *parameters)


def _error(name: str, text: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


class Disk:
    """The steps that begin with the disk."""

    WEIGHTS: Final = {"full": 1, "busy": 1, "failing": 1, "losing": 2, "kill_at_commit": 3, "unreadable": 2}

    def __init__(self, later: Callable[[float, Callable[[], None]], None], now: Callable[[], float]) -> None:
        self._later = later
        self._now = now
        self.fine_since = 0.0
        """When the last problem ended."""
        self.broken_since: float | None = None
        """When the last problem began, or the one before that it has taken over from."""
        self._real: sqlite3.Connection | None = None
        self._problem: str | None = None
        self._kill: str | None = None
        self._unread: int | None = None
        """The number of the event log's reads after which one of the next start fails."""
        self.had_problem = False
        """Whether there was one during this start."""

    @property
    def has_problem(self) -> bool:
        return self._problem is not None

    def open(self, real: sqlite3.Connection) -> Connection:
        """Returns the connection that a process uses."""
        self._real = real
        self._limit()
        return Connection(real, self)

    def commit(self, real: sqlite3.Connection) -> Any:
        """Commits, unless something is wrong."""
        kill, self._kill = self._kill, None
        if kill == "before":
            raise Killed
        self.look("COMMIT")
        result = real.execute("COMMIT")
        if kill is not None:
            raise Killed
        return result

    def look(self, sql: str) -> None:
        """Raises what a disk with a problem lets SQLite raise."""
        if self._unread is not None and "event_log" in sql:
            self._unread -= 1
            if self._unread < 0:
                self._unread, self.had_problem = None, True
                raise _error("SQLITE_IOERR_READ", "disk I/O error")
        if self._problem == "busy" and sql == "BEGIN IMMEDIATE":
            raise _error("SQLITE_BUSY", "database is locked")
        if self._problem == "losing" and sql == "COMMIT":
            raise _error("SQLITE_IOERR_FSYNC", "disk I/O error")
        if self._problem == "failing" and sql in ("BEGIN IMMEDIATE", "COMMIT"):
            raise _error("SQLITE_IOERR_WRITE", "disk I/O error")

    def full(self, rng: Random) -> str:
        return self._trouble("full", rng)

    def busy(self, rng: Random) -> str:
        return self._trouble("busy", rng)

    def failing(self, rng: Random) -> str:
        return self._trouble("failing", rng)

    def losing(self, rng: Random) -> str:
        """Lets only commits fail, so that everything that was written is rolled back."""
        return self._trouble("losing", rng)

    def kill_at_commit(self, rng: Random) -> str:
        self._kill = rng.choice(("before", "after"))
        return f"{self._kill} the next commit"

    def unreadable(self, rng: Random) -> str:
        """Lets one of the next reads of the event log fail."""
        self._unread = rng.randint(0, 4)
        return f"after {self._unread} reads"

    def be_kind(self) -> None:
        self._problem = self._kill = self._unread = self.broken_since = None
        self.fine_since = self._now()
        self._limit()

    def _trouble(self, problem: str, rng: Random) -> str:
        delay_s = rng.choice((1, 30, 900))
        self.break_for(problem, delay_s)
        return f"for {delay_s} s"

    def break_for(self, problem: str, delay_s: float) -> None:
        """Begins a problem."""
        self.broken_since = self._now() if self._problem is None else self.broken_since
        self._problem, self.had_problem = problem, True
        self._limit()
        self._later(delay_s, self._recover)

    def _recover(self) -> None:
        self._problem = None
        self.fine_since = self._now()
        self._limit()

    def _limit(self) -> None:
        """Lets the real file grow, or not."""
        if self._real is None:
            return
        try:
            (pages,) = self._real.execute("PRAGMA page_count").fetchone()
            limit = pages + 2 if self._problem == "full" else 2**31
            self._real.execute(f"PRAGMA max_page_count = {limit}")
        except sqlite3.ProgrammingError:  # it is closed
            self._real = None
