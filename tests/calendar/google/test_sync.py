"""Syncing Google's calendars: the requests, and the events that are stored."""

from typing import Any

import anyio
import pytest

from tests.calendar.google.harness import GoogleHarness, description, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.in_process_app import ManualClock

STANDUP = {"summary": "Standup", "recurrence": ["RRULE:FREQ=WEEKLY;BYDAY=MO"]}
MONDAY_TEN = timed("2026-11-16T10:00:00+01:00", "2026-11-16T10:15:00+01:00", "Europe/Berlin")


def meeting(number: int, **more: Any) -> dict[str, Any]:
    """Returns a meeting of an hour on this day of December."""
    day = f"2026-12-{number:02}"
    return {"summary": f"Meeting {number}", **timed(f"{day}T09:00:00Z", f"{day}T10:00:00Z"), **more}


def counts(harness: GoogleHarness) -> list[tuple[int, int, int]]:
    """Returns the counts of each `calendar.changed` so far."""
    return [(it["added"], it["updated"], it["removed"]) for it in harness.named("calendar.changed")]


async def test_all_fields_of_an_event_are_stored(harness: GoogleHarness, google: FakeGoogle) -> None:
    attendees = [
        {"email": ADA, "self": True, "responseStatus": "tentative"},
        {"email": "bob@example.com", "displayName": "Bob", "responseStatus": "accepted"},
    ]
    google.calendars.add(
        ADA,
        id="planning",
        summary="Planning",
        description="<b>Bring tea</b>",
        location="Room 4",
        visibility="private",
        transparency="transparent",
        htmlLink="https://calendar.example.com/planning",
        hangoutLink="https://meet.example.com/old",
        conferenceData={
            "entryPoints": [
                {"entryPointType": "phone", "uri": "tel:+1"},
                {"entryPointType": "video", "uri": "https://meet.example.com/abc"},
            ],
            "conferenceId": "excluded by `fields`",
        },
        organizer={"email": "bob@example.com", "displayName": "Bob"},
        attendees=attendees,
        sequence=2,
        reminders={"useDefault": True},
        **timed("2026-12-01T10:00:00+01:00", "2026-12-01T11:30:00+01:00", "Europe/Berlin"),
    )
    account = await harness.connect()
    [event] = await harness.events()
    stamps = {name: event.pop(name) for name in ("created_at", "updated_at")}
    assert stamps == {"created_at": "2026-11-23T08:00:00.000Z", "updated_at": "2026-11-23T08:00:00.000Z"}
    assert event == {
        "account_id": account.account_id,
        "calendar_id": ADA,
        "event_id": "planning",
        "title": "Planning",
        "description": "<b>Bring tea</b>",
        "start_time": "2026-12-01T10:00:00+01:00",
        "end_time": "2026-12-01T11:30:00+01:00",
        "start_ts": 1796115600,
        "end_ts": 1796121000,
        "all_day": False,
        "location": "Room 4",
        "conference_url": "https://meet.example.com/abc",
        "visibility": "private",
        "status": "confirmed",
        "organizer": {"email": "bob@example.com", "displayName": "Bob"},
        "attendees": attendees,
        "html_link": "https://calendar.example.com/planning",
        "time_zone": "Europe/Berlin",
        "event_type": "default",
        "transparency": "transparent",
        "response_status": "tentative",
        "ical_uid": "planning@google.com",
        "recurring_event_id": None,
        "original_start_time": None,
    }


async def test_the_next_sync_requests_only_changes_with_the_same_parameters(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, **meeting(1))
    account = await harness.connect()
    await harness.sync(account.account_id)
    first, second = google.listings()
    assert {"timeMin", "timeMax"} <= first.keys()
    assert "syncToken" in second
    frozen = ("singleEvents", "maxResults", "fields")
    assert {name: first[name] for name in frozen} == {name: second[name] for name in frozen}
    assert first.keys() - set(frozen) == {"timeMin", "timeMax"}
    assert second.keys() - set(frozen) == {"syncToken"}
    assert (first["timeMin"], first["timeMax"]) == ("2026-05-25T19:00:00.000Z", "2027-12-30T02:00:00.000Z")


