"""The outcome of a job is stored, however long the disk cannot be written."""

from typing import Any

import anyio
import pytest

from sidecar.jobs import outcomes, worker
from tests.jobs.harness import JobsHarness

FAILURES = 10


async def test_an_outcome_is_stored_again_until_the_disk_can_be_written(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    # COMMIT checks a deferred foreign key, so that it fails here as it would on a disk with an error.
    with harness.database.write():
        harness.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        harness.database.execute(
            "CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
        )
    await harness.runtime.committed()
    store, failed = outcomes.store_outcome, list[object]()

    def store_and_make_commit_fail(*arguments: Any) -> None:
        store(*arguments)
        if len(failed) < FAILURES:
            failed.append(arguments)
            with harness.database.write():
                harness.database.execute("INSERT INTO children VALUES (1)")

    monkeypatch.setattr(worker, "store_outcome", store_and_make_commit_fail)
    monkeypatch.setattr(worker, "STORE_RETRIES_S", (0.001,))
    job_id = await harness.create_job("a")
    async with harness.working():
        (await harness.handler.next_run("a")).succeed()
        with anyio.fail_after(30):
            await harness.until_updated(job_id, status="succeeded")
    assert len(failed) == FAILURES
    assert len(harness.handler.started) == 1
