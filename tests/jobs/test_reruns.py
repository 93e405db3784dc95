"""`jobs.retry`: a finished job runs again, as the same job."""

import pytest

from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed
from sidecar.jobs import service
from tests.jobs.harness import JobsHarness, RepeatableJob


def retryable_failure() -> JobFailed:
    return JobFailed("The server is overloaded.", kind="overloaded", retryable=True)


async def finished_job(harness: JobsHarness, status: str) -> str:
    """Returns the id of a job that ended with this status, after one failed attempt."""
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        await harness.run_pending()
        await harness.pass_time(2)
        run = await harness.handler.next_run("a")
        run.context.progress(0.5, "half")
        if status == "cancelled":
            await harness.call("jobs.cancel", {"job_id": job_id})
        elif status != "interrupted":
            run.succeed("done") if status == "succeeded" else run.fail(JobFailed("The password is wrong.", kind="auth"))
            await harness.until_updated(job_id, status=status)
    if status == "interrupted":
        with harness.database.write():
            harness.database.execute("UPDATE jobs SET status = 'interrupted', finished_at = updated_at, recoveries = 2")
    return job_id


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "interrupted"])
async def test_a_finished_job_runs_again_with_all_its_attempts(harness: JobsHarness, status: str) -> None:
    job_id = await finished_job(harness, status)
    before = await harness.get_job(job_id)
    assert before["status"] == status
    again = await harness.call("jobs.retry", {"job_id": job_id})
    assert again == before | {
        "status": "queued",
        "attempt": 0,
        "recoveries": 0,
        "progress": 0.0,
        "run_at": None,
        "started_at": None,
        "finished_at": None,
        "waiting_for": None,
        "message": None,
        "cancel_requested": False,
        "result": None,
        "error": None,
        "version": before["version"] + 1,
    }
    assert (await harness.log_messages(job_id))[-1] == "Queued again on request"
    async with harness.working():
        (await harness.handler.next_run("a")).succeed("again")
        await harness.run_pending()
    assert (await harness.get_job(job_id))["result"] == {"text": "again"}


async def test_an_unfinished_job_cannot_be_retried(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)

    async def refusal() -> tuple[int, str]:
        with pytest.raises(RemoteError) as refused:
            await harness.call("jobs.retry", {"job_id": job_id})
        return refused.value.code, refused.value.kind

    assert await refusal() == (4091, "job_not_finished")
    async with harness.working():
        run = await harness.handler.next_run("a")
        assert await refusal() == (4091, "job_not_finished")
        run.fail(retryable_failure())
        await harness.until_updated(job_id, waiting_for="retry")
        await harness.call("jobs.cancel", {"job_id": job_id})
        await harness.call("jobs.retry", {"job_id": job_id})
    with pytest.raises(RemoteError) as unknown:
        await harness.call("jobs.retry", {"job_id": "unknown"})
    assert unknown.value.kind == "job_not_found"


async def test_a_job_can_be_retried_before_its_end_is_committed(harness: JobsHarness) -> None:
    """Between the end of a run and its commit, the worker still has the first run."""
    job_id = await harness.create_job("a")
    other = await harness.create_job("b")
    async with harness.working():
        run = await harness.handler.next_run("a")
        run.succeed("first")
        while harness.store.get_live(job_id):
            await harness.tick()
        await harness.call("jobs.retry", {"job_id": job_id})
        (await harness.handler.next_run("a")).succeed("second")
        await harness.until(lambda harness: harness.statuses(job_id).count("succeeded") == 2)
        (await harness.handler.next_run("b")).succeed()
        await harness.until_updated(other, status="succeeded")
    assert (await harness.get_job(job_id))["result"] == {"text": "second"}


async def test_a_retry_counts_towards_the_limit_of_unfinished_jobs(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_UNFINISHED_JOBS", 1)
    job_id = await finished_job(harness, "cancelled")
    await harness.create_job("b", RepeatableJob)
    with pytest.raises(RemoteError) as full:
        await harness.call("jobs.retry", {"job_id": job_id})
    assert full.value.kind == "queue_full"
    assert (await harness.call("jobs.get", {"job_id": job_id}))["status"] == "cancelled"
