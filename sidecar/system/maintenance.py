"""The jobs that look after the database: `maintenance.backup`, `maintenance.prune`, `maintenance.vacuum`.

Each works in small steps, or in a thread: the one connection belongs to whoever waits for an answer.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
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

from sidecar.clock import DAY_MS, Clock, iso
from sidecar.job_handler import JobContext, JobFailed
from sidecar.storage.database import Database
from sidecar.storage.migrations import back_up, part_of, prune_backups

BATCH: Final = 25
"""Jobs a commit: each may weigh megabytes, and a commit's writing holds everybody up."""
VACUUM_PAGES: Final = 500
"""About 2 MB, a few milliseconds."""
INSTRUCTIONS: Final = 10_000
"""After so many of SQLite's own, well under a millisecond, a copy looks whether it has been given up."""
LOOK_S: Final = 0.1
"""How often the growing copy is measured, for the progress."""

PruneKey = tuple[str, str]


class BackUpHandler:
    """Copies the database into `backups` beside it."""

    def __init__(self, database: Path, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run(self, job: BackUpDatabase, context: JobContext) -> BackupResult:
        """See `BackUpDatabase`."""
        started = self._clock.now_ms()
        backups = self._database.parent / "backups"
        target = backups / f"{self._database.stem}-{iso(started).replace(':', '').replace('.', '')}.db"
        source = sqlite3.connect(f"{self._database.as_uri()}?mode=ro", uri=True, check_same_thread=False)
        given_up = threading.Event()
        source.set_progress_handler(given_up.is_set, INSTRUCTIONS)
        failure: sqlite3.Error | None = None

        def copy() -> None:
            with contextlib.closing(source):  # here and nowhere else: a cancelled job leaves the thread at work with it
                back_up(source, target)

        expected = source.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_measure, part_of(target), expected[0], context)
            try:
                await run_sync(copy, abandon_on_cancel=True)
            except anyio.get_cancelled_exc_class():
                given_up.set()
                raise
            except sqlite3.Error as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise JobFailed(
                "The backup could not be written.",
                kind="backup_failed",
                hint=f"Check that {backups} can be written and that the disk has room.",
                retryable=True,
                details={"sqlite": str(failure)},
            ) from failure
        prune_backups(backups, f"{self._database.stem}-[0-9]*.db", job.keep)
        size = (await anyio.Path(target).stat()).st_size
        context.log(f"Wrote {size:,} bytes", meta={"path": str(target)})
        return BackupResult(path=str(target), size_bytes=size, duration_ms=max(0, self._clock.now_ms() - started))


class History(Protocol):
    """Finished jobs, as far as forgetting them goes; a position is where one stands in the order of forgetting."""

    def sizes(self, older_than: PruneKey | None, limit: int) -> list[tuple[PruneKey, int]]: ...

    def prune(self, up_to: PruneKey, limit: int) -> int: ...


class PruneHandler:
    """Forgets in batches, each committed: one huge delete would swell the write-ahead log, and stop everybody."""

    def __init__(
        self,
        database: Database,
        history: History,
        prune_events: Callable[[int], int],
        clock: Clock,
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._history = history
        self._prune_events = prune_events
        self._clock = clock
        self._committed = committed

    async def run(self, job: PruneHistory, context: JobContext) -> PruneResult:
        """See `PruneHistory`."""
        oldest_kept = (iso(self._clock.now_ms() - job.keep_days * DAY_MS), "")
        jobs = await self._until_none(lambda: self._history.prune(oldest_kept, BATCH))
        context.progress(0.3, f"{jobs} old jobs forgotten")
        beyond = await self._first_beyond(job.max_bytes)
        if beyond is not None:
            jobs += await self._until_none(lambda: self._history.prune(beyond, BATCH))
        context.progress(0.7, f"{jobs} jobs forgotten")
        events = await self._until_none(lambda: self._prune_events(BATCH))
        return PruneResult(jobs=jobs, events=events)

    async def _until_none(self, forget: Callable[[], int]) -> int:
        total = 0
        while True:
            with self._database.write():
                count = forget()
            await self._committed()
            total += count
            if count == 0:
                return total

    async def _first_beyond(self, max_bytes: int) -> PruneKey | None:
        """The latest finished job that no longer fits, counted from the newest."""
        position: PruneKey | None = None
        total = 0
        while batch := self._history.sizes(position, BATCH):
            for position, size in batch:
                total += size
                if total > max_bytes:
                    return position
            await anyio.lowlevel.checkpoint()
        return None


class VacuumHandler:
    """Frees the pages that deleted rows have left, some at a time; and tidies first, which leaves some more."""

    def __init__(
        self,
        database: Database,
        committed: Callable[[], Awaitable[None]],
        tidy: Callable[[int], Iterator[None]] = lambda _: iter(()),
    ) -> None:
        """`tidy` puts the full-text index in order, so many pages a step."""
        self._database = database
        self._committed = committed
        self._tidy = tidy

    async def run(self, job: VacuumDatabase, context: JobContext) -> VacuumResult:
        """See `VacuumDatabase`."""
        del job
        for _ in self._tidy(VACUUM_PAGES):
            await self._committed()
        freed = 0
        first = self._database.freelist_count()
        while True:
            await self._committed()  # a vacuum cannot be part of a transaction
            if self._database.in_transaction:
                continue  # somebody has written since
            step = self._database.incremental_vacuum(VACUUM_PAGES)
            if step == 0:
                break
            freed += step
            context.progress(min(0.99, freed / max(1, first)), "Giving space back")
        self._database.checkpoint()  # before it the file is as large as ever
        return VacuumResult(freed_bytes=freed * self._database.page_size())


async def _measure(part: Path, expected: int, context: JobContext) -> None:
    while True:
        await anyio.sleep(LOOK_S)
        with contextlib.suppress(FileNotFoundError):
            size = (await anyio.Path(part).stat()).st_size
            context.progress(min(0.99, size / max(1, expected)), "Copying")
