"""Times of Google's events: changes of the clocks, and all-day events."""

import pytest

from sidecar.calendar.google import events as google_events
from tests.calendar.google.harness import GoogleHarness, all_day, timed, utc
from tests.fakes.google import ADA, FakeGoogle


async def test_a_series_keeps_its_local_time_when_the_clocks_change(harness: GoogleHarness, google: FakeGoogle) -> None:
    for name, day in (("autumn", "2026-10-20"), ("spring", "2027-03-23")):
        offset = "+02:00" if name == "autumn" else "+01:00"
        when = timed(f"{day}T10:00:00{offset}", f"{day}T11:00:00{offset}", "Europe/Berlin")
        google.calendars.add(ADA, id=name, summary=name, recurrence=["RRULE:FREQ=WEEKLY;COUNT=2"], **when)
    await harness.connect()
    found = [(utc(it["start_ts"]), it["start_time"], it["end_ts"] - it["start_ts"]) for it in await harness.events()]
    assert found == [
        ("2026-10-20T08:00", "2026-10-20T10:00:00+02:00", 3600),
        ("2026-10-27T09:00", "2026-10-27T10:00:00+01:00", 3600),
        ("2027-03-23T09:00", "2027-03-23T10:00:00+01:00", 3600),
        ("2027-03-30T08:00", "2027-03-30T10:00:00+02:00", 3600),
    ]


def test_a_time_without_an_offset_is_in_its_own_zone_or_the_accounts() -> None:
    begins, ends = "2026-12-01T10:00:00", "2026-12-01T11:00:00"
    for zone, account_zone, moment in (
        ("America/New_York", "Europe/Berlin", "2026-12-01T15:00"),
        (None, "Europe/Berlin", "2026-12-01T09:00"),
    ):
        found = google_events.event({"id": "e", **timed(begins, ends, zone)}, account_zone)
        assert found is not None
        assert utc(found.start_ts) == moment


def test_a_time_beside_a_null_date_and_a_date_beside_a_null_time_are_read() -> None:
    for start, end, is_all_day in (
        ({"date": None, "dateTime": "2026-12-01T10:00:00Z"}, {"date": None, "dateTime": "2026-12-01T11:00:00Z"}, False),
        ({"date": "2026-12-01", "dateTime": None}, {"date": "2026-12-02", "dateTime": None}, True),
    ):
        found = google_events.event({"id": "e", "start": start, "end": end}, "UTC")
        assert found is not None
        assert (found.all_day, found.start_time[:10]) == (is_all_day, "2026-12-01")
        assert found.end_ts > found.start_ts


@pytest.mark.parametrize(
    ("zone", "begins", "ends"),
    [
        ("America/Los_Angeles", "2026-12-24T08:00", "2026-12-27T08:00"),
        ("Pacific/Tongatapu", "2026-12-23T11:00", "2026-12-26T11:00"),
        ("Europe/Berlin", "2026-12-23T23:00", "2026-12-26T23:00"),
        ("Mars/Olympus", "2026-12-24T00:00", "2026-12-27T00:00"),
    ],
)
async def test_an_all_day_event_keeps_its_dates_and_starts_at_midnight_in_the_accounts_zone(
    harness: GoogleHarness, google: FakeGoogle, zone: str, begins: str, ends: str
) -> None:
    google.calendars.calendars[ADA].time_zone = zone if "Mars" not in zone else "UTC"
    google.calendars.calendars[ADA].entries[ADA]["timeZone"] = zone
    google.calendars.add(ADA, summary="Holidays", **all_day("2026-12-24", "2026-12-27"))
    await harness.connect()
    [event] = await harness.events()
    assert (event["all_day"], event["start_time"], event["end_time"]) == (True, "2026-12-24", "2026-12-27")
    assert (utc(event["start_ts"]), utc(event["end_ts"])) == (begins, ends)
    assert await harness.events(start=f"{ends}:00Z") == [], "the end is exclusive"


async def test_all_day_events_of_every_calendar_use_the_zone_of_the_primary_calendar(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.calendars[ADA].time_zone = "America/Los_Angeles"
    google.calendars.add_calendar("team", ADA, time_zone="Asia/Tokyo")
    google.calendars.add("team", summary="Golden Week", **all_day("2027-05-03", "2027-05-06"))
    account = await harness.connect()
    [event] = await harness.events()
    assert utc(event["start_ts"]) == "2027-05-03T07:00"
    google.calendars.calendars[ADA].time_zone = "Europe/Berlin"  # the user moves
    await harness.sync(account.account_id)
    [event] = await harness.events()
    assert utc(event["start_ts"]) == "2027-05-02T22:00"


async def test_an_all_day_event_has_23_or_25_hours_when_the_clocks_change(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(
        ADA,
        id="sunday",
        summary="Sunday",
        recurrence=["RRULE:FREQ=WEEKLY;COUNT=60"],
        **all_day("2026-10-18", "2026-10-19"),
    )
    await harness.connect()
    hours = {it["start_time"]: (it["end_ts"] - it["start_ts"]) // 3600 for it in await harness.events()}
    assert (hours["2026-10-18"], hours["2026-10-25"], hours["2027-03-28"]) == (24, 25, 23)


@pytest.mark.parametrize("end", [{"date": "2026-12-24"}, {"date": "2026-12-01"}, {}, {"date": "soon"}])
async def test_an_all_day_event_that_ends_when_it_starts_lasts_one_day(
    harness: GoogleHarness, google: FakeGoogle, end: dict[str, str]
) -> None:
    google.calendars.calendars[ADA].time_zone = "Europe/Berlin"
    google.calendars.calendars[ADA].entries[ADA]["timeZone"] = "Europe/Berlin"
    google.calendars.add(ADA, id="eve", summary="Eve", **all_day("2026-12-24", "2026-12-25"))
    google.calendars.change(ADA, "eve", end=end)
    await harness.connect()
    [event] = await harness.events()
    assert (event["start_time"], event["end_time"]) == ("2026-12-24", "2026-12-25")
    assert (utc(event["start_ts"]), utc(event["end_ts"])) == ("2026-12-23T23:00", "2026-12-24T23:00")


async def test_an_event_without_a_time_is_left_out_and_told_and_the_others_are_stored(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    when = timed("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z")
    google.calendars.add(ADA, id="good", summary="Good", **when)
    account = await harness.connect()
    google.calendars.change(ADA, "good", summary="Good again")
    google.calendars.add(ADA, id="odd", summary="Odd", **when)
    google.calendars.change(ADA, "odd", start={}, end={})
    google.calendars.add(ADA, id="busy", **when)  # as a calendar with access role freeBusyReader shows it
    jobs = [await harness.sync(account.account_id), await harness.sync(account.account_id, full=True)]
    assert sorted(it["title"] or "" for it in await harness.events()) == ["", "Good again"]
    for job in jobs:
        lines = (await harness.call("jobs.log.list", {"job_id": job["job_id"]}))["lines"]
        warnings = [line["message"] for line in lines if line["level"] == "warning"]
        assert warnings == ['Ada: 1 event was left out: "Odd" (its start cannot be read)']
    [calendar] = (await harness.calendars.list_calendars()).calendars
    assert (calendar.skipped_events, calendar.adjusted_events) == (1, 0)
