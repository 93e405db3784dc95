"""Syncing calendar files from local paths and from servers with and without conditional requests."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from sidecar.commandline.client import RemoteError
from sidecar.http.client import MAX_BODY_BYTES
from tests.calendar.google.harness import CalendarHarness, tables
from tests.calendar.ics.harness import OWNER, vcalendar, vevent
from tests.fakes.ics import FakeIcs
from tests.in_process_app import ManualClock

pytestmark = pytest.mark.usefixtures("unblocked")

PAST = ("DTSTART:20261120T100000Z", "DTEND:20261120T110000Z")
NEXT = ("DTSTART;TZID=Europe/Berlin:20261130T100000", "DURATION:PT1H")
PROPERTIES = ("X-WR-CALNAME:Ada’s calendar",)


@pytest.fixture
def server() -> Iterator[FakeIcs]:
    """A server with a file of two events."""
    with FakeIcs() as fake:
        fake.body = vcalendar(
            vevent(*PAST, "SUMMARY:Past", uid="past"), vevent(*NEXT, "SUMMARY:Next", uid="next"), properties=PROPERTIES
        )
        yield fake


@pytest.fixture
async def harness(data_dir: Path, clock: ManualClock) -> AsyncIterator[CalendarHarness]:
    """The sidecar in this process, with an empty database."""
    harness = CalendarHarness(data_dir / "sidecar.db", clock)
    await harness.initialize()
    try:
        yield harness
    finally:
        await harness.runtime.http().close()
        harness.close()


async def connect(harness: CalendarHarness, address: str | Path) -> str:
    """Connects and syncs an account; returns its id."""
    account = await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": str(address)})
    await harness.sync(account.account_id)
    return account.account_id


async def refusal(harness: CalendarHarness, address: str, **params: Any) -> RemoteError:
    """Returns the error of a failed connection, which must leave no account behind."""
    with pytest.raises(RemoteError) as caught:
        await harness.call(
            "calendar.accounts.create",
            {"provider": "ics", "email": OWNER, "credentials": {"address": address}} | params,
        )
    assert (await harness.calendars.list_accounts()).accounts == []
    return caught.value


def counts(harness: CalendarHarness) -> list[tuple[int, int, int]]:
    """Returns (added, updated, removed) of each `calendar.changed` with changed events."""
    found = [(it["added"], it["updated"], it["removed"]) for it in harness.named("calendar.changed")]
    return [one for one in found if any(one)]


async def test_the_calendar_of_an_address_is_connected_and_synced_into_the_feed(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    account_id = await connect(harness, server.address.replace("http://", "HTTP://"))
    account = await harness.calendars.get_account(account_id=account_id)
    assert (account.provider, account.email, account.display_name) == ("ics", OWNER, "Ada’s calendar")
    assert account.last_sync_at is not None
    [calendar] = (await harness.calendars.list_calendars()).calendars
    assert (calendar.calendar_id, calendar.name, calendar.is_primary) == ("ics", "Ada’s calendar", True)
    assert (calendar.access_role, calendar.time_zone) == ("reader", "Europe/Berlin")
    assert await harness.titles() == ["Past", "Next"]
    assert counts(harness) == [(2, 0, 0)]
    updates = harness.named("accounts.updated")
    assert [(it["service"], it["account_id"], it["status"]) for it in updates] == [("ics", account_id, "active")]
    [event] = await harness.feed("ics")
    assert (event["event_id"], event["title"], event["by_me"]) == (f"ics:{account_id}:ics:past", "Past", True)
    assert await harness.feed() == []


@pytest.mark.parametrize(("etags", "dates"), [(True, False), (False, True), (True, True)])
async def test_a_file_that_has_not_changed_costs_one_request_and_no_write(
    harness: CalendarHarness, server: FakeIcs, etags: bool, dates: bool
) -> None:
    server.etags, server.dates = etags, dates
    account_id = await connect(harness, server.address)
    before = tables(harness, "SELECT * FROM calendar_events ORDER BY event_id")
    server.requests.clear()
    harness.received.clear()
    for _ in range(3):
        await harness.sync(account_id)
    assert server.statuses() == [304, 304, 304]
    assert tables(harness, "SELECT * FROM calendar_events ORDER BY event_id") == before
    assert harness.named("calendar.changed") + harness.named("activity.changed") == []


async def test_an_unchanged_file_from_a_server_without_etags_is_read_but_nothing_is_written(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.etags = False
    account_id = await connect(harness, server.address)
    before = tables(harness, "SELECT * FROM calendar_events ORDER BY event_id")
    harness.received.clear()
    server.put(server.body.replace(b"DTSTAMP:20261101", b"DTSTAMP:20261125"))
    await harness.sync(account_id)
    assert server.statuses()[-1] == 200
    assert tables(harness, "SELECT * FROM calendar_events ORDER BY event_id") == before
    assert harness.named("calendar.changed") == []


async def test_changed_added_and_removed_events_are_stored(harness: CalendarHarness, server: FakeIcs) -> None:
    weekly = vevent(*NEXT, "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:Weekly", uid="weekly")
    past = vevent(*PAST, "SUMMARY:Past", uid="past")
    server.put(vcalendar(past, weekly, properties=PROPERTIES))
    account_id = await connect(harness, server.address)
    ids = [it["event_id"] for it in await harness.events()]
    harness.received.clear()
    moved = vevent(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261207T100000",
        "DTSTART;TZID=Europe/Berlin:20261208T150000",
        "DURATION:PT1H",
        "SUMMARY:Moved",
        uid="weekly",
    )
    server.put(vcalendar(past.replace("Past", "Renamed"), weekly, moved, properties=PROPERTIES))
    await harness.sync(account_id)
    assert [it["event_id"] for it in await harness.events()] == ids
    assert await harness.titles() == ["Renamed", "Weekly", "Moved", "Weekly"]
    assert [it["title"] for it in await harness.feed("ics")] == ["Renamed"]
    server.put(vcalendar(weekly, properties=["X-WR-CALNAME:Another name"]))
    await harness.sync(account_id)
    assert await harness.titles() == ["Weekly", "Weekly", "Weekly"]
    assert counts(harness) == [(0, 2, 0), (0, 1, 1)]
    assert await harness.feed("ics") == []
    [calendar] = (await harness.calendars.list_calendars()).calendars
    assert calendar.name == "Another name"


async def test_the_owners_answer_is_found_among_many_attendees(harness: CalendarHarness, server: FakeIcs) -> None:
    others = [f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:p{number}@example.com" for number in range(450)]
    owner = f"ATTENDEE;PARTSTAT=DECLINED:mailto:{OWNER.upper()}"
    server.put(vcalendar(vevent(*PAST, *others, owner)))
    await connect(harness, server.address)
    [event] = await harness.events()
    assert (event["response_status"], len(event["attendees"])) == ("declined", 300)
    assert (event["attendees"][0]["email"], event["attendees"][-1]["email"]) == ("p0@example.com", OWNER.upper())
    assert [it["status"] for it in await harness.feed("ics")] == ["declined"]


async def test_the_time_range_moves_even_if_the_file_does_not_change(
    harness: CalendarHarness, server: FakeIcs, clock: ManualClock
) -> None:
    server.put(vcalendar(vevent("DTSTART:20261102T100000Z", "RRULE:FREQ=WEEKLY", "SUMMARY:Weekly")))
    account_id = await connect(harness, server.address)
    last = (await harness.events())[-1]["start_ts"]
    clock.advance(8 * 86_400)
    await harness.sync(account_id)
    assert server.statuses()[-2:] == [304, 200], "a conditional request, then a full one"
    assert (await harness.events())[-1]["start_ts"] == last + 7 * 86_400


async def test_after_a_restart_an_unchanged_file_is_read_once(
    data_dir: Path, harness: CalendarHarness, server: FakeIcs, clock: ManualClock
) -> None:
    account_id = await connect(harness, server.address)
    restarted = CalendarHarness(data_dir / "sidecar.db", clock)
    await restarted.initialize()
    await restarted.sync(account_id)
    assert server.statuses()[-1] == 200
    assert restarted.named("calendar.changed") == []
    assert len(server.requests) == 3
    await restarted.runtime.http().close()
    restarted.close()


async def test_redirects_are_followed_up_to_a_limit_and_never_to_plain_http(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    path = server.address.removeprefix(server.url)
    server.redirects = {"/old": "/older", "/older": path, "/round": "/round", "/open": "http://calendar.invalid/x.ics"}
    server.redirects["/nowhere"] = "http://["
    account_id = await connect(harness, f"{server.url}/old")
    assert await harness.titles() == ["Past", "Next"]
    await harness.accounts.delete(account_id=account_id)
    for start in ("/round", "/open", "/nowhere"):
        assert (await refusal(harness, server.url + start)).data["kind"] == "service_unreachable"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "address_rejected"), (403, "access_denied"), (404, "address_rejected"), (410, "address_rejected")],
)
async def test_a_refused_address_is_tried_again_and_notified_once(
    harness: CalendarHarness, server: FakeIcs, status: int, reason: str
) -> None:
    account_id = await connect(harness, server.address)
    harness.received.clear()
    server.status = status
    for _ in range(2):
        job = await harness.sync(account_id, "failed")
        assert (job["error"]["kind"], job["error"]["details"]) == ("account_refused", {"reason": reason})
    [update] = harness.named("accounts.updated")
    assert (update["status"], update["reason"], "secret address" in update["hint"]) == ("retrying", reason, True)
    assert await harness.titles() == ["Past", "Next"], "stored events are kept"
    server.status = 200
    await harness.sync(account_id)
    assert [it["status"] for it in harness.named("accounts.updated")] == ["retrying", "active"]


async def test_an_address_without_a_calendar_is_not_connected(harness: CalendarHarness, server: FakeIcs) -> None:
    server.status = 404
    error = await refusal(harness, server.address)
    assert (error.data["kind"], "HTTP 404" in error.message) == ("credentials_rejected", True)
    server.status, server.body = 200, b"<!DOCTYPE html><title>Sign in to the hotel</title>"
    error = await refusal(harness, server.address)
    assert (error.data["kind"], "sign-in page" in error.data["hint"]) == ("credentials_rejected", True)
    server.status = 500
    assert (await refusal(harness, server.address)).data["kind"] == "service_unreachable"


@pytest.mark.parametrize(
    "address",
    [
        "http://calendar.example.com/secret.ics",
        "ftp://calendar.example.com/secret.ics",
        "calendar.ics",
        "https://",
        "https://[::1/secret.ics",
        "https://127.0.0.1:99999/secret.ics",
        "https://127.0.0.1:secret/",
        "https://calendar..example.com/secret.ics",
        "/a\0b.ics",
        "file://server/share/secret.ics",
        "",
    ],
)
async def test_an_invalid_address_is_refused_without_a_request(harness: CalendarHarness, address: str) -> None:
    error = await refusal(harness, address)
    assert (error.data["kind"], error.data["details"][0]["path"]) == ("invalid_params", "credentials.address")
    assert "secret" not in error.message + str(error.data["details"])


async def test_any_other_credential_or_config_is_refused(harness: CalendarHarness, server: FakeIcs) -> None:
    wrong: list[dict[str, Any]] = [{"credentials": {"address": server.address, "x": "y"}}, {"credentials": {}}]
    for params in (*wrong, {"config": {"a": 1}}):
        assert (await refusal(harness, server.address, **params)).data["kind"] == "invalid_params"
    assert server.requests == []


async def test_the_error_for_an_address_that_cannot_be_requested_does_not_repeat_it(harness: CalendarHarness) -> None:
    error = await refusal(harness, "https://a≠b.example.com/secret.ics")
    assert (error.data["kind"], "secret" in str(error.data) + error.message) == ("credentials_rejected", False)


async def test_a_truncated_file_changes_nothing_and_is_retried(harness: CalendarHarness, server: FakeIcs) -> None:
    account_id = await connect(harness, server.address)
    before = await harness.events()
    whole = server.body
    for broken in (whole[: len(whole) // 2], b"<html>"):
        server.put(broken)
        job = await harness.accounts.sync(account_id=account_id)
        async with harness.working():
            await harness.until(lambda it: [one for one in it.named("jobs.updated") if one["job"].get("error")])
        assert await harness.events() == before
        await harness.call("jobs.cancel", {"job_id": job.job_id})
        harness.received.clear()
    server.cut = True
    server.put(whole + b" ")
    job = await harness.accounts.sync(account_id=account_id)
    async with harness.working():
        await harness.until(lambda it: [one for one in it.named("jobs.updated") if one["job"].get("error")])
    assert await harness.events() == before


async def test_of_calls_that_connect_one_address_concurrently_one_succeeds(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    with FakeIcs(body=vcalendar(properties=["X-WR-CALNAME:Bob’s"])) as other:
        refused: list[RemoteError] = []

        async def create(address: str) -> None:
            try:
                await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": address})
            except RemoteError as error:
                refused.append(error)

        async with anyio.create_task_group() as tasks:
            for one in (server, other, server, other):
                tasks.start_soon(create, one.address)
        accounts = (await harness.calendars.list_accounts()).accounts
        assert sorted(one.display_name or "" for one in accounts) == ["Ada’s calendar", "Bob’s"]
        assert [one.data["kind"] for one in refused] == ["account_exists"] * 2
        assert {one.data["details"][0]["account_id"] for one in refused} == {one.account_id for one in accounts}


async def test_a_local_file_is_connected_and_synced(harness: CalendarHarness, tmp_path: Path) -> None:
    path = tmp_path / "my calendar.ics"
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:A", uid="a")))
    account_id = await connect(harness, path.as_uri())
    assert await harness.titles() == ["A"]
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:B", uid="a")))
    await harness.sync(account_id)
    assert await harness.titles() == ["B"]
    path.unlink()
    job = await harness.sync(account_id, "failed")
    assert job["error"]["details"] == {"reason": "file_missing"}
    assert "my calendar" not in str(job)
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:C", uid="a")))
    await harness.sync(account_id)
    assert await harness.titles() == ["C"]


@pytest.mark.skipif(sys.platform == "win32", reason="mkfifo and /dev/zero are POSIX")
async def test_a_path_that_is_not_a_regular_file_or_is_too_large_is_refused(
    harness: CalendarHarness, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_BODY_BYTES + 1)
    for name, message in (
        (".", "regular file"),
        ("pipe", "regular file"),
        ("large", "64 MiB"),
        ("none", "cannot be read"),
    ):
        error = await refusal(harness, str(tmp_path / name))
        assert (error.data["kind"], message in error.message) == ("credentials_rejected", True)
    assert "regular file" in (await refusal(harness, "/dev/zero")).message


async def test_a_deleted_account_leaves_no_rows_and_is_not_revoked_at_the_server(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    account_id = await connect(harness, server.address)
    deleted = await harness.accounts.delete(account_id=account_id)
    assert (deleted.account_id, deleted.revoked) == (account_id, False)
    for table in ("calendar_accounts", "calendar_calendars", "calendar_events", "activity_events", "sync_state"):
        assert tables(harness, f"SELECT count(*) FROM {table}") == [(0,)], table


async def test_fewer_future_days_of_the_account_remove_later_events(harness: CalendarHarness, server: FakeIcs) -> None:
    server.put(vcalendar(vevent("DTSTART:20261102T100000Z", "RRULE:FREQ=DAILY")))
    account_id = await connect(harness, server.address)
    assert len(await harness.events()) == 422
    await harness.accounts.update(account_id=account_id, future_days=10)
    await harness.sync(account_id)
    assert len(await harness.events()) == 32


async def test_what_is_deleted_from_the_file_is_removed_today_and_tomorrow_as_on_other_days(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    times = [f"DTSTART:202611{day}T150000Z" for day in (23, 24)] + [
        f"DTSTART;VALUE=DATE:202611{day}" for day in (23, 24)
    ]
    server.put(vcalendar(*(vevent(time, "SUMMARY:Gone", uid=time) for time in times), vevent(times[0], "SUMMARY:Kept")))
    account_id = await connect(harness, server.address)
    await harness.accounts.update(account_id=account_id, past_days=0, future_days=1)
    await harness.sync(account_id)
    assert len(await harness.events()) == 5
    server.put(vcalendar(vevent(times[0], "SUMMARY:Kept")))
    await harness.sync(account_id)
    assert await harness.titles() == ["Kept"]


@pytest.mark.parametrize("days", [{}, {"past_days": 0, "future_days": 1}, {"past_days": 2, "future_days": 2}])
async def test_a_feed_with_new_uids_at_each_fetch_does_not_pile_up(
    harness: CalendarHarness, server: FakeIcs, clock: ManualClock, days: dict[str, Any]
) -> None:
    starts = [f"DTSTART:202611{day}T{hour}0000Z" for day in range(18, 31) for hour in ("00", "09", "23")]
    whole_days = [f"DTSTART;VALUE=DATE:202611{day}" for day in range(18, 31)]

    def change(number: int) -> None:
        events = (vevent(start, f"SUMMARY:{start}", uid=f"{start}-{number}") for start in (*starts, *whole_days))
        server.put(vcalendar(*events))

    change(0)
    account_id = await connect(harness, server.address)
    if days:
        await harness.accounts.update(account_id=account_id, **days)
    for number in range(1, 30):  # for five days
        clock.advance(4 * 3600)
        change(number)
        await harness.sync(account_id)
        titles = await harness.titles()
        assert len(titles) == len(set(titles))
    fed = [it["title"] for it in await harness.feed("ics")]
    assert len(fed) == len(set(fed)) > 10
