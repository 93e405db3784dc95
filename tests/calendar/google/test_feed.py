"""Past events of Google's calendars in the activity feed."""

from tests.calendar.google.harness import GoogleHarness, all_day, timed
from tests.fakes.google import ADA, FakeGoogle
from tests.in_process_app import ManualClock


async def test_an_event_is_added_to_the_feed_once_it_has_ended(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    google.calendars.add(ADA, id="past", summary="Past", **timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"))
    google.calendars.add(ADA, id="now", summary="Now", **timed("2026-11-23T07:30:00Z", "2026-11-23T08:30:00Z"))
    google.calendars.add(ADA, id="next", summary="Next", **timed("2026-11-23T09:00:00Z", "2026-11-23T09:30:00Z"))
    account = await harness.connect()
    assert [it["title"] for it in await harness.feed()] == ["Past"]
    clock.advance(1_800)
    await harness.sync(account.account_id)
    assert [it["title"] for it in await harness.feed()] == ["Past", "Now"]
    clock.advance(86_400)
    harness.received.clear()
    await harness.sync(account.account_id)
    assert [it["title"] for it in await harness.feed()] == ["Past", "Now", "Next"]
    [changed] = harness.named("activity.changed")
    assert (changed["source"], changed["added"], changed["updated"], changed["removed"]) == ("google_calendar", 1, 0, 0)


async def test_an_event_in_the_feed_has_the_fields_of_the_calendar_event(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add(
        ADA,
        id="review",
        summary="Review of SIDE-12",
        htmlLink="https://calendar.example.com/review",
        organizer={"email": "bob@example.com", "displayName": "Bob"},
        attendees=[{"email": ADA, "self": True, "responseStatus": "declined"}],
        **timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"),
    )
    account = await harness.connect()
    [event] = await harness.feed()
    expected = {
        "event_id": f"google_calendar:{account.account_id}:{ADA}:review",
        "event_type": "event_scheduled",
        "title": "Review of SIDE-12",
        "url": "https://calendar.example.com/review",
        "actor": "Bob",
        "by_me": True,
        "container_id": ADA,
        "container": "Ada",
        "object_id": "review",
        "status": "declined",
        "event_time": "2026-11-20T10:00:00.000Z",
        "ended_at": "2026-11-20T11:00:00.000Z",
        "local_date": None,
        "version": 1,
    }
    assert {name: event[name] for name in expected} == expected


async def test_the_owners_answer_is_found_among_many_attendees(harness: GoogleHarness, google: FakeGoogle) -> None:
    others = [{"email": f"p{number}@example.com", "responseStatus": "accepted"} for number in range(450)]
    owner = {"email": ADA, "self": True, "responseStatus": "declined"}
    when = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
    google.calendars.add(ADA, summary="All hands", attendees=[*others, owner], **when)
    await harness.connect()
    [event] = await harness.events()
    assert (event["response_status"], len(event["attendees"])) == ("declined", 300)
    assert (event["attendees"][0], event["attendees"][-1]) == (others[0], owner)
    assert [it["status"] for it in await harness.feed()] == ["declined"]


async def test_all_day_events_have_dates_and_other_events_than_meetings_have_other_types(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    google.calendars.add_calendar("bob@example.com", ADA, summary="Bob", shared={}, entry={})
    google.calendars.calendars["bob@example.com"].shared[ADA] = "reader"
    google.calendars.add("bob@example.com", summary="His", **timed("2026-11-10T10:00:00Z", "2026-11-10T11:00:00Z"))
    for number, kind in enumerate(("outOfOffice", "workingLocation", "birthday", "focusTime", "fromGmail"), 12):
        google.calendars.add(ADA, summary=kind, eventType=kind, **all_day(f"2026-11-{number}", f"2026-11-{number + 2}"))
    await harness.connect()
    found = [(it["event_type"], it["by_me"], it["local_date"], it["local_end_date"]) for it in await harness.feed()]
    assert found == [
        ("event_scheduled", False, None, None),
        ("absence_scheduled", True, "2026-11-12", "2026-11-14"),
        ("location_scheduled", True, "2026-11-13", "2026-11-15"),
        ("birthday_scheduled", True, "2026-11-14", "2026-11-16"),
        ("focus_scheduled", True, "2026-11-15", "2026-11-17"),
        ("booking_scheduled", True, "2026-11-16", "2026-11-18"),
    ]


async def test_the_feed_follows_changes_moves_and_deletions(
    harness: GoogleHarness, google: FakeGoogle, clock: ManualClock
) -> None:
    past = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
    for name in ("renamed", "moved", "deleted", "same"):
        google.calendars.add(ADA, id=name, summary=name, **past)
    account = await harness.connect()
    before = {it["object_id"]: it for it in await harness.feed()}
    google.calendars.change(ADA, "renamed", summary="Another name")
    google.calendars.change(ADA, "moved", **timed("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"))
    google.calendars.cancel(ADA, "deleted")
    google.calendars.add(ADA, id="late", summary="Entered afterwards", **past)
    harness.received.clear()
    await harness.sync(account.account_id)
    after = {it["object_id"]: it for it in await harness.feed()}
    assert after.keys() == {"renamed", "same", "late"}
    assert after["same"] == before["same"]
    assert (after["renamed"]["title"], after["renamed"]["version"]) == ("Another name", 2)
    assert after["renamed"]["event_id"] == before["renamed"]["event_id"]
    assert [(it["added"], it["updated"], it["removed"]) for it in harness.named("activity.changed")] == [(1, 1, 2)]
    clock.advance(3 * 86_400)
    await harness.sync(account.account_id)
    assert {it["object_id"] for it in await harness.feed()} == {"renamed", "same", "late", "moved"}


async def test_a_calendar_larger_than_a_step_is_added_to_the_feed_completely(
    harness: GoogleHarness, google: FakeGoogle
) -> None:
    same = timed("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z")
    for number in range(1_203):
        google.calendars.add(ADA, summary=f"{number}", **same)
    await harness.connect()
    counted = harness.database.rows("SELECT count(*), count(DISTINCT title) FROM activity_events")
    assert counted == [(1_203, 1_203)]
