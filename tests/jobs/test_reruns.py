"""`jobs.retry`: a finished job runs again, as the same job."""

import pytest

from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed
from tests.jobs.harness import Again, Shop


def stumbled() -> JobFailed:
    """A failure that may pass."""
    return JobFailed("The remote stumbled.", kind="stumbled", retryable=True)


async def finished(shop: Shop, status: str) -> str:
    """A job that has ended so, after a try that failed."""
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(stumbled())
        await shop.settle()
        await shop.pass_time(2)
        run = await shop.hands.next("a")
        run.context.progress(0.5, "half")
        if status == "cancelled":
            await shop.call("jobs.cancel", {"job_id": job_id})
        elif status != "interrupted":
            run.succeed("done") if status == "succeeded" else run.fail(JobFailed("The password is wrong.", kind="auth"))
            await shop.seen(job_id, status=status)
    if status == "interrupted":
        with shop.database.write():
            shop.database.execute("UPDATE jobs SET status = 'interrupted', finished_at = updated_at, recoveries = 2")
    return job_id


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "interrupted"])
async def test_a_finished_job_runs_again_with_all_its_tries(shop: Shop, status: str) -> None:
    job_id = await finished(shop, status)
    before = await shop.get(job_id)
    assert before["status"] == status
    again = await shop.call("jobs.retry", {"job_id": job_id})
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
    assert (await shop.log_of(job_id))[-1] == "Queued again on request"
    async with shop.working():
        (await shop.hands.next("a")).succeed("again")
        await shop.settle()
    assert (await shop.get(job_id))["result"] == {"text": "again"}


async def test_a_live_job_cannot_be_run_again(shop: Shop) -> None:
    job_id = await shop.make("a", Again)

    async def refusal() -> tuple[int, str]:
        with pytest.raises(RemoteError) as refused:
            await shop.call("jobs.retry", {"job_id": job_id})
        return refused.value.code, refused.value.kind

    assert await refusal() == (4091, "job_not_finished")
    async with shop.working():
        run = await shop.hands.next("a")
        assert await refusal() == (4091, "job_not_finished")
        run.fail(stumbled())
        await shop.seen(job_id, waiting_for="retry")
        assert await refusal() == (4091, "job_not_finished")
        await shop.call("jobs.cancel", {"job_id": job_id})
        await shop.call("jobs.retry", {"job_id": job_id})
    with pytest.raises(RemoteError) as unknown:
        await shop.call("jobs.retry", {"job_id": "nobody"})
    assert unknown.value.kind == "job_not_found"


async def test_a_job_that_is_run_again_in_the_turn_of_its_end_runs_again(shop: Shop) -> None:
    """The host need not wait for the news: between the end and its commit, the job's first run is not gone yet."""
    job_id = await shop.make("a")
    other = await shop.make("b")
    async with shop.working():
        run = await shop.hands.next("a")
        run.succeed("first")
        while shop.store.get_live(job_id):
            await shop.tick()
        await shop.call("jobs.retry", {"job_id": job_id})
        (await shop.hands.next("a")).succeed("second")
        await shop.until(lambda shop: shop.statuses(job_id).count("succeeded") == 2)
        (await shop.hands.next("b")).succeed()
        await shop.seen(other, status="succeeded")
    assert (await shop.get(job_id))["result"] == {"text": "second"}
