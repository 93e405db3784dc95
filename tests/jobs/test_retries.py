"""Failed tries: which are followed by another, when, and what a person who cancels can rely on."""

import math
from typing import Any

import pytest
from sidecar_protocol.entities import JobError, WaitingFor

from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.jobs.outcomes import backoff_s, job_error
from tests.jobs.harness import Again, Brief, Shop, Work

AT = "2026-11-23T08:00:00.000Z"


def passing(**more: Any) -> JobFailed:
    """A failure that may pass."""
    return JobFailed("The remote stumbled.", kind="stumbled", retryable=True, **more)


def lasting() -> JobFailed:
    """A failure that will not."""
    return JobFailed("The password is wrong.", kind="auth", hint="Sign in again.")


STUMBLED = {
    "kind": "stumbled",
    "message": "The remote stumbled.",
    "hint": None,
    "retryable": True,
    "details": None,
}


async def test_a_try_that_failed_in_a_way_that_may_pass_is_followed_by_another(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        waiting = await shop.seen(job_id, waiting_for="retry")
        assert waiting == {
            "job_id": job_id,
            "type": "work.again",
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
            "message": "Attempt 1 of 3 failed; retrying in 2.0 s: The remote stumbled.",
            "cancel_requested": False,
            "payload": {"name": "a", "key": None},
            "result": None,
            "error": STUMBLED,
            "version": 3,
        }
        assert await shop.get(job_id) == waiting
        await shop.pass_time(1.999)
        assert shop.hands.order == ["a"]
        await shop.pass_time(0.001)
        (await shop.hands.next("a")).succeed("at last")
        done = await shop.seen(job_id, status="succeeded")
    assert (done["attempt"], done["waiting_for"], done["error"]) == (2, None, None)
    assert done["result"] == {"text": "at last"}
    assert shop.statuses(job_id) == ["queued", "running", "queued", "running", "succeeded"]
    assert await shop.log_of(job_id) == ["Queued", "Started", waiting["message"], "Started", "Succeeded"]


async def test_after_the_last_try_the_job_has_failed(shop: Shop) -> None:
    job_id = await shop.make("a", Again, max_attempts=2)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        await shop.seen(job_id, waiting_for="retry")
        await shop.pass_time(2)
        (await shop.hands.next("a")).fail(passing())
        failed = await shop.seen(job_id, status="failed")
        await shop.pass_time(24 * 3600)
    assert (failed["attempt"], failed["max_attempts"], failed["error"]) == (2, 2, STUMBLED)
    assert shop.hands.order == ["a", "a"]


async def test_a_type_that_does_not_say_otherwise_is_tried_once(shop: Shop) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        failed = await shop.seen(job_id, status="failed")
    assert (failed["attempt"], failed["max_attempts"]) == (1, 1)


async def test_a_failure_that_will_not_pass_is_not_tried_again(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(lasting())
        failed = await shop.seen(job_id, status="failed")
    assert (failed["attempt"], failed["max_attempts"]) == (1, 3)
    assert failed["error"]["hint"] == "Sign in again."


async def test_a_payload_that_no_longer_fits_is_not_tried_again(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    with shop.database.write():
        shop.database.execute("UPDATE jobs SET payload_json = '[]'")
    async with shop.working():
        failed = await shop.seen(job_id, status="failed")
    assert (failed["error"]["kind"], failed["attempt"], shop.hands.order) == ("payload_invalid", 1, [])


async def test_a_bug_in_a_handler_is_retried_within_its_attempts(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        for delay_s in (2, 4):
            (await shop.hands.next("a")).fail(ZeroDivisionError("hunter2"))
            await shop.settle()
            await shop.pass_time(delay_s)
        (await shop.hands.next("a")).fail(ZeroDivisionError("hunter2"))
        failed = await shop.seen(job_id, status="failed")
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
    ids=["half a sign", "half a sign in the hint", "what is not JSON", "a long story", "a large page"],
)
async def test_an_error_that_cannot_be_stored_as_it_is_harms_nobody_else(shop: Shop, error: JobFailed) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(error)
        waiting = await shop.seen(job_id, waiting_for="retry")
        other = await shop.make("b")
        (await shop.hands.next("b")).succeed()
        await shop.seen(other, status="succeeded")
    assert waiting["error"]["kind"] == "broken"
    assert len(str(waiting)) < 150_000


def test_an_error_is_stored_as_the_handler_put_it() -> None:
    failure = JobFailed("It broke.", kind="broken", hint="Mend it.", retryable=True, details={"at": [1, {"x": None}]})
    assert job_error(failure) == JobError(
        kind="broken", message="It broke.", hint="Mend it.", retryable=True, details={"at": [1, {"x": None}]}
    )


async def test_a_try_that_takes_too_long_has_failed_and_is_tried_again(shop: Shop) -> None:
    job_id = await shop.make("a", Brief)
    async with shop.working():
        waiting = await shop.seen(job_id, waiting_for="retry")
        await shop.pass_time(2)
        failed = await shop.seen(job_id, status="failed")
    timeout = {
        "kind": "timeout",
        "message": "The job did not finish within 0.01 s.",
        "hint": None,
        "retryable": True,
        "details": None,
    }
    assert (waiting["error"], failed["error"], failed["attempt"]) == (timeout, timeout, 2)
    assert shop.hands.order == ["a", "a"]


def test_waits_double_up_to_a_cap_with_a_fifth_of_jitter() -> None:
    assert [backoff_s(attempt, None, 0.0) for attempt in range(1, 11)] == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [backoff_s(attempt, None, 0.5) for attempt in (1, 4, 20)] == pytest.approx([2.2, 17.6, 330.0])
    assert [backoff_s(attempt, None, 1.0) for attempt in (1, 4, 20)] == pytest.approx([2.4, 19.2, 360.0])


@pytest.mark.parametrize(
    ("named", "waits"),
    [(0.0, 0.0), (-5.0, 0.0), (7.5, 7.5), (3600.0, 3600.0), (1e9, 86_400.0), (math.inf, 86_400.0), (math.nan, 0.0)],
)
def test_a_time_that_the_remote_named_is_kept_to_for_a_day_at_most(named: float, waits: float) -> None:
    assert backoff_s(5, named, 1.0) == waits


async def test_the_next_try_comes_when_the_remote_said(shop: Shop) -> None:
    shop.random_fraction = 1.0
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing(retry_after_s=90))
        waiting = await shop.seen(job_id, waiting_for="retry")
        assert waiting["run_at"] == "2026-11-23T08:01:30.000Z"
        await shop.pass_time(89.999)
        assert shop.hands.order == ["a"]
        await shop.pass_time(0.001)
        await shop.hands.next("a")


async def test_chance_lengthens_the_wait(shop: Shop) -> None:
    shop.random_fraction = 0.5
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        assert (await shop.seen(job_id, waiting_for="retry"))["run_at"] == "2026-11-23T08:00:02.200Z"


async def test_a_job_that_waits_for_its_next_try_stops_at_once_when_cancelled(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        await shop.seen(job_id, waiting_for="retry")
        cancelled = await shop.call("jobs.cancel", {"job_id": job_id})
        assert (cancelled["status"], cancelled["waiting_for"], cancelled["finished_at"]) == ("cancelled", None, AT)
        await shop.pass_time(3600)
        assert await shop.get(job_id) == cancelled
    assert shop.hands.order == ["a"]
    assert shop.statuses(job_id) == ["queued", "running", "queued", "cancelled"]


@pytest.mark.parametrize(
    "error",
    [passing(), lasting(), ZeroDivisionError(), JobSnoozed("later", delay_s=5, waiting_for=WaitingFor.NETWORK)],
    ids=["may pass", "will not pass", "bug", "snooze"],
)
async def test_a_cancelled_job_is_cancelled_however_it_goes_down(shop: Shop, error: Exception) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).on_cancel = error
        asked = await shop.call("jobs.cancel", {"job_id": job_id})
        assert (asked["status"], asked["cancel_requested"]) == ("running", True)
        ended = await shop.seen(job_id, status="cancelled")
        await shop.pass_time(3600)
    assert (ended["error"], ended["run_at"], ended["waiting_for"]) == (None, None, None)
    assert shop.statuses(job_id) == ["queued", "running", "running", "cancelled"]
    assert shop.hands.order == ["a"]


async def test_a_wish_to_cancel_in_the_very_turn_of_a_failure_outranks_the_next_try(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())  # the handler has not seen it yet
        await shop.call("jobs.cancel", {"job_id": job_id})
        await shop.seen(job_id, status="cancelled")
        await shop.pass_time(3600)
    assert shop.hands.order == ["a"]


@pytest.mark.parametrize("why", [WaitingFor.NETWORK, WaitingFor.RATE_LIMIT])
async def test_a_snoozed_job_comes_back_and_has_lost_no_try(shop: Shop, why: WaitingFor) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        for _ in range(5):
            (await shop.hands.next("a")).fail(JobSnoozed("You are offline.", delay_s=30, waiting_for=why))
            await shop.settle()
            waiting = await shop.get(job_id)
            fields = ("status", "attempt", "waiting_for", "message", "error", "recoveries")
            assert [waiting[field] for field in fields] == ["queued", 0, why, "You are offline.", None, 0]
            await shop.pass_time(30)
        (await shop.hands.next("a")).succeed()
        done = await shop.seen(job_id, status="succeeded")
    assert (done["attempt"], done["max_attempts"], done["waiting_for"]) == (1, 1, None)
    assert shop.hands.order == ["a"] * 6


@pytest.mark.parametrize(
    ("named", "run_at"),
    [
        (0.0, "2026-11-23T08:00:01.000Z"),
        (-math.inf, "2026-11-23T08:00:01.000Z"),
        (math.nan, "2026-11-23T08:00:01.000Z"),
        (90.0, "2026-11-23T08:01:30.000Z"),
        (math.inf, "2026-11-24T08:00:00.000Z"),
    ],
)
async def test_a_snooze_lasts_a_second_at_least_and_a_day_at_most(shop: Shop, named: float, run_at: str) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        (await shop.hands.next("a")).fail(JobSnoozed("Later.", delay_s=named, waiting_for=WaitingFor.RATE_LIMIT))
        assert (await shop.seen(job_id, waiting_for="rate_limit"))["run_at"] == run_at


async def test_what_a_failed_try_has_spent_a_snooze_does_not_give_back(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing())
        await shop.settle()
        await shop.pass_time(2)
        (await shop.hands.next("a")).fail(JobSnoozed("Offline.", delay_s=1, waiting_for=WaitingFor.NETWORK))
        snoozed = await shop.seen(job_id, waiting_for="network")
        assert (snoozed["attempt"], snoozed["error"]) == (1, STUMBLED)
        await shop.pass_time(1)
        await shop.hands.next("a")
        assert (await shop.get(job_id))["attempt"] == 2


async def test_a_try_that_comes_at_once_is_a_run_of_its_own(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        (await shop.hands.next("a")).fail(passing(retry_after_s=0))
        while "running" in shop.store.counts():
            await shop.tick()
        await shop.make("b", Work, run_at="2027-01-01T00:00:00Z")  # which wakes the worker in this very turn
        run = await shop.hands.next("a")
        await shop.settle()
        await shop.call("jobs.cancel", {"job_id": job_id})
        await shop.seen(job_id, status="cancelled")
        assert run.outcome.cancelled()


async def test_each_snapshot_of_a_job_that_is_tried_often_is_newer_than_the_one_before(shop: Shop) -> None:
    job_id = await shop.make("a", Again)
    async with shop.working():
        for error in (passing(), JobSnoozed("Later.", delay_s=1, waiting_for=WaitingFor.NETWORK), passing(), passing()):
            (await shop.hands.next("a")).fail(error)
            await shop.settle()
            await shop.pass_time(10)
        await shop.seen(job_id, status="failed")
    versions = [job["version"] for job in shop.snapshots(job_id)]
    assert versions == list(range(1, 10))
    assert [(job["attempt"], job["waiting_for"]) for job in shop.snapshots(job_id)] == [
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
