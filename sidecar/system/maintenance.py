"""The jobs that maintain the database: `maintenance.backup`, `maintenance.prune`, `maintenance.vacuum`.

Each works in small steps or in a thread, because requests share the one connection.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.lowlevel
from anyio.to_thread import run_sync
from sidecar_protocol.system.maintenance import (
    BackUpDatabase,
    BackupResult,
    PruneHistory,
    PruneResult,
    VacuumDatabase,
    VacuumResult,
)

from sidecar.clock import DAY_MS, iso
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import PruneKey, Runtime
from sidecar.storage.backups import back_up, backups_of, part_of
from sidecar.storage.identity import epochs

BATCH: Final = 25
"""Jobs deleted per commit: each can have megabytes, and requests wait for the commit."""
VACUUM_PAGES: Final = 500
"""Pages freed per step: about 2 MB, which takes a few milliseconds."""
CANCEL_CHECK_INSTRUCTIONS: Final = 10_000
"""SQLite instructions, less than a millisecond of work, after which a copy checks whether the job was cancelled."""
PROGRESS_INTERVAL_S: Final = 0.1
"""How often the size of the growing copy is measured."""


class BackUpHandler:
    """Copies the database to the folder `backups`."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._backups = backups_of(runtime.settings.database)
        self._clock = runtime.clock

    async def run(self, job: BackUpDatabase, context: JobContext) -> BackupResult:
        started = self._clock.now_ms()
        source = sqlite3.connect(f"{self._database.path.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        is_cancelled = threading.Event()
        source.set_progress_handler(is_cancelled.is_set, CANCEL_CHECK_INSTRUCTIONS)
        failure: sqlite3.Error | OSError | None = None
        target = await run_sync(self._backups.new_path, started)
        live = epochs(self._database.rows)

        def copy() -> None:
            with contextlib.closing(source):  # in the thread, which still uses it when the job is cancelled
                back_up(source, target)
            self._backups.rotate(target, live, keep=job.keep, now_ms=started)

        expected = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_measure, part_of(target), expected[0], context)
            try:
                await run_sync(copy, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                is_cancelled.set()
                raise
            except (sqlite3.Error, OSError) as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise JobFailed(
                "The backup could not be written.",
                kind="backup_failed",
                hint=f"Check that the folder {self._backups.folder} is writable and that the disk has free space.",
                retryable=True,
                details={"reason": str(failure)},
            ) from failure
        size = (await anyio.Path(target).stat()).st_size
        context.log(f"Wrote {size:,} bytes", meta={"path": str(target)})
        return BackupResult(path=str(target), size_bytes=size, duration_ms=max(0, self._clock.now_ms() - started))


class History(Protocol):
    """The finished jobs."""

    def sizes(self, older_than: PruneKey | None, limit: int) -> list[tuple[PruneKey, int]]:
        """Returns finished jobs before this one, latest first, each with its size in bytes."""

    def prune(self, up_to: PruneKey, limit: int) -> int:
        """Deletes finished jobs up to this one, oldest first; returns their number."""


class PruneHandler:
    """Deletes in batches, each committed: one huge delete would grow the write-ahead log and delay requests."""

    def __init__(self, runtime: Runtime, history: History, prune_events: Callable[[int], int]) -> None:
        self._runtime = runtime
        self._history = history
        self._prune_events = prune_events

    async def run(self, job: PruneHistory, context: JobContext) -> PruneResult:
        expired = (iso(self._runtime.clock.now_ms() - job.keep_days * DAY_MS), "")
        jobs = await self._in_batches(lambda: self._history.prune(expired, BATCH))
        context.progress(0.3, f"Deleted {jobs} old jobs")
        excess = await self._latest_excess(job.max_bytes)
        if excess is not None:
            jobs += await self._in_batches(lambda: self._history.prune(excess, BATCH))
        context.progress(0.7, f"Deleted {jobs} jobs")
        events = await self._in_batches(lambda: self._prune_events(BATCH))
        return PruneResult(jobs=jobs, events=events)

    async def _in_batches(self, delete: Callable[[], int]) -> int:
        total = 0
        while True:
            with self._runtime.database.write():
                count = delete()
            await self._runtime.committed()
            total += count
            if count == 0:
                return total

    async def _latest_excess(self, max_bytes: int) -> PruneKey | None:
        """Returns the latest job at which the size of all jobs since then exceeds the limit; None if none does."""
        key: PruneKey | None = None
        total = 0
        while batch := self._history.sizes(key, BATCH):
            for key, size in batch:
                total += size
                if total > max_bytes:
                    return key
            await anyio.lowlevel.checkpoint()
        return None


class VacuumHandler:
    """Merges the full-text indexes, which frees pages, and returns all free pages to the file system."""

    def __init__(self, runtime: Runtime, merge_indexes: Callable[[int], Iterator[None]]) -> None:
        """`merge_indexes(pages)` merges the indexes, this many pages per step."""
        self._database = runtime.database
        self._committed = runtime.committed
        self._merge_indexes = merge_indexes

    async def run(self, job: VacuumDatabase, context: JobContext) -> VacuumResult:
        del job
        for _ in self._merge_indexes(VACUUM_PAGES):
            await self._committed()
        freed = 0
        first = self._database.freelist_count()
        while True:
            await self._committed()  # a vacuum must not run in a transaction
            if self._database.in_transaction:
                continue  # a request has written since
            step = self._database.incremental_vacuum(VACUUM_PAGES)
            if step == 0:
                break
            freed += step
            context.progress(min(0.99, freed / max(1, first)), "Returning space to the file system")
        self._database.checkpoint()  # only this makes the file smaller
        return VacuumResult(freed_bytes=freed * self._database.page_size())


async def _measure(part: Path, expected: int, context: JobContext) -> None:
    while True:
        await anyio.sleep(PROGRESS_INTERVAL_S)
        with contextlib.suppress(FileNotFoundError):
            size = (await anyio.Path(part).stat()).st_size
            context.progress(min(0.99, size / max(1, expected)), "Copying")
