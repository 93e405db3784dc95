"""Google accounts: connecting with a token, changing, deleting, and accounts of the old backend."""

import json
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.jobs.schedules import Schedules

from sidecar.commandline.client import RemoteError
from tests.calendar.google.harness import GoogleHarness, google_harness, tables, timed
from tests.fakes.google import ADA, SCOPE, FakeGoogle
from tests.fakes.google_oauth import CLIENT_ID
from tests.in_process_app import ManualClock
from tests.old_backend import STAMPS, insert, old_database

PAST = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
BOTH = (SCOPE + "calendar.calendarlist.readonly", SCOPE + "calendar.events.readonly")


async def error_kind(call: Any) -> str:
    """Returns the kind of the error that the call raises."""
    with pytest.raises(RemoteError) as caught:
        await call
    return str(caught.value.data["kind"])


async def test_an_account_can_be_connected_with_a_refresh_token(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.calendars.add(ADA, summary="Meeting", **PAST)
    token = google.oauth.add_grant(ADA, BOTH).refresh_token
    account = await harness.accounts.create(
        provider="google", email=ADA, display_name="Me", credentials={"refresh_token": token}
    )
    assert (account.email, account.display_name, account.status) == (ADA, "Me", "active")
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting"]
    again = await harness.accounts.create(provider="google", email=ADA.upper(), credentials={"refresh_token": token})
    assert again.account_id == account.account_id
    [(stored,)] = tables(harness, "SELECT credentials_json FROM calendar_accounts")
    assert stored.startswith("enc:v1:")


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"provider": "google", "credentials": {"refresh_token": "invalid"}}, "credentials_rejected"),
        ({"provider": "google"}, "invalid_params"),
        ({"provider": "google", "credentials": {"password": "x"}}, "invalid_params"),
        ({"provider": "outlook", "credentials": {"refresh_token": "x"}}, "calendar_provider_unavailable"),
    ],
)
async def test_rejected_credentials_create_no_account(
    harness: GoogleHarness, params: dict[str, Any], kind: str
) -> None:
    assert await error_kind(harness.accounts.create(email=ADA, **params)) == kind
    assert (await harness.calendars.list_accounts()).accounts == []


