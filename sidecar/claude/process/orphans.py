"""Records, finds and kills every process of a run or a session, including those that left its process group."""

import contextlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

import anyio
import anyio.to_thread
import psutil

from sidecar.claude.process.environment import DATABASE_ENV, OWNER_ENVS
from sidecar.storage.database import Database

POLL_S: Final = 0.02
EXEC_PASSES: Final = 5
"""Maximum number of further looks, `POLL_S` apart, at processes that show no environment: some never do."""
FIRST: Final = 1
KERNEL: Final = 2
START_TOLERANCE_S: Final = 2.0
"""Maximum difference of start times in seconds: Linux gives the boot time, from which they are computed, in seconds."""


class StoredProcess(NamedTuple):
    """A CLI process; `started_ts` is in seconds since 1970, `owner_id` the id of a job or a session."""

    pid: int
    started_ts: float
    owner_id: str


class ProcessTable:
    """Every statement about CLI processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._own: set[int] = set()
        """The processes of this sidecar: a request can start one before those of an earlier sidecar are killed."""

    def add(self, process: StoredProcess) -> None:
        """Stores a process.  Never raises, since its environment identifies it as well."""
        self._own.add(process.pid)
        with self._database.write_or_log("a CLI process could not be stored"):
            sql = "INSERT OR REPLACE INTO claude_processes (pid, started_ts, owner_id) VALUES (?, ?, ?)"
            self._database.execute(sql, process)

    def discard(self, pids: Iterable[int]) -> None:
        """Deletes processes that have ended.  Never raises: the next start ignores those that are left."""
        with self._database.write_or_log("the end of a CLI process could not be stored"):
            for pid in pids:
                self._database.execute("DELETE FROM claude_processes WHERE pid = ?", (pid,))

    def left(self) -> list[StoredProcess]:
        """Returns the processes that an earlier sidecar has left."""
        rows = self._database.rows("SELECT pid, started_ts, owner_id FROM claude_processes")
        return [StoredProcess(*row) for row in rows if row[0] not in self._own]


def start_time(pid: int) -> float | None:
    """Returns when a process started, in seconds since 1970, or None if it has ended."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def process_tree(pid: int, owner_id: str, database: str | None) -> set[psutil.Process]:
    """Returns the owner's process and its descendants, or an empty set if it has ended."""
    try:
        root = psutil.Process(pid)
        if not _is_owned(root.environ(), {owner_id}, database):  # it has ended, and its id has been reused
            return set()
        return {root, *root.children(recursive=True)}
    except (psutil.Error, OSError):
        return set()


def still_running(stored: Iterable[StoredProcess]) -> set[psutil.Process]:
    """Returns the stored processes that still run, with their descendants.

    None of them is the first process of the system, this one or one above it, whatever was stored.
    """
    found: set[psutil.Process] = set()
    this = psutil.Process()
    above = {FIRST, this.pid, *(one.pid for one in this.parents())}
    for one in stored:
        with contextlib.suppress(psutil.Error, OSError, ValueError, OverflowError):  # the last two: not an id
            process = psutil.Process(one.pid)
            if one.pid not in above and abs(process.create_time() - one.started_ts) < START_TOLERANCE_S:
                found |= {process, *process.children(recursive=True)}
    return found


async def kill_orphans(
    owner_ids: Collection[str], database: str | None = None, *, known: Collection[psutil.Process] = (), timeout_s: float
) -> int:
    """Kills `known` and all processes whose environment names one of the owners and their `database` (None: names no
    database), until none is left.  Returns the number of killed processes.

    Gives up after `timeout_s` seconds: a process in an uninterruptible system call dies only when that returns.
    """
    killed: set[psutil.Process] = set()
    unclear_passes = 0
    with anyio.move_on_after(timeout_s):
        while unclear_passes < EXEC_PASSES:
            found, is_unclear = await anyio.to_thread.run_sync(_kill_once, owner_ids, database, {*known, *killed})
            killed |= found
            if not found and not is_unclear:
                break
            unclear_passes = 0 if found else unclear_passes + 1
            await anyio.sleep(POLL_S)
    return len(killed)


def _kill_once(
    owner_ids: Collection[str], database: str | None, known: Collection[psutil.Process]
) -> tuple[set[psutil.Process], bool]:
    """Kills the processes that run now.  One that is forked meanwhile is found by the next call.

    Returns the killed processes, and whether there are processes whose owner cannot be seen at the moment.
    """
    owned, is_unclear = _owned(owner_ids, database)
    found = {process for process in (*known, *owned) if _is_alive(process)}
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.kill()  # psutil compares start times, so a reused id is not killed
    return found, is_unclear


def _is_owned(environment: Mapping[str, str], owner_ids: Collection[str], database: str | None) -> bool:
    if environment.get(DATABASE_ENV) != database:
        return False
    return any(environment.get(name) in owner_ids for name in OWNER_ENVS)


def _owned(owner_ids: Collection[str], database: str | None) -> tuple[list[psutil.Process], bool]:
    """Returns the processes of the owners, and whether others show no environment.

    On Linux a process shows none for a moment while it executes another program.  Threads of the kernel, all children
    of process 2, and zombies never show one.
    """
    owned, is_unclear = [], False
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile, or belongs to another user
            process = psutil.Process(pid)
            environment = process.environ()
            if _is_owned(environment, owner_ids, database):
                owned.append(process)
            elif not environment and KERNEL not in (pid, process.ppid()):
                is_unclear = is_unclear or _is_alive(process)
    return owned, is_unclear


def _is_alive(process: psutil.Process) -> bool:
    """Returns False for zombies as well: only their parent can remove them."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
