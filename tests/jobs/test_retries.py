"""Failed attempts: which are retried, when, and how a cancellation takes precedence."""

import math
from typing import Any

import pytest
from sidecar_protocol.entities import JobError, WaitingFor

from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.jobs.outcomes import backoff_s, job_error
from tests.jobs.harness import JobsHarness, RepeatableJob, SimpleJob, TimeLimitedJob

AT = "2026-11-23T08:00:00.000Z"


def retryable_failure(**more: Any) -> JobFailed:
    return JobFailed("The server is overloaded.", kind="overloaded", retryable=True, **more)


def permanent_failure() -> JobFailed:
    return JobFailed("The password is wrong.", kind="auth", hint="Sign in again.")


OVERLOADED = {
    "kind": "overloaded",
    "message": "The server is overloaded.",
    "hint": None,
    "retryable": True,
    "details": None,
}


async def test_a_retryable_failure_is_retried(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        waiting = await harness.until_updated(job_id, waiting_for="retry")
        assert waiting == {
            "job_id": job_id,
            "type": "work.repeatable",
            "status": "queued",
            "created_at": AT,
            "updated_at": AT,
            "started_at": None,
            "finished_at": None,
            "run_at": "2026-11-23T08:00:02.000Z",
            "priority": 0,
            "attempt": 1,
            "max_attempts": 3,
            "recoveries": 0,
            "waiting_for": "retry",
            "schedule_id": None,
            "progress": 0.0,
            "message": "Attempt 1 of 3 failed; retrying in 2.0 s: The server is overloaded.",
            "cancel_requested": False,
            "payload": {"name": "a", "lock": None},
            "result": None,
            "error": OVERLOADED,
            "version": 3,
        }
        assert await harness.get_job(job_id) == waiting
        await harness.pass_time(1.999)
        assert harness.handler.started == ["a"]
        await harness.pass_time(0.001)
        (await harness.handler.next_run("a")).succeed("at last")
        done = await harness.until_updated(job_id, status="succeeded")
    assert (done["attempt"], done["waiting_for"], done["error"]) == (2, None, None)
    assert done["result"] == {"text": "at last"}
    assert harness.statuses(job_id) == ["queued", "running", "queued", "running", "succeeded"]
    assert await harness.log_messages(job_id) == ["Started", waiting["message"], "Started", "Succeeded"]


async def test_a_job_fails_after_its_last_attempt(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob, max_attempts=2)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        await harness.until_updated(job_id, waiting_for="retry")
        await harness.pass_time(2)
        (await harness.handler.next_run("a")).fail(retryable_failure())
        failed = await harness.until_updated(job_id, status="failed")
        await harness.pass_time(24 * 3600)
    assert (failed["attempt"], failed["max_attempts"], failed["error"]) == (2, 2, OVERLOADED)
    assert harness.handler.started == ["a", "a"]


async def test_a_type_without_a_policy_has_one_attempt(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        failed = await harness.until_updated(job_id, status="failed")
    assert (failed["attempt"], failed["max_attempts"]) == (1, 1)


async def test_a_failure_that_is_not_retryable_is_not_retried(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(permanent_failure())
        failed = await harness.until_updated(job_id, status="failed")
    assert (failed["attempt"], failed["max_attempts"]) == (1, 3)
    assert failed["error"]["hint"] == "Sign in again."


async def test_an_invalid_payload_is_not_retried(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    with harness.database.write():
        harness.database.execute("UPDATE jobs SET payload_json = '[]'")
    async with harness.working():
        failed = await harness.until_updated(job_id, status="failed")
    assert (failed["error"]["kind"], failed["attempt"], harness.handler.started) == ("payload_invalid", 1, [])


async def test_a_bug_in_a_handler_is_retried_within_its_attempts(
    harness: JobsHarness, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        for delay_s in (2, 4):
            (await harness.handler.next_run("a")).fail(ZeroDivisionError("hunter2"))
            await harness.run_pending()
            await harness.pass_time(delay_s)
        (await harness.handler.next_run("a")).fail(ZeroDivisionError("hunter2"))
        failed = await harness.until_updated(job_id, status="failed")
    assert (failed["attempt"], failed["error"]["kind"]) == (3, "internal")
    assert [one.message for one in caplog.records] == ["a job's handler failed"] * 3


@pytest.mark.parametrize(
    "error",
    [
        JobFailed("broken \ud83d", kind="broken", retryable=True),
        JobFailed("broken", kind="broken", hint="\ud83d", retryable=True),
        JobFailed("broken", kind="broken", retryable=True, details={"why": object(), "text": "\ud83d"}),
        JobFailed("x" * 5_000_000, kind="broken", retryable=True),
        JobFailed("broken", kind="broken", retryable=True, details={"page": "x" * 5_000_000}),
    ],
    ids=["surrogate in the message", "surrogate in the hint", "not JSON", "long message", "large details"],
)
async def test_an_error_that_cannot_be_encoded_does_not_affect_other_jobs(
    harness: JobsHarness, error: JobFailed
) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(error)
        waiting = await harness.until_updated(job_id, waiting_for="retry")
        other = await harness.create_job("b")
        (await harness.handler.next_run("b")).succeed()
        await harness.until_updated(other, status="succeeded")
    assert waiting["error"]["kind"] == "broken"
    assert len(str(waiting)) < 150_000


def test_an_error_is_stored_as_the_handler_raised_it() -> None:
    failure = JobFailed("It broke.", kind="broken", hint="Fix it.", retryable=True, details={"at": [1, {"x": None}]})
    assert job_error(failure) == JobError(
        kind="broken", message="It broke.", hint="Fix it.", retryable=True, details={"at": [1, {"x": None}]}
    )


async def test_an_attempt_beyond_its_time_limit_fails_and_is_retried(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", TimeLimitedJob)
    async with harness.working():
        waiting = await harness.until_updated(job_id, waiting_for="retry")
        await harness.pass_time(2)
        failed = await harness.until_updated(job_id, status="failed")
    timeout = {
        "kind": "timeout",
        "message": "The job did not finish within 0.01 s.",
        "hint": None,
        "retryable": True,
        "details": None,
    }
    assert (waiting["error"], failed["error"], failed["attempt"]) == (timeout, timeout, 2)
    assert harness.handler.started == ["a", "a"]


def test_delays_double_up_to_a_maximum_with_a_fifth_of_jitter() -> None:
    assert [backoff_s(attempt, None, 0.0) for attempt in range(1, 11)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [backoff_s(attempt, None, 0.5) for attempt in (1, 4, 20)] == pytest.approx([2.2, 17.6, 330.0])
    assert [backoff_s(attempt, None, 1.0) for attempt in (1, 4, 20)] == pytest.approx([2.4, 19.2, 360.0])


@pytest.mark.parametrize(
    ("requested_s", "delay_s"),
    [(0.0, 0.0), (-5.0, 0.0), (7.5, 7.5), (3600.0, 3600.0), (1e9, 86_400.0), (math.inf, 86_400.0), (math.nan, 0.0)],
)
def test_the_remote_servers_delay_is_used_up_to_a_day(requested_s: float, delay_s: float) -> None:
    assert backoff_s(5, requested_s, 1.0) == delay_s


async def test_the_next_attempt_starts_after_the_remote_servers_delay(harness: JobsHarness) -> None:
    harness.random_fraction = 1.0
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure(retry_after_s=90))
        waiting = await harness.until_updated(job_id, waiting_for="retry")
        assert waiting["run_at"] == "2026-11-23T08:01:30.000Z"
        await harness.pass_time(89.999)
        assert harness.handler.started == ["a"]
        await harness.pass_time(0.001)
        await harness.handler.next_run("a")


async def test_jitter_lengthens_the_delay(harness: JobsHarness) -> None:
    harness.random_fraction = 0.5
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        assert (await harness.until_updated(job_id, waiting_for="retry"))["run_at"] == "2026-11-23T08:00:02.200Z"


async def test_a_job_that_waits_for_its_next_attempt_is_cancelled_at_once(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        await harness.until_updated(job_id, waiting_for="retry")
        cancelled = await harness.call("jobs.cancel", {"job_id": job_id})
        assert (cancelled["status"], cancelled["waiting_for"], cancelled["finished_at"]) == ("cancelled", None, AT)
        await harness.pass_time(3600)
        assert await harness.get_job(job_id) == cancelled
    assert harness.handler.started == ["a"]
    assert harness.statuses(job_id) == ["queued", "running", "queued", "cancelled"]


@pytest.mark.parametrize(
    "error",
    [
        retryable_failure(),
        permanent_failure(),
        ZeroDivisionError(),
        JobSnoozed("later", delay_s=5, waiting_for=WaitingFor.NETWORK),
    ],
    ids=["retryable", "permanent", "bug", "snooze"],
)
async def test_a_cancelled_job_is_cancelled_whatever_its_handler_raises(harness: JobsHarness, error: Exception) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).on_cancel = error
        requested = await harness.call("jobs.cancel", {"job_id": job_id})
        assert (requested["status"], requested["cancel_requested"]) == ("running", True)
        ended = await harness.until_updated(job_id, status="cancelled")
        await harness.pass_time(3600)
    assert (ended["error"], ended["run_at"], ended["waiting_for"]) == (None, None, None)
    assert harness.statuses(job_id) == ["queued", "running", "running", "cancelled"]
    assert harness.handler.started == ["a"]


async def test_a_cancellation_in_the_tick_of_a_failure_takes_precedence_over_a_retry(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())  # the handler has not resumed yet
        await harness.call("jobs.cancel", {"job_id": job_id})
        await harness.until_updated(job_id, status="cancelled")
        await harness.pass_time(3600)
    assert harness.handler.started == ["a"]


@pytest.mark.parametrize("reason", [WaitingFor.NETWORK, WaitingFor.RATE_LIMIT])
async def test_a_snoozed_job_runs_again_and_uses_up_no_attempt(harness: JobsHarness, reason: WaitingFor) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        for _ in range(5):
            (await harness.handler.next_run("a")).fail(JobSnoozed("You are offline.", delay_s=30, waiting_for=reason))
            await harness.run_pending()
            waiting = await harness.get_job(job_id)
            fields = ("status", "attempt", "waiting_for", "message", "error", "recoveries")
            assert [waiting[field] for field in fields] == ["queued", 0, reason, "You are offline.", None, 0]
            await harness.pass_time(30)
        (await harness.handler.next_run("a")).succeed()
        done = await harness.until_updated(job_id, status="succeeded")
    assert (done["attempt"], done["max_attempts"], done["waiting_for"]) == (1, 1, None)
    assert harness.handler.started == ["a"] * 6


@pytest.mark.parametrize(
    ("delay_s", "run_at"),
    [
        (0.0, "2026-11-23T08:00:01.000Z"),
        (-math.inf, "2026-11-23T08:00:01.000Z"),
        (math.nan, "2026-11-23T08:00:01.000Z"),
        (90.0, "2026-11-23T08:01:30.000Z"),
        (math.inf, "2026-11-24T08:00:00.000Z"),
    ],
)
async def test_a_snooze_lasts_from_one_second_to_one_day(harness: JobsHarness, delay_s: float, run_at: str) -> None:
    job_id = await harness.create_job("a")
    async with harness.working():
        (await harness.handler.next_run("a")).fail(
            JobSnoozed("Later.", delay_s=delay_s, waiting_for=WaitingFor.RATE_LIMIT)
        )
        assert (await harness.until_updated(job_id, waiting_for="rate_limit"))["run_at"] == run_at


async def test_a_snooze_does_not_restore_failed_attempts(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure())
        await harness.run_pending()
        await harness.pass_time(2)
        (await harness.handler.next_run("a")).fail(JobSnoozed("Offline.", delay_s=1, waiting_for=WaitingFor.NETWORK))
        snoozed = await harness.until_updated(job_id, waiting_for="network")
        assert (snoozed["attempt"], snoozed["error"]) == (1, OVERLOADED)
        await harness.pass_time(1)
        await harness.handler.next_run("a")
        assert (await harness.get_job(job_id))["attempt"] == 2


async def test_an_immediate_retry_can_be_cancelled(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        (await harness.handler.next_run("a")).fail(retryable_failure(retry_after_s=0))
        while "running" in harness.store.counts():
            await harness.tick()
        await harness.create_job("b", SimpleJob, run_at="2027-01-01T00:00:00Z")  # wakes the worker in this tick
        run = await harness.handler.next_run("a")
        await harness.run_pending()
        await harness.call("jobs.cancel", {"job_id": job_id})
        await harness.until_updated(job_id, status="cancelled")
        assert run.outcome.cancelled()


async def test_each_snapshot_of_a_retried_job_has_a_higher_version(harness: JobsHarness) -> None:
    job_id = await harness.create_job("a", RepeatableJob)
    async with harness.working():
        for error in (
            retryable_failure(),
            JobSnoozed("Later.", delay_s=1, waiting_for=WaitingFor.NETWORK),
            retryable_failure(),
            retryable_failure(),
        ):
            (await harness.handler.next_run("a")).fail(error)
            await harness.run_pending()
            await harness.pass_time(10)
        await harness.until_updated(job_id, status="failed")
    versions = [job["version"] for job in harness.snapshots(job_id)]
    assert versions == list(range(1, 10))
    assert [(job["attempt"], job["waiting_for"]) for job in harness.snapshots(job_id)] == [
        (0, None),
        (1, None),
        (1, "retry"),
        (2, None),
        (1, "network"),
        (2, None),
        (2, "retry"),
        (3, None),
        (3, None),
    ]
