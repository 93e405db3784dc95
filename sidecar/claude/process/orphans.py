"""Finds and kills every process of a run or a session, including those that left its process group.

Claude's Bash tool starts each command in a session of its own, so signals to the CLI's process group do not reach it,
and once the CLI has exited nothing links the two but the environment: every process inherits variables that name its
owner, a job or a session, and the owner's database.
"""

from collections.abc import Collection, Iterable
from typing import Final

import anyio
import anyio.to_thread
import psutil

from sidecar.claude.process.environment import DATABASE_ENV, OWNER_ENVS
from sidecar.claude.process.process_table import ProcessRecord

POLL_S: Final = 0.02
START_TOLERANCE_S: Final = 2.0
"""Maximum difference of start times in seconds: Linux gives the boot time, from which they are computed, in seconds."""


async def process_tree(pid: int, owner_id: str, database: str | None = None) -> set[psutil.Process]:
    """Returns the owner's process and its descendants, or an empty set if it has ended."""
    return await anyio.to_thread.run_sync(_process_tree, pid, owner_id, database)


def start_time(pid: int) -> float | None:
    """Returns when a process started, in seconds since 1970, or None if it has ended."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


async def still_running(records: Collection[ProcessRecord]) -> set[psutil.Process]:
    """Returns the recorded processes that still run, with their descendants."""
    return await anyio.to_thread.run_sync(_still_running, records)


async def kill_orphans(
    owner_ids: Collection[str],
    database: str | None = None,
    *,
    known: Iterable[psutil.Process] = (),
    timeout_s: float,
) -> int:
    """Kills `known` and all processes whose environment names one of the owners and their `database` (None: names no
    database), until none is left.  Returns the number of killed processes.

    Gives up after `timeout_s` seconds: a process in an uninterruptible system call dies only when that returns.
    """
    killed: set[psutil.Process] = set()
    owners = frozenset(owner_ids)
    with anyio.move_on_after(timeout_s):
        while found := await anyio.to_thread.run_sync(_kill_once, owners, database, frozenset(known) | killed):
            killed |= found
            await anyio.sleep(POLL_S)
    return len(killed)


def _process_tree(pid: int, owner_id: str, database: str | None) -> set[psutil.Process]:
    try:
        root = psutil.Process(pid)
        if not _is_owned(root, {owner_id}, database):  # it has ended, and its id has been reused
            return set()
        return {root, *root.children(recursive=True)}
    except (psutil.Error, OSError):
        return set()


def _still_running(records: Collection[ProcessRecord]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for record in records:
        try:
            process = psutil.Process(record.pid)
            if abs(process.create_time() - record.started_ts) < START_TOLERANCE_S:
                found |= {process, *process.children(recursive=True)}
        except (psutil.Error, OSError):
            continue
    return found


def _kill_once(
    owner_ids: frozenset[str], database: str | None, known: frozenset[psutil.Process]
) -> set[psutil.Process]:
    """Kills the processes that run now.  One that is forked meanwhile is found by the next call."""
    found = {process for process in known if _is_alive(process)} | set(_owned(owner_ids, database))
    for process in found:
        try:
            process.kill()  # psutil compares start times, so a reused id is not killed
        except psutil.Error:
            continue
    return found


def _is_owned(process: psutil.Process, owner_ids: Collection[str], database: str | None) -> bool:
    environment = process.environ()
    if environment.get(DATABASE_ENV) != database:
        return False
    return any(environment.get(name) in owner_ids for name in OWNER_ENVS)


def _owned(owner_ids: frozenset[str], database: str | None) -> Iterable[psutil.Process]:
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if _is_owned(process, owner_ids, database) and _is_alive(process):
                yield process
        except (psutil.Error, OSError):  # it ended meanwhile, or belongs to another user
            continue


def _is_alive(process: psutil.Process) -> bool:
    """Returns False for zombies as well: only their parent can remove them."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
