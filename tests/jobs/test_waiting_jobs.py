"""`waiting_for`, the time spent snoozed, and stored progress of running jobs."""

import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed, JobSnoozed, Registration
from sidecar.jobs.worker import MAX_RUNNING_JOBS, MAX_WAITING_JOBS
from tests.jobs.harness import JobsHarness, SerialJob, SimpleJob


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


async def snoozed(harness: JobsHarness, name: str, delay_s: float) -> str:
    """Returns the id of a job that waits for a rate limit."""
    job_id = await harness.create_job(name)
    (await harness.handler.next_run(name)).fail(
        JobSnoozed("Later.", delay_s=delay_s, waiting_for=WaitingFor.RATE_LIMIT)
    )
    await harness.until_updated(job_id, waiting_for="rate_limit")
    await harness.run_pending()
    return job_id


async def test_a_snooze_never_lasts_longer_than_its_delay_if_the_clock_is_set_back(harness: JobsHarness) -> None:
    async with harness.working():
        job_id = await snoozed(harness, "a", 600)
        harness.clock.wall_ms -= 24 * 3_600_000
        harness.look_for_jobs()
        await harness.run_pending()
        run_at = (await harness.get_job(job_id))["run_at"]
        assert run_at == "2026-11-22T08:10:00.000Z"
        assert (await harness.log_messages(job_id))[-1] == f"Waits until {run_at}: the clock was set back"
        await harness.pass_time(599)
        assert (await harness.get_job(job_id))["status"] == "queued"
        await harness.pass_time(1)
        run = await harness.handler.next_run("a")
        assert run.context.snoozed_for_s == pytest.approx(600)
        run.succeed()
        await harness.until_updated(job_id, status="succeeded")


async def test_a_clock_that_was_far_ahead_does_not_count_as_a_long_snooze(harness: JobsHarness) -> None:
    async with harness.working():
        await snoozed(harness, "a", 600)
        harness.clock.wall_ms += 365 * 24 * 3_600_000
        harness.look_for_jobs()
        run = await harness.handler.next_run("a")
        assert run.context.snoozed_for_s == pytest.approx(600)
        run.succeed()


async def test_a_retry_on_request_starts_a_job_that_waits_for_its_next_try(harness: JobsHarness) -> None:
    async with harness.working():
        job_id = await snoozed(harness, "a", 600)
        job = await harness.jobs.retry(job_id=job_id)
        assert (job.status, job.run_at, job.waiting_for) == ("queued", None, None)
        assert "Next try requested" in await harness.log_messages(job_id)
        (await harness.handler.next_run("a")).succeed()
        await harness.until_updated(job_id, status="succeeded")


async def test_a_retry_on_request_does_not_start_a_job_before_the_time_that_its_client_chose(
    harness: JobsHarness,
) -> None:
    async with harness.working():
        job_id = await harness.create_job("a", run_at="2026-11-23T09:00:00Z")
        with pytest.raises(RemoteError) as refused:
            await harness.jobs.retry(job_id=job_id)
        assert refused.value.kind == "job_not_finished"


async def test_running_a_schedule_by_hand_starts_its_waiting_job(harness: JobsHarness) -> None:
    harness.scheduler.ensure("nightly", SimpleJob(name="a"), period_s=86_400)
    async with harness.working():
        job_id = (await harness.call("jobs.schedules.run", {"schedule_id": "nightly"}))["job_id"]
        (await harness.handler.next_run("a")).fail(JobSnoozed("Later.", delay_s=600, waiting_for=WaitingFor.RATE_LIMIT))
        await harness.until_updated(job_id, waiting_for="rate_limit")
        again = await harness.call("jobs.schedules.run", {"schedule_id": "nightly"})
        assert (again["job_id"], again["run_at"], again["waiting_for"]) == (job_id, None, None)
        (await harness.handler.next_run("a")).succeed()
        await harness.until_updated(job_id, status="succeeded")


async def test_a_snoozed_job_keeps_its_lock_and_later_jobs_wait_for_it(harness: JobsHarness) -> None:
    first = await harness.create_job("first", lock="s")
    async with harness.working():
        (await harness.handler.next_run("first")).fail(
            JobSnoozed("Later.", delay_s=60, waiting_for=WaitingFor.RATE_LIMIT, keeps_lock=True)
        )
        await harness.until_updated(first, waiting_for="rate_limit")
        second = await harness.create_job("second", lock="s", priority=9)
        other = await harness.create_job("other", lock="t")
        (await harness.handler.next_run("other")).succeed()
        await harness.until_updated(other, status="succeeded")
        assert (await harness.get_job(first))["waiting_for"] == "rate_limit"
        assert (await harness.get_job(second))["waiting_for"] == "lock"
        await harness.pass_time(60)
        (await harness.handler.next_run("first")).succeed()
        (await harness.handler.next_run("second")).succeed()
        await harness.until_updated(second, status="succeeded")
    assert harness.handler.started == ["first", "other", "first", "second"]