async def test_changes_are_notified_and_a_sync_without_changes_writes_nothing(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    ids = [google.calendars.add(ADA, **meeting(number)) for number in (1, 2, 3)]
    account = await harness.connect()
    assert counts(harness)[-1] == (3, 0, 0)
    harness.received.clear()
    google.calendars.change(ADA, ids[0], summary="Renamed")
    google.calendars.cancel(ADA, ids[1])
    google.calendars.add(ADA, **meeting(4))
    job = await harness.sync(account.account_id)
    assert counts(harness) == [(1, 1, 1)]
    assert job["result"] == {"calendars": 1, "failed_calendars": 0, "added": 1, "updated": 1, "removed": 1}
    assert await harness.titles() == ["Renamed", "Meeting 3", "Meeting 4"]
    harness.received.clear()
    google.calendars.change(ADA, ids[0], reminders={"useDefault": False})  # not stored here
    await harness.sync(account.account_id)
    assert counts(harness) == []
    renamed = (await harness.events())[0]
    assert renamed["updated_at"] == renamed["created_at"], "an unchanged event is not written"


async def test_short_and_empty_pages_are_followed_to_the_last_one_with_the_token(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.max_page_size = 2
    google.calendars.empty_first_pages = True
    for number in range(1, 8):
        google.calendars.add(ADA, **meeting(number))
    account = await harness.connect()
    assert len(await harness.events()) == 7
    assert len(google.listings()) == 5
    google.calendars.add(ADA, **meeting(9))
    await harness.sync(account.account_id)
    assert (await harness.titles())[-1] == "Meeting 9"


async def test_a_cancelled_event_may_consist_of_an_id_and_may_be_unknown(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    known = google.calendars.add(ADA, **meeting(1))
    account = await harness.connect()
    unknown = google.calendars.add(ADA, **meeting(2))
    for event_id in (known, unknown):
        google.calendars.cancel(ADA, event_id)
        assert google.calendars.calendars[ADA].rows[event_id].stub == {"id": event_id, "status": "cancelled"}
    await harness.sync(account.account_id)
    assert await harness.events() == []


async def test_an_event_reappears_when_its_cancellation_is_undone(harness: GoogleHarness, google: FakeGoogle) -> None:
    event_id = google.calendars.add(ADA, **meeting(1))
    account = await harness.connect()
    google.calendars.cancel(ADA, event_id)
    await harness.sync(account.account_id)
    assert await harness.titles() == []
    google.calendars.change(ADA, event_id, status="confirmed")
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting 1"]


async def test_a_moved_occurrence_keeps_its_id_and_a_cancelled_one_is_removed(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, id="standup", **STANDUP, **MONDAY_TEN)
    account = await harness.connect()
    before = await harness.events()
    moved, cancelled, *_ = google.calendars.occurrences(ADA, "standup")
    later = timed("2026-11-17T16:00:00+01:00", "2026-11-17T16:15:00+01:00", "Europe/Berlin")
    google.calendars.change(ADA, moved, **later)
    google.calendars.cancel(ADA, cancelled)
    await harness.sync(account.account_id)
    after = await harness.events()
    assert len(after) == len(before) - 1
    found = {it["event_id"]: it for it in after}
    assert cancelled not in found
    assert found[moved]["start_time"] == "2026-11-17T16:00:00+01:00"
    assert found[moved]["original_start_time"] == "2026-11-16T10:00:00+01:00"
    assert {it["recurring_event_id"] for it in after} == {"standup"}


async def test_changing_this_and_following_events_ends_one_series_and_starts_another(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, id="standup", **STANDUP, **MONDAY_TEN)
    account = await harness.connect()
    before = len(await harness.events())
    google.calendars.end_series(ADA, "standup", "20261206T000000Z")
    moved = timed("2026-12-07T11:00:00+01:00", "2026-12-07T11:15:00+01:00", "Europe/Berlin")
    google.calendars.add(ADA, id="later", **STANDUP, **moved)
    await harness.sync(account.account_id)
    events = await harness.events()
    assert len(events) == before
    assert [it["recurring_event_id"] for it in events[:5]] == ["standup"] * 3 + ["later"] * 2
    assert [it["start_time"][11:16] for it in events[:5]] == ["10:00"] * 3 + ["11:00"] * 2


@pytest.mark.parametrize("master_only", [False, True], ids=["occurrences", "master only"])
async def test_a_deleted_series_is_removed_with_all_occurrences(
    harness: GoogleHarness, google: FakeGoogle, *, master_only: bool
) -> None:
    google.calendars.add(ADA, id="standup", **STANDUP, **MONDAY_TEN)
    google.calendars.add(ADA, id="standup_two", **meeting(1))
    account = await harness.connect()
    assert len(await harness.events()) > 50
    google.calendars.cancel(ADA, "standup", master_only=master_only)
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting 1"]


async def test_a_deleted_series_that_was_split_off_another_is_removed_and_the_other_one_stays(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    first = timed("2026-11-30T10:00:00+01:00", "2026-11-30T10:15:00+01:00", "Europe/Berlin")
    google.calendars.add(ADA, id="standup", summary="First", recurrence=["RRULE:FREQ=DAILY;COUNT=2"], **first)
    later = timed("2026-12-02T11:00:00+01:00", "2026-12-02T11:15:00+01:00", "Europe/Berlin")
    rest = {"summary": "Rest", "recurrence": ["RRULE:FREQ=DAILY;COUNT=2"], **later}
    google.calendars.add(ADA, id="standup_R20261202T100000", **rest)
    account = await harness.connect()
    assert await harness.titles() == ["First", "First", "Rest", "Rest"]
    google.calendars.cancel(ADA, "standup_R20261202T100000", master_only=True)
    await harness.sync(account.account_id)
    assert await harness.titles() == ["First", "First"]
    google.calendars.add(ADA, id="standup_R20261202T100000", **rest)
    google.calendars.cancel(ADA, "standup", master_only=True)
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Rest", "Rest"]


async def test_a_changed_endless_series_is_stored_up_to_the_end_of_the_range(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(ADA, id="standup", **STANDUP, **MONDAY_TEN)
    account = await harness.connect()
    before = await harness.events()
    google.calendars.change(ADA, "standup", summary="Daily")
    job = await harness.sync(account.account_id)
    assert len(google.calendars.occurrences(ADA, "standup")) > 2 * len(before), "Google lists years of them"
    after = await harness.events(end="2040-01-01T00:00:00Z")
    assert [it["event_id"] for it in after] == [it["event_id"] for it in before]
    assert {it["title"] for it in after} == {"Daily"}
    assert job["result"]["updated"] == len(before)


async def test_the_daily_full_read_adds_later_occurrences_of_an_unchanged_series(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    google.calendars.add(ADA, id="standup", **STANDUP, **MONDAY_TEN)
    account = await harness.connect()
    last = (await harness.events())[-1]["start_time"]
    for _ in range(2):
        clock.advance(4 * 86_400)
        await harness.sync(account.account_id)
    assert (await harness.events())[-1]["start_time"] > last
    queries = google.listings()
    assert ["syncToken" in query for query in queries] == [False, True, False, True, False]
    google.calendars.add(ADA, **meeting(1))
    await harness.sync(account.account_id)
    assert "Meeting 1" in await harness.titles(), "the full read keeps the cursor"


async def test_the_daily_full_read_removes_missing_events_but_not_older_ones(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    old = google.calendars.add(ADA, summary="Old", **timed("2026-05-30T09:00:00Z", "2026-05-30T10:00:00Z"))
    ghost = google.calendars.add(ADA, **meeting(1))
    account = await harness.connect()
    assert await harness.titles() == ["Old", "Meeting 1"]
    del google.calendars.calendars[ADA].rows[ghost]
    clock.advance(10 * 86_400)
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Old"], "an event before the range is kept"
    google.calendars.cancel(ADA, old)
    await harness.sync(account.account_id)
    assert await harness.titles() == [], "unless it is deleted at Google"


async def test_a_full_sync_reads_all_events_again(harness: GoogleHarness, google: FakeGoogle) -> None:
    ghost = google.calendars.add(ADA, **meeting(1))
    account = await harness.connect()
    del google.calendars.calendars[ADA].rows[ghost]
    await harness.sync(account.account_id)
    assert await harness.titles() == ["Meeting 1"]
    await harness.sync(account.account_id, full=True)
    assert await harness.titles() == []


async def test_an_expired_cursor_leads_to_a_full_read_without_an_empty_calendar_meanwhile(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.max_page_size = 3
    ids = [google.calendars.add(ADA, **meeting(number)) for number in range(1, 9)]
    account = await harness.connect()
    google.calendars.expire_tokens(ADA)
    del google.calendars.calendars[ADA].rows[ids[0]]  # deleted, but not reported as cancelled
    google.calendars.add(ADA, **meeting(20))
    count = len(google.listings())
    release = google.hold("/events")
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await anyio.to_thread.run_sync(google.wait_for, "/events", count + 1)
        assert len(await harness.events()) == 8
        release()
        seen: set[int] = set()
        while not any(it["job"]["status"] == "succeeded" for it in harness.named("jobs.updated")[-1:]):
            seen.add(len(await harness.events()))
            await anyio.lowlevel.checkpoint()
        await harness.until_job(job.job_id, "succeeded")
    assert min(seen) >= 8
    assert await harness.titles() == [f"Meeting {number}" for number in (2, 3, 4, 5, 6, 7, 8, 20)]
    log = (await harness.call("jobs.log.list", {"job_id": job.job_id}))["lines"]
    assert "Ada: the cursor has expired, reading all events" in [line["message"] for line in log]


def test_the_check_of_requests_against_googles_description_finds_errors() -> None:
    """The fixture `google` checks the requests of every test."""
    spec = description()
    if spec is None:
        pytest.skip("Google's API description is not available")
    path = "/calendar/v3/calendars/a%40b/events"
    assert spec.request("GET", path, [("singleEvents", "true"), ("maxResults", "1000"), ("syncToken", "x")]) == []
    assert spec.request("GET", path, [("singleEvents", "perhaps")]) != []
    assert spec.request("GET", path, [("updatedSince", "1")]) != []


async def test_a_change_during_the_daily_full_read_is_found_by_the_next_sync(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    old = google.calendars.add(ADA, summary="Old", **timed("2026-05-30T09:00:00Z", "2026-05-30T10:00:00Z"))
    account = await harness.connect()
    clock.advance(10 * 86_400)  # now it is before the range, where the full read removes nothing
    count = len(google.listings())
    release = google.hold("/events", after=1)
    job = await harness.accounts.sync(account_id=account.account_id)
    async with harness.working():
        await anyio.to_thread.run_sync(google.wait_for, "/events", count + 2)
        google.calendars.cancel(ADA, old)
        release()
        await harness.until_job(job.job_id, "succeeded")
    assert await harness.titles() == ["Old"]
    await harness.sync(account.account_id)
    assert await harness.titles() == []