async def test_a_token_of_another_user_or_without_the_scope_creates_no_account(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add_calendar("bob@example.com", "bob@example.com", entry={"primary": True})
    for grant in (google.oauth.add_grant("bob@example.com", BOTH), google.oauth.add_grant(ADA, ("openid",))):
        credentials = {"refresh_token": grant.refresh_token}
        call = harness.accounts.create(provider="google", email=ADA, credentials=credentials)
        assert await error_kind(call) == "credentials_rejected"


async def test_a_wider_range_of_days_is_read_and_a_narrower_one_deletes_events_far_ahead(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    for name, day in (("long ago", "2026-01-10"), ("soon", "2026-12-10"), ("far ahead", "2027-11-10")):
        google.calendars.add(ADA, summary=name, **timed(f"{day}T10:00:00Z", f"{day}T11:00:00Z"))
    account = await harness.connect()
    assert await harness.titles() == ["soon", "far ahead"]
    wider = await harness.accounts.update(account_id=account.account_id, past_days=400)
    assert (wider.past_days, wider.future_days) == (400, 400)
    await harness.sync(account.account_id)
    assert await harness.titles() == ["long ago", "soon", "far ahead"]
    await harness.accounts.update(account_id=account.account_id, past_days=30, future_days=30, display_name="Me")
    await harness.sync(account.account_id)
    assert await harness.titles() == ["long ago", "soon"]
    assert (await harness.calendars.get_account(account_id=account.account_id)).display_name == "Me"
    assert await error_kind(harness.accounts.update(account_id="unknown", past_days=1)) == "account_not_found"
    assert await error_kind(harness.accounts.sync(account_id="unknown")) == "account_not_found"


async def test_deleting_an_account_deletes_its_data_and_revokes_its_sign_in(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, summary="Meeting", **PAST)
    account = await harness.connect()
    assert len(await harness.feed()) == 1
    harness.received.clear()
    deleted = await harness.accounts.delete(account_id=account.account_id)
    assert (deleted.account_id, deleted.revoked) == (account.account_id, True)
    assert [grant.alive for grant in google.oauth.grants] == [False]
    for table in ("calendar_accounts", "calendar_calendars", "calendar_events", "activity_events", "sync_state"):
        assert tables(harness, f"SELECT count(*) FROM {table}") == [(0,)], table
    assert (await harness.remote(Schedules).list()).schedules == []
    assert [it["status"] for it in harness.named("accounts.updated")] == ["deleting", "deleted"]
    assert await error_kind(harness.accounts.delete(account_id=account.account_id)) == "account_not_found"


async def test_deleting_an_account_cancels_its_running_sync(harness: GoogleHarness, google: FakeGoogle) -> None:
    google.calendars.add(ADA, summary="Meeting", **PAST)
    account = await harness.sign_in()
    release = google.hold("/events")
    async with harness.working():
        job = await harness.accounts.sync(account_id=account.account_id)
        await harness.until_job(job.job_id, "running")
        await harness.accounts.delete(account_id=account.account_id)
        release()
        await harness.until_job(job.job_id, "cancelled")
    assert tables(harness, "SELECT count(*) FROM calendar_events") == [(0,)]
    assert tables(harness, "SELECT count(*) FROM calendar_calendars") == [(0,)]


async def test_an_account_is_deleted_even_if_its_sign_in_cannot_be_revoked(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connect()
    google.close()
    assert not (await harness.accounts.delete(account_id=account.account_id)).revoked
    assert (await harness.calendars.list_accounts()).accounts == []


def create_old_database(folder: Path, *tokens: str) -> None:
    """Creates a database with an account of Ada for each refresh token, with credentials as google-auth writes them."""
    folder.mkdir(parents=True)
    with old_database(folder) as old:
        for number, token in enumerate(tokens):
            credentials = {
                "token": "ya29.long-dead",
                "refresh_token": token,
                "token_uri": "https://oauth2.googleapis.com/token",
                "client_id": CLIENT_ID,
                "client_secret": "rotated meanwhile",
                "scopes": list(BOTH),
            }
            row = {"provider": "google", "email": ADA, "credentials_json": json.dumps(credentials), **STAMPS}
            insert(old, "calendar_accounts", account_id=f"old-{number}", **row)


async def test_an_account_of_the_old_backend_can_be_synced(
    data_dir: Path, google: FakeGoogle, clock: ManualClock
) -> None:
    create_old_database(data_dir, google.oauth.add_grant(ADA, BOTH).refresh_token)
    event_id = google.calendars.add(ADA, summary="Meeting", **PAST)
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        await harness.features.get("calendar").run()
        [schedule] = (await harness.remote(Schedules).list()).schedules
        assert (schedule.type, schedule.payload) == ("calendar.sync", {"account_id": "old-0", "full": False})
        await harness.sync("old-0")
        assert [it["event_id"] for it in await harness.events()] == [event_id]


async def test_a_sign_in_is_not_revoked_while_another_account_has_the_same_address(
    data_dir: Path, google: FakeGoogle, clock: ManualClock
) -> None:
    grants = [google.oauth.add_grant(ADA, BOTH) for _ in range(2)]
    create_old_database(data_dir, *(grant.refresh_token for grant in grants))
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        assert not (await harness.accounts.delete(account_id="old-0")).revoked
        assert [grant.alive for grant in grants] == [True, True]
        assert (await harness.accounts.delete(account_id="old-1")).revoked
        assert [grant.alive for grant in grants] == [False, False]


async def test_an_interrupted_deletion_is_continued_at_the_next_start(
    data_dir: Path, google: FakeGoogle, clock: ManualClock
) -> None:
    google.calendars.add(ADA, summary="Meeting", **PAST)
    async with google_harness(data_dir / "sidecar.db", google, clock) as harness:
        account = await harness.connect()
        with harness.database.write():
            harness.database.execute("UPDATE calendar_accounts SET status = 'deleting'")
        assert await error_kind(harness.accounts.sync(account_id=account.account_id)) == "account_not_found"
    async with google_harness(data_dir / "sidecar.db", google, clock) as later:
        await later.features.get("calendar").run()
        assert (await later.calendars.list_accounts()).accounts == []
        assert await later.events(include_unselected=True) == []
        assert await later.feed() == []


async def test_without_a_client_id_accounts_are_not_scheduled_and_their_syncs_fail_with_the_reason(
    data_dir: Path, google: FakeGoogle, clock: ManualClock
) -> None:
    create_old_database(data_dir, google.oauth.add_grant(ADA, BOTH).refresh_token)
    async with google_harness(data_dir / "sidecar.db", google, clock, has_client=False) as harness:
        await harness.features.get("calendar").run()
        assert (await harness.remote(Schedules).list()).schedules == []
        job = await harness.sync("old-0", "failed")
        assert job["error"]["kind"] == "provider_unavailable"
        assert "GOOGLE_CLIENT_ID" in job["error"]["hint"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("calendar.providers.list", {}),
        ("calendar.accounts.create", {"provider": "google", "email": ADA}),
        ("calendar.accounts.update", {"account_id": "a"}),
        ("calendar.accounts.delete", {"account_id": "a"}),
        ("calendar.accounts.sync", {"account_id": "a"}),
        ("calendar.calendars.update", {"account_id": "a", "calendar_id": "b", "selected": True}),
        ("calendar.oauth.google.start", {"redirect_uri": "http://127.0.0.1:1"}),
        ("calendar.oauth.google.callback", {"url": "x"}),
        ("calendar.oauth.google.complete", {"state": "x"}),
    ],
)
async def test_an_unknown_param_is_rejected_by_name(
    harness: GoogleHarness, method: str, params: dict[str, Any]
) -> None:
    with pytest.raises(RemoteError) as caught:
        await harness.call(method, {**params, "refresh_tokn": "hunter2"})
    assert caught.value.data["details"][0]["path"] == "refresh_tokn"
    assert "hunter2" not in str(caught.value.data)