async def test_two_snoozed_jobs_that_keep_one_lock_run_in_their_order(harness: JobsHarness) -> None:
    names = ["first", "second"]
    async with harness.working():
        for name in names:
            await harness.create_job(name)
        for run in [await harness.handler.next_run(name) for name in names]:
            run.context.lock("s")  # as runs do that learn the id of one session
            run.fail(JobSnoozed("Later.", delay_s=60, waiting_for=WaitingFor.RATE_LIMIT, keeps_lock=True))
        await harness.run_pending()
        await harness.pass_time(60)
        for name in names:
            (await harness.handler.next_run(name)).succeed()
            await harness.run_pending()
    assert harness.handler.started == names * 2


@pytest.mark.parametrize("ends", ["jobs.cancel", "jobs.retry"])
async def test_a_job_that_keeps_its_lock_is_cancelled_or_continued_on_request(ends: str, harness: JobsHarness) -> None:
    first = await harness.create_job("first", lock="s")
    async with harness.working():
        snooze = JobSnoozed("Later.", delay_s=60, waiting_for=WaitingFor.RATE_LIMIT, keeps_lock=True)
        (await harness.handler.next_run("first")).fail(snooze)
        await harness.until_updated(first, waiting_for="rate_limit")
        second = await harness.create_job("second", lock="s")
        await harness.call(ends, {"job_id": first})
        if ends == "jobs.retry":
            (await harness.handler.next_run("first")).succeed()
        (await harness.handler.next_run("second")).succeed()
        await harness.until_updated(second, status="succeeded")


async def test_a_job_that_waits_for_the_user_gives_its_place_back(harness: JobsHarness) -> None:
    names = ["one", "two", "three"]
    ids = [await harness.create_job(name, SerialJob) for name in names]
    async with harness.working():
        first = await harness.handler.next_run("one")
        await harness.run_pending()
        assert [(await harness.get_job(one))["waiting_for"] for one in ids] == [None, "capacity", "capacity"]
        first.context.wait_for(WaitingFor.APPROVAL)
        second = await harness.handler.next_run("two")
        first.context.wait_for(None)  # it continues at once, and the third waits for both
        second.succeed()
        await harness.until_updated(ids[1], status="succeeded")
        await harness.run_pending()
        assert (await harness.get_job(ids[2]))["waiting_for"] == "capacity"
        first.succeed()
        (await harness.handler.next_run("three")).succeed()
        await harness.until_updated(ids[2], status="succeeded")


async def test_only_some_jobs_give_their_places_back(harness: JobsHarness) -> None:
    count = MAX_RUNNING_JOBS + MAX_WAITING_JOBS
    for number in range(count + 1):
        await harness.create_job(str(number))
    async with harness.working():
        for number in range(count):
            (await harness.handler.next_run(str(number))).context.wait_for(WaitingFor.APPROVAL)
        await harness.run_pending()
        assert len(harness.handler.started) == count


async def test_a_job_that_the_paused_queue_holds_says_so(harness: JobsHarness) -> None:
    await harness.call("jobs.queue.pause", {})
    job_id = await harness.create_job("a")
    assert (await harness.get_job(job_id))["waiting_for"] == "pause"


async def test_a_feature_learns_that_a_queued_job_was_cancelled(harness: JobsHarness) -> None:
    withdrawn: list[object] = []
    harness.registrations["work.simple"] = Registration(SimpleJob, harness.handler, withdrawn=withdrawn.append)
    running = await harness.create_job("running", lock="s")
    async with harness.working():
        await harness.handler.next_run("running")
        queued = await harness.create_job("queued", lock="s")
        for job_id in (queued, queued, running):
            await harness.call("jobs.cancel", {"job_id": job_id})
        await harness.until_updated(running, status="cancelled")
    assert withdrawn == [SimpleJob(name="queued", lock="s")]


async def test_work_that_cannot_be_continued_ends_as_interrupted(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        (await harness.handler.next_run("a")).fail(JobFailed("Half done.", kind="cut", interrupted=True))
        job = await harness.until_updated(job_id, status="interrupted")
    assert job["error"]["kind"] == "cut"
