"""The job `maintenance.backup`: a compact copy of the database, written by a thread while work goes on."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync

from protocol.system import BackUpDatabase, BackupResult
from sidecar.clock import Clock, iso
from sidecar.handler import JobContext, JobFailed
from sidecar.migrations import back_up, prune_backups

LOOK_S: Final = 0.1
"""How often the growing copy is measured, for the progress."""


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
        try:
            expected = source.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_measure, target, expected[0], context)
                try:
                    await run_sync(back_up, source, target, abandon_on_cancel=True)
                except anyio.get_cancelled_exc_class():
                    source.interrupt()
                    raise
                tasks.cancel_scope.cancel()
        except* sqlite3.Error as errors:
            raise JobFailed(
                "The backup could not be written.",
                kind="backup_failed",
                hint=f"Check that {backups} can be written and that the disk has room.",
                details={"sqlite": str(errors.exceptions[0])},
            ) from errors
        finally:
            source.close()
        prune_backups(backups, f"{self._database.stem}-[0-9]*.db", job.keep)
        size = (await anyio.Path(target).stat()).st_size
        context.log(f"Wrote {size:,} bytes", meta={"path": str(target)})
        return BackupResult(path=str(target), size_bytes=size, duration_ms=max(0, self._clock.now_ms() - started))


async def _measure(target: Path, expected: int, context: JobContext) -> None:
    while True:
        await anyio.sleep(LOOK_S)
        with contextlib.suppress(FileNotFoundError):
            size = (await anyio.Path(target).stat()).st_size
            context.progress(min(0.99, size / max(1, expected)), "Copying")
