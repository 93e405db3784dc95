"""What Google refuses, and for how long: tokens, rates, permissions, answers that are none."""

from typing import Any

import anyio
import pytest
from sidecar_protocol.jobs import Schedules

from tests.calendar.google.harness import GoogleHarness, body, google_harness, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_oauth import LIFETIME_S, OAuthError
from tests.in_process_app import ManualClock

WHEN = timed("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z")
DAY_S = 86_400


async def put_off(harness: GoogleHarness, account_id: str, waiting_for: str) -> dict[str, Any]:
    """One sync that is put off for this; the job."""
    job = await harness.accounts.sync(account_id=account_id)

    def found() -> list[dict[str, Any]]:
        jobs = [it["job"] for it in harness.named("jobs.updated")]
        return [it for it in jobs if it["job_id"] == job.job_id and it["waiting_for"] == waiting_for]

    async with harness.working():
        await harness.until(lambda _: found())
    return found()[0]


async def status_of(harness: GoogleHarness, account_id: str) -> tuple[str, str | None]:
    """How the account stands, and why."""
    account = await harness.calendars.get_account(account_id=account_id)
    return account.status, account.reason


async def test_a_token_that_is_refused_is_renewed_once_and_the_request_made_again(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    google.oauth.expire_access_tokens()
    await harness.synced(account.account_id)
    assert await harness.titles() == ["Meeting"]
    assert google.oauth.refreshes == 1


async def test_a_token_that_is_refused_after_its_renewal_too_stops_the_account(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    google.refuse("/calendarList", 401, "authError", times=2)
    job = await harness.synced(account.account_id, "failed")
    assert (job["error"]["kind"], job["error"]["details"]) == ("needs_reauth", {"reason": "token_rejected"})
    assert await status_of(harness, account.account_id) == ("needs_reauth", "token_rejected")


async def test_calendars_that_are_read_side_by_side_renew_their_token_once(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    for number in range(8):
        google.calendars.add_calendar(f"team{number}", ADA)
    account = await harness.connected()
    google.refuse("/events", 401, "authError", times=4)  # all four that are under way are refused at once
    await harness.synced(account.account_id)
    assert google.oauth.refreshes == 1
    clock.advance(LIFETIME_S - 59)
    await harness.synced(account.account_id)
    assert google.oauth.refreshes == 2, "it is renewed a minute before its end"


async def test_syncs_of_one_account_wait_for_each_other(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connected()
    harness.received.clear()
    release = google.hold("/calendarList")
    first = await harness.accounts.sync(account_id=account.account_id)
    second = await harness.accounts.sync(account_id=account.account_id, full=True)
    assert (await harness.accounts.sync(account_id=account.account_id)).job_id == first.job_id
    async with harness.working():
        await harness.until_job(first.job_id, "running")
        waiting = await harness.call("jobs.get", {"job_id": second.job_id})
        assert (waiting["status"], waiting["waiting_for"]) == ("queued", "lock")
        release()
        await harness.until_job(second.job_id, "succeeded")


async def test_a_sign_in_that_has_ended_stops_the_schedule_and_is_told_once(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    schedules = harness.remote(Schedules)
    assert len((await schedules.list()).schedules) == 1
    google.oauth.revoke_user(ADA)
    harness.received.clear()
    for _ in range(2):
        job = await harness.synced(account.account_id, "failed")
        assert (job["error"]["kind"], job["attempt"]) == ("needs_reauth", 1)
    [told] = harness.named("accounts.updated")
    assert (told["service"], told["status"], told["reason"]) == ("google_calendar", "needs_reauth", "token_revoked")
    assert "again" in told["hint"]
    assert (await schedules.list()).schedules == []
    again = await harness.sign_in()
    assert (again.account_id, again.status, again.reason) == (account.account_id, "active", None)
    assert len((await schedules.list()).schedules) == 1
    await harness.synced(account.account_id)


@pytest.mark.parametrize(
    ("answer", "age_s", "told"),
    [
        (OAuthError(400, "invalid_grant"), 7 * DAY_S + 60, ("token_expired", "Testing")),
        (OAuthError(400, "invalid_grant"), 40 * DAY_S, ("token_revoked", "revoked")),
        (OAuthError(400, "invalid_grant", error_subtype="invalid_rapt"), 60, ("session_ended", "organisation")),
        (OAuthError(401, "invalid_client"), 60, ("client_rejected", "GOOGLE_CLIENT_ID")),
        (OAuthError(400, "unauthorized_client"), 60, ("token_refused", "unauthorized_client")),
    ],
)
async def test_why_a_sign_in_is_not_renewed_is_said_with_what_to_do(
    harness: GoogleHarness,
    google: FakeGoogle,
    clock: ManualClock,
    answer: OAuthError,
    age_s: int,
    told: tuple[str, str],
) -> None:
    account = await harness.connected()
    google.oauth.refusal = answer
    google.oauth.expire_access_tokens()
    clock.advance(age_s)
    await harness.synced(account.account_id, "failed")
    found = await harness.calendars.get_account(account_id=account.account_id)
    assert (found.status, found.reason) == ("needs_reauth", told[0])
    assert told[1] in (found.hint or "")


async def test_a_new_refresh_token_is_stored_before_it_is_used_and_good_after_a_restart(
    data_dir: Any, google: FakeGoogle, clock: ManualClock
) -> None:
    google.oauth.rotates = True
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        account = await harness.connected()
        google.oauth.expire_access_tokens()
        await harness.synced(account.account_id)
    async with google_harness(data_dir / "sidecar.db", google, clock) as later:
        await later.synced(account.account_id)
        assert google.oauth.refreshes == 2


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded"])
async def test_a_403_that_means_slower_is_tried_again_and_then_put_off(
    harness: GoogleHarness, google: FakeGoogle, reason: str
) -> None:
    account = await harness.connected()
    google.refuse("/events", 403, reason, times=2)
    await harness.synced(account.account_id)
    assert harness.waits.seconds == [2.0, 4.0]
    google.refuse("/events", 403, reason, times=4)
    job = await put_off(harness, account.account_id, "rate_limit")
    assert (job["status"], job["attempt"], job["run_at"]) == ("queued", 0, "2026-11-23T08:01:00.000Z")
    assert await status_of(harness, account.account_id) == ("active", None)


async def test_a_403_that_means_no_is_not_tried_again(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connected()
    for reason, kind in (("insufficientPermissions", "needs_reauth"), ("accessNotConfigured", "api_disabled")):
        asked = len(google.requests)
        google.refuse("/calendarList", 403, reason)
        job = await harness.synced(account.account_id, "failed", full=True)
        assert job["error"]["kind"] == kind
        assert job["error"]["hint"]
        assert len(google.requests) == asked + 1
    assert harness.waits.seconds == []


async def test_a_days_quota_that_is_used_up_puts_the_sync_off_for_an_hour(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    google.refuse("/calendarList", 403, "quotaExceeded")
    job = await put_off(harness, account.account_id, "rate_limit")
    assert job["run_at"] == "2026-11-23T09:00:00.000Z"


async def test_a_long_pause_is_slept_over_by_the_job_and_frees_the_worker(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    account = await harness.connected()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    google.refuse("/events", 429, "rateLimitExceeded", Retry_After="3600")
    job = await put_off(harness, account.account_id, "rate_limit")
    assert (job["run_at"], harness.waits.seconds) == ("2026-11-23T09:00:00.000Z", [])
    async with harness.working():
        echo = await harness.call("jobs.create", {"type": "test.echo", "payload": {"text": "free"}})
        await harness.until_job(echo["job"]["job_id"], "succeeded")
        clock.advance(3_600)
        harness.look_for_jobs()
        await harness.until_job(job["job_id"], "succeeded")
    assert await harness.titles() == ["Meeting"]


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, b"<html>Sign in to the hotel's network</html>"), (302, b""), (200, b"[]"), (200, b'{"items": [{"id": "x"')],
)
async def test_what_is_no_answer_of_the_apis_changes_nothing_and_is_tried_again_later(
    harness: GoogleHarness, google: FakeGoogle, status: int, answer: bytes
) -> None:
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    account = await harness.connected()
    before = harness.database.rows("SELECT sync_token FROM calendar_calendars")
    google.refuse("/events", status, times=4)
    google.faults[-1].body = answer
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        ended = await harness.until_job(job.job_id, "queued" if status == 200 else "failed")
        if status == 200:
            await harness.until(
                lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated"))
            )
    assert ended
    assert await harness.titles() == ["Meeting"]
    assert harness.database.rows("SELECT sync_token FROM calendar_calendars") == before


async def test_a_page_that_fails_loses_and_doubles_nothing(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.calendars.max_page_size = 2
    account = await harness.connected()
    for number in range(7):
        google.calendars.add(ADA, summary=f"{number}", **WHEN)
    google.refuse("/events", 503, times=4, after=2)  # the third page, for all its tries
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    await harness.call("jobs.cancel", {"job_id": job.job_id})
    used = google.listings()[-1]["syncToken"]
    await harness.synced(account.account_id)
    assert used in [query.get("syncToken") for query in google.listings()[-4:]], "it goes on from the same place"
    assert sorted(await harness.titles()) == [str(number) for number in range(7)]


async def test_pages_that_go_in_circles_are_noticed(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connected()
    google.refuse("/events", 200, times=3)
    google.faults[-1].body = body({"items": [], "nextPageToken": "again"})
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    found = await harness.call("jobs.get", {"job_id": job.job_id})
    assert "Google repeated a page" in found["message"]


async def test_a_cursor_that_google_cannot_read_means_a_full_listing(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    account = await harness.connected()
    google.refuse("/events", 400, "invalid")
    await harness.synced(account.account_id)
    assert "timeMin" in google.listings()[-1]
    google.refuse("/events", 400, "invalid", times=2)
    job = await harness.synced(account.account_id, "failed")
    assert (job["error"]["kind"], job["error"]["retryable"]) == ("bad_response", False)
    assert await harness.titles() == ["Meeting"]


async def test_without_a_network_a_sync_waits_for_it(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connected()
    google.close()
    job = await put_off(harness, account.account_id, "network")
    assert job["attempt"] == 0
    assert await status_of(harness, account.account_id) == ("active", None)


async def test_a_sync_that_is_cancelled_stops_at_once_and_the_next_one_makes_up_for_it(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    release = google.hold("/events")
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await anyio.to_thread.run_sync(google.wait_for, "/events", 2)
        await harness.call("jobs.cancel", {"job_id": job.job_id})
        await harness.until_job(job.job_id, "cancelled")
    release()
    await harness.synced(account.account_id)
    assert await harness.titles() == ["Meeting"]


async def test_a_sign_in_that_no_key_opens_needs_a_new_one_and_one_whose_key_is_late_waits_for_it(
    data_dir: Any, google: FakeGoogle, clock: ManualClock
) -> None:
    key, other = "A" * 43 + "=", "B" * 42 + "A="
    path = data_dir / "sidecar.db"
    async with google_harness(path, google, clock, secrets={"key": key}) as harness:
        account_id = (await harness.connected()).account_id
    async with google_harness(path, google, clock) as locked:
        job = await put_off(locked, account_id, "approval")
        assert job["attempt"] == 0
    clock.advance(60)
    async with google_harness(path, google, clock, secrets={"key": other}) as mismatched:
        await mismatched.synced(account_id, "failed")
        assert await status_of(mismatched, account_id) == ("needs_reauth", "secret_unreadable")
    async with google_harness(path, google, clock, secrets={"key": key}) as right:
        await right.synced(account_id)
        assert await status_of(right, account_id) == ("active", None), "the key came back, and all is well"
