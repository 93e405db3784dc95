"""Find and kill every process of a run or a session, also those that left its process group.

Claude's Bash tool gives each command a session of its own, so that signals to the CLI's group do not reach it, and when
the CLI is gone nothing links the two.  The environment does: it names the owner, a job or a session, and the owner's
database in every one of them.
"""

from collections.abc import Collection, Iterable

import anyio
import anyio.to_thread
import psutil

from sidecar.claude.process.environment import DATABASE_ENV, OWNER_ENVS
from sidecar.claude.process.process_table import ProcessRecord

POLL_S = 0.02
SAME_START_S = 2.0
"""Linux tells a start in ticks since the boot, whose time it gives to the second; a number comes again much later."""


async def process_tree(pid: int, owner_id: str, database: str | None = None) -> set[psutil.Process]:
    """The owner's process and its descendants at this moment; empty if it is gone."""
    return await anyio.to_thread.run_sync(_process_tree, pid, owner_id, database)


def start_time(pid: int) -> float | None:
    """When a process started, in seconds since 1970; None where it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


async def still_running(recorded: Collection[ProcessRecord]) -> set[psutil.Process]:
    """Of these processes those that still run, and what they have started."""
    return await anyio.to_thread.run_sync(_still_running, recorded)


async def kill_orphans(
    owner_ids: Collection[str],
    database: str | None = None,
    *,
    known: Iterable[psutil.Process] = (),
    timeout_s: float,
) -> int:
    """SIGKILL `known` and all that carries the mark of these owners, until none is left; the number of those killed.

    Of another `database` than the owners' they are somebody else's, and live on; None: they name none.

    It gives up after `timeout_s`: a process in an uninterruptible system call dies only when that returns.
    """
    killed: set[psutil.Process] = set()
    owners = frozenset(owner_ids)
    with anyio.move_on_after(timeout_s):
        while left := await anyio.to_thread.run_sync(_kill_round, owners, database, frozenset(known) | killed):
            killed |= left
            await anyio.sleep(POLL_S)
    return len(killed)


def _process_tree(pid: int, owner_id: str, database: str | None) -> set[psutil.Process]:
    try:
        root = psutil.Process(pid)
        if not _is_marked(root, {owner_id}, database):  # it is gone, and its number belongs to another already
            return set()
        return {root, *root.children(recursive=True)}
    except (psutil.Error, OSError):
        return set()


def _still_running(recorded: Collection[ProcessRecord]) -> set[psutil.Process]:
    found: set[psutil.Process] = set()
    for one in recorded:
        try:
            process = psutil.Process(one.pid)
            if abs(process.create_time() - one.started_ts) < SAME_START_S:
                found |= {process, *process.children(recursive=True)}
        except (psutil.Error, OSError):
            continue
    return found


def _kill_round(
    owner_ids: frozenset[str], database: str | None, known: frozenset[psutil.Process]
) -> set[psutil.Process]:
    """Kill what is alive now.  A fork between two looks is found by the next."""
    left = {process for process in known if _alive(process)} | set(_marked(owner_ids, database))
    for process in left:
        try:
            process.kill()  # psutil compares start times: a reused pid is not hit
        except psutil.Error:
            continue
    return left


def _is_marked(process: psutil.Process, owner_ids: Collection[str], database: str | None) -> bool:
    environment = process.environ()
    if environment.get(DATABASE_ENV) != database:
        return False
    return any(environment.get(mark) in owner_ids for mark in OWNER_ENVS)


def _marked(owner_ids: frozenset[str], database: str | None) -> Iterable[psutil.Process]:
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if _is_marked(process, owner_ids, database) and _alive(process):
                yield process
        except (psutil.Error, OSError):  # ended meanwhile, or another user's
            continue


def _alive(process: psutil.Process) -> bool:
    """Whether it still runs.  A zombie does not: it waits for a parent that is not ours to hurry."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
