"""A job that runs and waits for somebody, and one that is put off for long."""

import pytest

from protocol.entities import WaitingFor
from sidecar.handler import JobSnoozed
from tests.jobs.workshop import Shop


async def test_a_running_job_says_what_it_waits_for(shop: Shop) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        run = await shop.hands.next("a")
        run.context.wait_for(WaitingFor.APPROVAL)
        waiting = await shop.seen(job_id, waiting_for="approval")
        assert waiting["status"] == "running"
        run.context.wait_for(None)
        assert (await shop.get(job_id))["waiting_for"] is None
        run.context.wait_for(WaitingFor.APPROVAL)
        run.succeed()
        done = await shop.seen(job_id, status="succeeded")
        assert done["waiting_for"] is None


async def test_a_job_knows_for_how_long_it_was_put_off(shop: Shop) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        for put_off_s in (0, 60, 120):
            run = await shop.hands.next("a")
            assert run.context.put_off_s == pytest.approx(put_off_s)
            run.fail(JobSnoozed("Later.", delay_s=60, waiting_for=WaitingFor.RATE_LIMIT))
            await shop.settle()
            await shop.pass_time(60)
        (await shop.hands.next("a")).succeed()
        await shop.seen(job_id, status="succeeded")
        await shop.jobs.retry(job_id=job_id)
        assert (await shop.hands.next("a")).context.put_off_s == 0
