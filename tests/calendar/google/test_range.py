"""The rim of the range of days that is synced: after any sync the calendar shows what Google has."""

from typing import Any

import pytest

from tests.calendar.google.harness import GoogleHarness, all_day, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.in_process_app import ManualClock

TODAY = timed("2026-11-23T15:00:00Z", "2026-11-23T16:00:00Z")
TOMORROW = timed("2026-11-24T15:00:00Z", "2026-11-24T16:00:00Z")


def set_zone(google: FakeGoogle, zone: str) -> None:
    """Sets the zone of Ada's calendar."""
    google.calendars.calendars[ADA].time_zone = zone
    google.calendars.calendars[ADA].entries[ADA]["timeZone"] = zone


@pytest.mark.parametrize("days", [{"past_days": 0, "future_days": 1}, {"past_days": 1, "future_days": 3}, {}])
@pytest.mark.parametrize(
    "when", [TODAY, TOMORROW, all_day("2026-11-23", "2026-11-24"), all_day("2026-11-24", "2026-11-25")]
)
async def test_what_is_deleted_at_google_is_removed_by_a_full_sync_at_the_rim_as_elsewhere(
    harness: GoogleHarness, google: FakeGoogle, days: dict[str, Any], when: dict[str, Any]
) -> None:
    google.calendars.add(ADA, id="gone", summary="Gone", **when)
    google.calendars.add(ADA, id="kept", summary="Kept", **when)
    account = await harness.connect()
    await harness.accounts.update(account_id=account.account_id, **(days or {"display_name": "Me"}))
    await harness.sync(account.account_id)
    assert sorted(await harness.titles()) == ["Gone", "Kept"]
    google.calendars.cancel(ADA, "gone")
    await harness.sync(account.account_id, full=True)
    assert await harness.titles() == ["Kept"]


@pytest.mark.parametrize("calendar_zone", ["Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"])
@pytest.mark.parametrize("account_zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
async def test_an_all_day_event_of_a_calendar_in_another_zone_is_kept_at_the_rim(
    harness: GoogleHarness, google: FakeGoogle, calendar_zone: str, account_zone: str
) -> None:
    set_zone(google, account_zone)
    google.calendars.add_calendar("team", ADA, time_zone=calendar_zone)
    for day in range(19, 29):
        google.calendars.add("team", summary=str(day), **all_day(f"2026-11-{day}", f"2026-11-{day + 1}"))
    account = await harness.connect()
    await harness.accounts.update(account_id=account.account_id, past_days=0, future_days=1)
    await harness.sync(account.account_id)
    await harness.sync(account.account_id, full=True)
    today = {"Pacific/Kiritimati": 23, "Etc/GMT+12": 22, "UTC": 23}[account_zone]  # it is 8:00 in UTC
    assert {str(today), str(today + 1)} <= set(await harness.titles())
    later = [title for title in await harness.titles() if int(title) > today + 1]
    assert later == [], "tomorrow is the last day"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland", "UTC"])
async def test_today_and_tomorrow_are_days_of_the_main_calendar(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock, zone: str
) -> None:
    set_zone(google, zone)
    offset, today = {
        "America/Los_Angeles": ("-08:00", 22),
        "Pacific/Auckland": ("+13:00", 23),
        "UTC": ("+00:00", 22),
    }[zone]
    clock.advance(-9 * 3600)  # 23:00 of the 22nd in UTC
    for day in (today, today + 1, today + 2):
        for hour in ("00", "23"):
            begins, ends = (f"2026-11-{day}T{hour}:{minute}:00{offset}" for minute in ("00", "59"))
            google.calendars.add(ADA, summary=f"{day} {hour}", **timed(begins, ends))
    account = await harness.connect()
    await harness.accounts.update(account_id=account.account_id, past_days=0, future_days=1)
    await harness.sync(account.account_id)
    assert await harness.titles() == [f"{day} {hour}" for day in (today, today + 1) for hour in ("00", "23")]


async def test_the_first_sync_of_a_day_shows_the_new_tomorrow_of_an_unchanged_series(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    google.calendars.add(ADA, summary="Daily", recurrence=["RRULE:FREQ=DAILY"], **TODAY)
    account = await harness.connect()
    await harness.accounts.update(account_id=account.account_id, past_days=0, future_days=1)
    await harness.sync(account.account_id)
    assert [it["start_time"][:10] for it in await harness.events()] == ["2026-11-23", "2026-11-24"]
    clock.advance(17 * 3600)
    await harness.sync(account.account_id)
    assert [it["start_time"][:10] for it in await harness.events()][-1] == "2026-11-25"
