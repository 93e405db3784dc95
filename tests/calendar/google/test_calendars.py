"""The calendars of a Google account: new, hidden, deselected and unreadable ones."""

import pytest

from tests.calendar.google.harness import GoogleHarness, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.fakes.google_calendar import ApiError

WHEN = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
TEAM = "team#1@example.com"


@pytest.fixture
def team(google: FakeGoogle) -> str:
    """A second calendar with a past meeting; returns the meeting's id."""
    google.calendars.add_calendar(TEAM, ADA, summary="Team", entry={"backgroundColor": "#123456"})
    return google.calendars.add(TEAM, summary="Team meeting", **WHEN)


async def test_a_calendar_is_stored_as_the_provider_describes_it(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    google.calendars.calendars[TEAM].entries[ADA] |= {"summaryOverride": "My team", "description": "All of us"}
    account = await harness.connect()
    [_, found] = (await harness.call("calendar.calendars.list", {"account_id": account.account_id}))["calendars"]
    assert {name: found[name] for name in ("name", "description", "access_role", "background_color", "time_zone")} == {
        "name": "My team",
        "description": "All of us",
        "access_role": "owner",
        "background_color": "#123456",
        "time_zone": "Europe/Berlin",
    }
    assert found["last_sync_at"] == "2026-11-23T08:00:00.000Z"


async def test_a_deselected_calendar_is_not_synced_and_its_events_are_hidden_but_not_deleted(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connect()
    assert [it["title"] for it in await harness.feed()] == ["Team meeting"]
    params = {"account_id": account.account_id, "calendar_id": TEAM}
    calendar = await harness.call("calendar.calendars.update", {**params, "selected": False})
    assert calendar["selected"] is False
    count = len(google.listings(TEAM))
    google.calendars.change(TEAM, team, summary="Renamed meanwhile")
    await harness.sync(account.account_id)
    assert len(google.listings(TEAM)) == count
    assert await harness.titles() == []
    assert await harness.titles(include_unselected=True) == ["Team meeting"]
    assert await harness.feed() == []
    await harness.accounts.update_calendar(account_id=account.account_id, calendar_id=TEAM, selected=True)
    await harness.sync(account.account_id)
    assert "syncToken" in google.listings(TEAM)[-1], "it continues from its cursor"
    assert await harness.titles() == ["Renamed meanwhile"]
    assert [it["title"] for it in await harness.feed()] == ["Renamed meanwhile"]


async def test_a_calendar_selected_during_a_sync_is_read_by_that_sync(
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


@pytest.mark.parametrize(("status", "error"), [(404, "not_found"), (403, "forbidden")])
async def test_a_calendar_that_is_no_longer_shared_does_not_fail_its_account(
    harness: GoogleHarness, google: FakeGoogle, team: str, status: int, error: str
) -> None:
    account = await harness.connect()
    google.calendars.calendars[TEAM].refused = ApiError(status, "notFound" if status == 404 else "forbidden")
    google.calendars.add(ADA, summary="Mine", **WHEN)
    harness.received.clear()
    for _ in range(2):
        job = await harness.sync(account.account_id)
        assert (job["result"]["calendars"], job["result"]["failed_calendars"]) == (1, 1)
    assert await harness.titles() == ["Mine", "Team meeting"], "its stored events are kept"
    found = (await harness.calendars.list_calendars(account_id=account.account_id)).calendars
    assert [(one.name, one.sync_error) for one in found] == [("Ada", None), ("Team", error)]
    changed = [it["calendar_id"] for it in harness.named("calendar.changed")]
    assert sorted(changed) == sorted([ADA, TEAM]), "the error is notified once"
    google.calendars.calendars[TEAM].refused = None
    await harness.sync(account.account_id)
    assert [one.sync_error for one in (await harness.calendars.list_calendars()).calendars] == [None, None]


async def test_a_calendar_that_left_the_list_is_deleted_with_its_events_also_from_the_feed(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connect()
    del google.calendars.calendars[TEAM].entries[ADA]
    job = await harness.sync(account.account_id)
    assert job["result"]["removed"] == 1
    assert [one.calendar_id for one in (await harness.calendars.list_calendars()).calendars] == [ADA]
    assert await harness.titles(include_unselected=True) == []
    assert await harness.feed() == []


async def test_an_empty_list_of_calendars_deletes_nothing(
    harness: GoogleHarness, google: FakeGoogle, team: str
) -> None:
    account = await harness.connect()
    entries = google.calendars.calendars
    google.calendars.calendars = {}
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until_job(job.job_id, "running")
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    google.calendars.calendars = entries
    assert await harness.titles() == ["Team meeting"]


async def test_a_new_calendar_is_selected_as_it_is_at_google(harness: GoogleHarness, google: FakeGoogle) -> None:
    account = await harness.connect()
    google.calendars.add_calendar("shown", ADA)
    google.calendars.add_calendar("unshown", ADA, entry={"selected": False})
    google.calendars.add_calendar("hidden", ADA, entry={"hidden": True})
    google.calendars.max_page_size = 2
    await harness.sync(account.account_id)
    found = (await harness.calendars.list_calendars(account_id=account.account_id)).calendars
    assert [(one.calendar_id, one.selected) for one in found] == [
        (ADA, True),
        ("hidden", False),
        ("shown", True),
        ("unshown", False),
    ]
    google.calendars.calendars["shown"].entries[ADA]["selected"] = False
    await harness.sync(account.account_id)
    assert (await harness.calendars.list_calendars()).calendars[2].selected, "a later change at Google has no effect"


async def test_an_update_of_an_unknown_calendar_is_an_error(harness: GoogleHarness) -> None:
    account = await harness.connect()
    for account_id, calendar_id in ((account.account_id, "unknown"), ("unknown", ADA)):
        answer = await harness.burst(
            (
                "calendar.calendars.update",
                {"account_id": account_id, "calendar_id": calendar_id, "selected": True},
            )
        )
        assert answer[0].error is not None
        assert answer[0].error["data"]["kind"] == "calendar_not_found"


async def test_the_other_calendars_are_read_if_one_fails(harness: GoogleHarness, google: FakeGoogle, team: str) -> None:
    account = await harness.connect()
    google.calendars.calendars[TEAM].refused = ApiError(503, "backendError")
    google.calendars.add_calendar("zebra", ADA, summary="Zebra")
    google.calendars.add("zebra", summary="Striped", **WHEN)
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await harness.until(lambda it: any(one["job"]["waiting_for"] == "retry" for one in it.named("jobs.updated")))
    assert sorted(await harness.titles()) == ["Striped", "Team meeting"]
    found = await harness.call("jobs.get", {"job_id": job.job_id})
    assert (found["status"], found["error"]["kind"], found["error"]["retryable"]) == ("queued", "unavailable", True)
