"""`waiting_for`, the time spent snoozed, and stored progress of running jobs."""

import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.job_handler import JobSnoozed
from tests.jobs.harness import JobsHarness


async def test_a_running_job_reports_what_it_waits_for(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        run.context.wait_for(WaitingFor.APPROVAL)
        waiting = await harness.until_updated(job_id, waiting_for="approval")
        assert waiting["status"] == "running"
        run.context.wait_for(None)
        assert (await harness.get_job(job_id))["waiting_for"] is None
        run.context.wait_for(WaitingFor.APPROVAL)
        run.succeed()
        done = await harness.until_updated(job_id, status="succeeded")
        assert done["waiting_for"] is None


async def test_a_handler_knows_how_long_its_job_was_snoozed(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        for snoozed_for_s in (0, 60, 120):
            run = await harness.handler.next_run("a")
            assert run.context.snoozed_for_s == pytest.approx(snoozed_for_s)
            run.fail(JobSnoozed("Later.", delay_s=60, waiting_for=WaitingFor.RATE_LIMIT))
            await harness.run_pending()
            await harness.pass_time(60)
        (await harness.handler.next_run("a")).succeed()
        await harness.until_updated(job_id, status="succeeded")
        await harness.jobs.retry(job_id=job_id)
        assert (await harness.handler.next_run("a")).context.snoozed_for_s == 0


async def test_progress_is_stored_once_a_second_by_the_wall_clock(
    harness: JobsHarness,
) -> None:
    job_id = await harness.create_job("a")

    async def row() -> list[object]:
        job = await harness.get_job(job_id)
        return [job["progress"], job["message"]]

    async with harness.working():
        run = await harness.handler.next_run("a")
        run.context.progress(0.1, "first")
        await harness.run_pending()
        for text in ("at once", "soon"):
            run.context.progress(0.2, text)
            await harness.run_pending()
            assert await row() == [0.1, "first"]
        harness.clock.wall_ms += 1_000  # the monotonic clock does not move, as with `--now`
        run.context.progress(0.3, "a second later")
        await harness.run_pending()
        assert await row() == [0.3, "a second later"]
        harness.clock.wall_ms -= 3_600_000  # the clock was set back
        run.context.progress(0.4, "an hour earlier")
        await harness.run_pending()
        assert await row() == [0.4, "an hour earlier"]
        run.succeed()
        await harness.until_updated(job_id, status="succeeded")
