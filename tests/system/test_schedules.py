"""The schedules of the maintenance jobs, which every start ensures."""

import sqlite3
from contextlib import closing

import anyio
import pytest

from sidecar.app import MAINTENANCE
from sidecar.features import FEATURES
from tests.in_process_app import PATIENCE_S
from tests.jobs.harness import JobsHarness
from tests.jobs.test_scheduler import DAY_S, schedules


async def start_and_stop(harness: JobsHarness, *, until_refused: bool = False) -> None:
    """Runs the features' real work, with the real job types, and stops it, if wanted once no job could be started."""
    harness.scheduler.ensure_own(MAINTENANCE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.features.run_work, lambda: None)
        with anyio.fail_after(PATIENCE_S):
            while harness.job_queue.worker is None:
                await harness.tick()
            while until_refused and harness.job_queue.worker.start_error is None:
                await harness.tick()
            await harness.run_pending()
        await harness.features.stop_work(PATIENCE_S)


async def test_a_locked_database_does_not_prevent_the_start_of_work(
    harness: JobsHarness, caplog: pytest.LogCaptureFixture
) -> None:
    for name in FEATURES:
        harness.features.get(name)  # some create their indexes, which the lock would prevent
    harness.unit_of_work.commit()
    harness.database.rows("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(harness.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await start_and_stop(harness, until_refused=True)
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [
        "could not create the sidecar's own schedules; the next start tries again",
        "no job could be started; trying again",
    ]
    await start_and_stop(harness)
    assert len(await schedules(harness)) == 3


async def test_maintenance_is_scheduled_at_the_start(harness: JobsHarness) -> None:
    await start_and_stop(harness)
    after = await schedules(harness)
    assert {
        one: (schedule["type"], schedule["period_s"], schedule["next_run_at"]) for one, schedule in after.items()
    } == {
        "maintenance.backup": ("maintenance.backup", DAY_S, "2026-11-24T00:00:00.000Z"),
        "maintenance.prune": ("maintenance.prune", DAY_S, "2026-11-24T00:00:00.000Z"),
        "maintenance.vacuum": ("maintenance.vacuum", 7 * DAY_S, "2026-11-26T00:00:00.000Z"),
    }
