"""Error responses of Google: tokens, rate limits, permissions, invalid responses."""

from typing import Any

import anyio
import pytest
from sidecar_protocol.jobs.schedules import Schedules

from tests.calendar.google.harness import GoogleHarness, body, google_harness, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_oauth import LIFETIME_S, OAuthError
from tests.in_process_app import ManualClock

WHEN = timed("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z")
DAY_S = 86_400


async def snoozed_sync(harness: GoogleHarness, account_id: str, waiting_for: str) -> dict[str, Any]:
    """Runs a sync until it is snoozed for this reason, and returns the job."""
    job = await harness.accounts.sync(account_id=account_id)

    def found() -> list[dict[str, Any]]:
        jobs = [it["job"] for it in harness.named("jobs.updated")]
        return [it for it in jobs if it["job_id"] == job.job_id and it["waiting_for"] == waiting_for]

    async with harness.working():
        await harness.until(lambda _: found())
    return found()[0]


async def status_of(harness: GoogleHarness, account_id: str) -> tuple[str, str | None]:
    """Returns the account's status and its reason."""
    account = await harness.calendars.get_account(account_id=account_id)
    return account.status, account.reason


async def test_a_rejected_token_is_renewed_once_and_the_request_repeated(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    google.oauth.expire_access_tokens()
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting"]
    assert google.oauth.refreshes == 1


async def test_a_token_that_is_rejected_after_its_renewal_is_tried_again_later(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.refuse("/calendarList", 401, "authError", times=2)
    job = await harness.sync(account.account_id, "failed")
    assert (job["error"]["kind"], job["error"]["details"]) == ("account_refused", {"reason": "token_rejected"})
    assert await status_of(harness, account.account_id) == ("retrying", "token_rejected")


async def test_calendars_that_are_read_concurrently_renew_their_token_once(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    for number in range(8):
        google.calendars.add_calendar(f"team{number}", ADA)
    account = await harness.connect()
    google.refuse("/events", 401, "authError", times=4)  # all four concurrent requests
    await harness.sync(account.account_id)
    assert google.oauth.refreshes == 1
    clock.advance(LIFETIME_S - 59)
    await harness.sync(account.account_id)
    assert google.oauth.refreshes == 2, "it is renewed a minute before it expires"


async def test_syncs_of_one_account_wait_for_each_other(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
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


async def test_an_ended_sign_in_slows_the_schedule_down_and_is_notified_once(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    schedules = harness.remote(Schedules)
    [usual] = (await schedules.list()).schedules
    google.oauth.revoke_user(ADA)
    harness.received.clear()
    for _ in range(2):
        job = await harness.sync(account.account_id, "failed")
        assert (job["error"]["kind"], job["attempt"]) == ("needs_reauth", 1)
    [update] = harness.named("accounts.updated")
    assert (update["service"], update["status"], update["reason"]) == (
        "google_calendar",
        "needs_reauth",
        "token_revoked",
    )
    assert "again" in update["hint"]
    [slow] = (await schedules.list()).schedules
    assert slow.next_run_at == update["next_try_at"]
    assert usual.next_run_at is not None
    assert slow.next_run_at is not None
    assert usual.next_run_at < "2026-11-23T08:10"
    assert "2026-11-23T14:00" < slow.next_run_at < "2026-11-23T14:10"
    again = await harness.sign_in()
    assert (again.account_id, again.status, again.reason) == (account.account_id, "active", None)
    assert [one.next_run_at for one in (await schedules.list()).schedules] == [usual.next_run_at]
    await harness.sync(account.account_id)


@pytest.mark.parametrize(
    ("error", "age_s", "expected"),
    [
        (OAuthError(400, "invalid_grant"), 7 * DAY_S + 60, ("needs_reauth", "token_expired", "Testing")),
        (OAuthError(400, "invalid_grant"), 40 * DAY_S, ("needs_reauth", "token_revoked", "revoked")),
        (
            OAuthError(400, "invalid_grant", error_subtype="invalid_rapt"),
            60,
            ("needs_reauth", "session_ended", "organisation"),
        ),
        (OAuthError(401, "invalid_client"), 60, ("retrying", "client_rejected", "GOOGLE_CLIENT_ID")),
        (OAuthError(400, "unauthorized_client"), 60, ("retrying", "token_refused", "unauthorized_client")),
    ],
)
async def test_each_refusal_to_renew_a_sign_in_has_a_reason_and_a_hint(
    harness: GoogleHarness,
    google: FakeGoogle,
    clock: ManualClock,
    error: OAuthError,
    age_s: int,
    expected: tuple[str, str, str],
) -> None:
    account = await harness.connect()
    google.oauth.refusal = error
    google.oauth.expire_access_tokens()
    clock.advance(age_s)
    await harness.sync(account.account_id, "failed")
    found = await harness.calendars.get_account(account_id=account.account_id)
    assert (found.status, found.reason) == expected[:2]
    assert expected[2] in (found.hint or "")


async def test_a_new_refresh_token_is_stored_and_used_after_a_restart(
    data_dir: Any, google: FakeGoogle, clock: ManualClock
) -> None:
    google.oauth.rotates = True
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        account = await harness.connect()
        google.oauth.expire_access_tokens()
        await harness.sync(account.account_id)
    async with google_harness(data_dir / "sidecar.db", google, clock) as later:
        await later.sync(account.account_id)
        assert google.oauth.refreshes == 2


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"])
async def test_a_403_for_the_rate_is_retried_and_then_snoozes_the_job(
    harness: GoogleHarness, google: FakeGoogle, reason: str
) -> None:
    account = await harness.connect()
    google.refuse("/events", 403, reason, times=2)
    await harness.sync(account.account_id)
    assert harness.waits.seconds == [2.0, 4.0]
    google.refuse("/events", 403, reason, times=4)
    job = await snoozed_sync(harness, account.account_id, "rate_limit")
    assert (job["status"], job["attempt"], job["run_at"]) == ("queued", 0, "2026-11-23T08:01:00.000Z")
    assert await status_of(harness, account.account_id) == ("active", None)


async def test_a_403_for_missing_permission_is_not_retried(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
    for reason, kind in (("insufficientPermissions", "account_refused"), ("accessNotConfigured", "api_disabled")):
        count = len(google.requests)
        google.refuse("/calendarList", 403, reason)
        job = await harness.sync(account.account_id, "failed", full=True)
        assert job["error"]["kind"] == kind
        assert job["error"]["hint"]
        assert len(google.requests) == count + 1
    assert harness.waits.seconds == []


async def test_an_exhausted_daily_quota_snoozes_the_sync_for_an_hour(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.refuse("/calendarList", 403, "quotaExceeded")
    job = await snoozed_sync(harness, account.account_id, "rate_limit")
    assert job["run_at"] == "2026-11-23T09:00:00.000Z"


async def test_a_long_retry_after_snoozes_the_job_and_frees_the_worker(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    account = await harness.connect()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    google.refuse("/events", 429, "rateLimitExceeded", Retry_After="3600")
    job = await snoozed_sync(harness, account.account_id, "rate_limit")
    assert (job["run_at"], harness.waits.seconds) == ("2026-11-23T09:00:00.000Z", [])
    async with harness.working():
        echo = await harness.call("jobs.create", {"type": "test.echo", "payload": {"text": "free"}})
        await harness.until_job(echo["job"]["job_id"], "succeeded")
        clock.advance(3_600)
        harness.look_for_jobs()
        await harness.until_job(job["job_id"], "succeeded")
    assert await harness.titles() == ["Meeting"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html>Sign in to the hotel's network</html>"), (302, b""), (200, b"[]"), (200, b'{"items": [{"id": "x"')],
)
async def test_an_invalid_response_changes_nothing_and_is_retried_later(
    harness: GoogleHarness, google: FakeGoogle, status: int, body: bytes
) -> None:
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    account = await harness.connect()
    before = harness.database.rows("SELECT sync_token FROM calendar_calendars")
    google.refuse("/events", status, times=4)
    google.faults[-1].body = body
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


async def test_a_failed_page_loses_and_duplicates_nothing(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.calendars.max_page_size = 2
    account = await harness.connect()
    for number in range(7):
        google.calendars.add(ADA, summary=f"{number}", **WHEN)
    google.refuse("/events", 503, times=4, after=2)  # the third page, each time it is requested
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    await harness.call("jobs.cancel", {"job_id": job.job_id})
    used = google.listings()[-1]["syncToken"]
    await harness.sync(account.account_id)
    assert used in [query.get("syncToken") for query in google.listings()[-4:]], "it continues from the same cursor"
    assert sorted(await harness.titles()) == [str(number) for number in range(7)]


async def test_a_repeated_page_token_is_an_error(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
    google.refuse("/events", 200, times=3)
    google.faults[-1].body = body({"items": [], "nextPageToken": "again"})
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    found = await harness.call("jobs.get", {"job_id": job.job_id})
    assert "Google repeated a page" in found["message"]


async def test_a_cursor_that_google_rejects_leads_to_a_full_read(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    account = await harness.connect()
    google.refuse("/events", 400, "invalid")
    await harness.sync(account.account_id)
    assert "timeMin" in google.listings()[-1]
    google.refuse("/events", 400, "invalid", times=2)
    job = await harness.sync(account.account_id, "failed")
    assert (job["error"]["kind"], job["error"]["retryable"]) == ("bad_response", False)
    assert await harness.titles() == ["Meeting"]


async def test_without_a_network_a_sync_waits_for_it(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
    google.close()
    job = await snoozed_sync(harness, account.account_id, "network")
    assert job["attempt"] == 0
    assert await status_of(harness, account.account_id) == ("active", None)


async def test_a_cancelled_sync_stops_at_once_and_the_next_one_reads_the_rest(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.calendars.add(ADA, summary="Meeting", **WHEN)
    release = google.hold("/events")
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await anyio.to_thread.run_sync(google.wait_for, "/events", 2)
        await harness.call("jobs.cancel", {"job_id": job.job_id})
        await harness.until_job(job.job_id, "cancelled")
    release()
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting"]


async def test_a_sync_waits_for_a_missing_key_and_needs_a_new_sign_in_with_another_key(
    data_dir: Any, google: FakeGoogle, clock: ManualClock
) -> None:
    key, other = "A" * 43 + "=", "B" * 42 + "A="
    path = data_dir / "sidecar.db"
    async with google_harness(path, google, clock, secrets={"key": key}) as harness:
        account_id = (await harness.connect()).account_id
    async with google_harness(path, google, clock) as locked:
        job = await snoozed_sync(locked, account_id, "approval")
        assert job["attempt"] == 0
    clock.advance(60)
    async with google_harness(path, google, clock, secrets={"key": other}) as mismatched:
        await mismatched.sync(account_id, "failed")
        assert await status_of(mismatched, account_id) == ("needs_reauth", "secret_unreadable")
    async with google_harness(path, google, clock, secrets={"key": key}) as right:
        await right.sync(account_id)
        assert await status_of(right, account_id) == ("active", None), "the right key makes it active again"
