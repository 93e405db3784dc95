"""The calendars of an account: new ones, hidden ones, deselected ones, and those that cannot be read any more."""

import pytest

from tests.calendar.google.harness import GoogleHarness, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_calendar import ApiError

WHEN = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
TEAM = "team#1@example.com"


@pytest.fixture
def team(google: FakeGoogle) -> str:
    """A second calendar with a meeting that has passed."""
    google.calendars.add_calendar(TEAM, ADA, summary="Team", entry={"backgroundColor": "#123456"})
    return google.calendars.add(TEAM, summary="Team meeting", **WHEN)


async def test_a_calendar_is_kept_as_the_provider_describes_it(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    google.calendars.calendars[TEAM].entries[ADA] |= {"summaryOverride": "My team", "description": "All of us"}
    account = await harness.connected()
    [_, found] = (await harness.call("calendar.calendars.list", {"account_id": account.account_id}))["calendars"]
    assert {name: found[name] for name in ("name", "description", "access_role", "background_color", "time_zone")} == {
        "name": "My team",
        "description": "All of us",
        "access_role": "owner",
        "background_color": "#123456",
        "time_zone": "Europe/Berlin",
    }
    assert found["last_sync_at"] == "2026-11-23T08:00:00.000Z"


async def test_a_deselected_calendar_is_not_synced_and_its_events_are_hidden_but_not_lost(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connected()
    assert [it["title"] for it in await harness.feed()] == ["Team meeting"]
    params = {"account_id": account.account_id, "calendar_id": TEAM}
    calendar = await harness.call("calendar.calendars.update", {**params, "selected": False})
    assert calendar["selected"] is False
    asked = len(google.listings(TEAM))
    google.calendars.change(TEAM, team, summary="Renamed meanwhile")
    await harness.synced(account.account_id)
    assert len(google.listings(TEAM)) == asked
    assert await harness.titles() == []
    assert await harness.titles(include_unselected=True) == ["Team meeting"]
    assert await harness.feed() == []
    await harness.accounts.update_calendar(account_id=account.account_id, calendar_id=TEAM, selected=True)
    await harness.synced(account.account_id)
    assert "syncToken" in google.listings(TEAM)[-1], "it goes on from where it was"
    assert await harness.titles() == ["Renamed meanwhile"]
    assert [it["title"] for it in await harness.feed()] == ["Renamed meanwhile"]


async def test_a_calendar_that_is_selected_while_a_sync_runs_is_read_by_that_sync(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    google.calendars.calendars[TEAM].entries[ADA]["selected"] = False
    account = await harness.sign_in()
    release = google.hold("/events")
    async with harness.working():
        job = await harness.accounts.sync(account_id=account.account_id)
        await harness.until_job(job.job_id, "running")
        await harness.accounts.update_calendar(account_id=account.account_id, calendar_id=TEAM, selected=True)
        release()
        await harness.until_job(job.job_id, "succeeded")
    assert await harness.titles() == ["Team meeting"]


@pytest.mark.parametrize(("status", "why"), [(404, "not_found"), (403, "forbidden")])
async def test_one_calendar_that_is_not_shared_any_more_does_not_fail_its_account(
    harness: GoogleHarness, google: FakeGoogle, team: str, status: int, why: str
) -> None:
    account = await harness.connected()
    google.calendars.calendars[TEAM].refused = ApiError(status, "notFound" if status == 404 else "forbidden")
    google.calendars.add(ADA, summary="Mine", **WHEN)
    harness.received.clear()
    for _ in range(2):
        job = await harness.synced(account.account_id)
        assert (job["result"]["calendars"], job["result"]["failed_calendars"]) == (1, 1)
    assert await harness.titles() == ["Mine", "Team meeting"], "what is known of it stays"
    found = (await harness.calendars.list_calendars(account_id=account.account_id)).calendars
    assert [(one.name, one.sync_error) for one in found] == [("Ada", None), ("Team", why)]
    told = [it["calendar_id"] for it in harness.named("calendar.changed")]
    assert sorted(told) == sorted([ADA, TEAM]), "the refusal is told once"
    google.calendars.calendars[TEAM].refused = None
    await harness.synced(account.account_id)
    assert [one.sync_error for one in (await harness.calendars.list_calendars()).calendars] == [None, None]


async def test_a_calendar_that_is_not_in_the_list_any_more_goes_with_its_events_in_the_feed_too(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connected()
    del google.calendars.calendars[TEAM].entries[ADA]
    job = await harness.synced(account.account_id)
    assert job["result"]["removed"] == 1
    assert [one.calendar_id for one in (await harness.calendars.list_calendars()).calendars] == [ADA]
    assert await harness.titles(include_unselected=True) == []
    assert await harness.feed() == []


async def test_a_list_without_any_calendar_is_not_believed(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connected()
    entries = google.calendars.calendars
    kept, google.calendars.calendars = entries, {}
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        queued = await harness.until_job(job.job_id, "running")
        assert queued
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    google.calendars.calendars = kept
    assert await harness.titles() == ["Team meeting"]


async def test_a_new_calendar_appears_with_the_next_sync_selected_as_it_is_at_google(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    account = await harness.connected()
    google.calendars.add_calendar("shown", ADA)
    google.calendars.add_calendar("unshown", ADA, entry={"selected": False})
    google.calendars.add_calendar("hidden", ADA, entry={"hidden": True})
    google.calendars.max_page_size = 2
    await harness.synced(account.account_id)
    found = (await harness.calendars.list_calendars(account_id=account.account_id)).calendars
    assert [(one.calendar_id, one.selected) for one in found] == [
        (ADA, True),
        ("hidden", False),
        ("shown", True),
        ("unshown", False),
    ]
    google.calendars.calendars["shown"].entries[ADA]["selected"] = False
    await harness.synced(account.account_id)
    assert (await harness.calendars.list_calendars()).calendars[2].selected, "here it is the user's to say"


async def test_an_update_of_a_calendar_that_there_is_not_says_so(harness: GoogleHarness) -> None:
    account = await harness.connected()
    for account_id, calendar_id in ((account.account_id, "nothing"), ("nobody", ADA)):
        answer = await harness.burst(
            (
                "calendar.calendars.update",
                {"account_id": account_id, "calendar_id": calendar_id, "selected": True},
            )
        )
        assert answer[0].error is not None
        assert answer[0].error["data"]["kind"] == "calendar_not_found"


async def test_a_calendar_that_fails_for_now_keeps_no_other_from_being_read(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connected()
    google.calendars.calendars[TEAM].refused = ApiError(503, "backendError")
    google.calendars.add_calendar("zebra", ADA, summary="Zebra")
    google.calendars.add("zebra", summary="Striped", **WHEN)
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    assert sorted(await harness.titles()) == ["Striped", "Team meeting"]
    found = await harness.call("jobs.get", {"job_id": job.job_id})
    assert (found["status"], found["error"]["kind"], found["error"]["retryable"]) == ("queued", "unavailable", True)
