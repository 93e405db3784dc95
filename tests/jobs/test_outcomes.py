"""The outcome of a job is stored, however long the disk cannot be written."""

from typing import Any

import anyio
import pytest

from sidecar.job_handler import JobFailed
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
        harness.database.execute("CREATE TABLE endings (number INTEGER)")
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
        run = await harness.handler.next_run("a")
        run.context.at_end(lambda: add_ending(harness))
        run.succeed()
        with anyio.fail_after(30):
            await harness.until_updated(job_id, status="succeeded")
    assert len(failed) == FAILURES
    assert len(harness.handler.started) == 1
    assert endings(harness) == 1, "what the handler wrote at its end was lost, or stored twice"


async def test_an_outcome_is_stored_although_what_its_handler_writes_is_refused(harness: JobsHarness) -> None:
    with harness.database.write():
        harness.database.execute("CREATE TABLE endings (number INTEGER)")
    job_id = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        run.context.at_end(lambda: harness.database.execute("INSERT INTO nowhere VALUES (1)"))
        run.context.at_end(lambda: add_ending(harness))
        run.succeed()
        with anyio.fail_after(30):
            await harness.until_updated(job_id, status="failed")
    assert endings(harness) == 1, "what can be stored was left out, too"


def add_ending(harness: JobsHarness) -> None:
    harness.database.execute("INSERT INTO endings VALUES (1)")


def endings(harness: JobsHarness) -> int:
    count: int = harness.database.value("SELECT count(*) FROM endings")
    return count


REFUSING = """
    CREATE TRIGGER refusing BEFORE UPDATE ON jobs WHEN NEW.status IN ({})
    BEGIN SELECT RAISE(ABORT, 'refused by the test'); END
"""


async def refuse(harness: JobsHarness, *statuses: str) -> None:
    """Lets the database refuse these statuses of jobs, as it would a value that breaks a constraint."""
    harness.database.execute(REFUSING.format(",".join(f"'{status}'" for status in statuses)))
    await harness.runtime.committed()


async def test_an_outcome_that_the_database_will_never_take_ends_the_job_as_failed(
    harness: JobsHarness, caplog: pytest.LogCaptureFixture
) -> None:
    await refuse(harness, "succeeded")
    job_id = await harness.create_job("a")
    async with harness.working():
        (await harness.handler.next_run("a")).succeed()
        job = await harness.until_updated(job_id, status="failed")
    assert (job["error"]["kind"], job["error"]["retryable"]) == ("not_stored", False)
    error_ids = [getattr(record, "error_id", None) for record in caplog.records]
    assert any(str(error_id) in job["error"]["hint"] for error_id in error_ids if error_id)
    problem = harness.features.work_problem()
    assert problem == f"the outcome of job {job_id} could not be stored: IntegrityError"


async def test_jobs_whose_end_the_database_never_takes_hold_no_places(harness: JobsHarness) -> None:
    await refuse(harness, "succeeded", "failed")
    names = [f"job {number}" for number in range(2 * worker.MAX_RUNNING_JOBS)]
    for name in names:
        await harness.create_job(name)
    async with harness.working():
        for name in names:
            (await harness.handler.next_run(name)).succeed()


async def test_a_failure_that_is_no_text_ends_its_job_only(harness: JobsHarness) -> None:
    job_ids = [await harness.create_job(name) for name in ("a", "b")]
    async with harness.working():
        (await harness.handler.next_run("a")).fail(JobFailed("It broke.", kind="\ud800"))
        job = await harness.until_updated(job_ids[0], status="failed")
        assert job["error"]["kind"] == "not_stored"
        (await harness.handler.next_run("b")).succeed()
        await harness.until_updated(job_ids[1], status="succeeded")
