"""Syncing calendar files: from servers that keep the rules and from those that do not, and from this computer."""

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

PAST = ("DTSTART:20261120T100000Z", "DTEND:20261120T110000Z")
NEXT = ("DTSTART;TZID=Europe/Berlin:20261130T100000", "DURATION:PT1H")
HEAD = ("X-WR-CALNAME:Ada’s calendar",)


@pytest.fixture
def server() -> Iterator[FakeIcs]:
    """A server with a file of two events."""
    with FakeIcs() as made:
        made.body = vcalendar(
            vevent(*PAST, "SUMMARY:Past", uid="past"), vevent(*NEXT, "SUMMARY:Next", uid="next"), head=HEAD
        )
        yield made


@pytest.fixture
async def harness(data_dir: Path, clock: ManualClock) -> AsyncIterator[CalendarHarness]:
    """The services over an empty database."""
    rig = CalendarHarness(data_dir / "sidecar.db", clock)
    await rig.initialize()
    try:
        yield rig
    finally:
        await rig.runtime.http().close()
        rig.close()


async def connect(harness: CalendarHarness, address: str | Path) -> str:
    """A new account, after its first sync; its id."""
    account = await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": str(address)})
    await harness.synced(account.account_id)
    return account.account_id


async def refused(harness: CalendarHarness, address: str, **more: Any) -> RemoteError:
    """The error that an address is refused with; no account is left behind."""
    with pytest.raises(RemoteError) as caught:
        await harness.call(
            "calendar.accounts.create", {"provider": "ics", "email": OWNER, "credentials": {"address": address}} | more
        )
    assert (await harness.calendars.list_accounts()).accounts == []
    return caught.value


def counts(harness: CalendarHarness) -> list[tuple[int, int, int]]:
    """What each `calendar.changed` so far told of events."""
    found = [(it["added"], it["updated"], it["removed"]) for it in harness.named("calendar.changed")]
    return [one for one in found if any(one)]


async def test_an_address_is_connected_synced_and_in_the_feed(harness: CalendarHarness, server: FakeIcs) -> None:
    account_id = await connect(harness, server.address.replace("http://", "HTTP://"))
    account = await harness.calendars.get_account(account_id=account_id)
    assert (account.provider, account.email, account.display_name) == ("ics", OWNER, "Ada’s calendar")
    assert account.last_sync_at is not None
    [calendar] = (await harness.calendars.list_calendars()).calendars
    assert (calendar.calendar_id, calendar.name, calendar.is_primary) == ("ics", "Ada’s calendar", True)
    assert (calendar.access_role, calendar.time_zone) == ("reader", "Europe/Berlin")
    assert await harness.titles() == ["Past", "Next"]
    assert counts(harness) == [(2, 0, 0)]
    told = harness.named("accounts.updated")
    assert [(it["service"], it["account_id"], it["status"]) for it in told] == [("ics", account_id, "active")]
    [event] = await harness.feed("ics")
    assert (event["event_id"], event["title"], event["by_me"]) == (f"ics:{account_id}:ics:past", "Past", True)
    assert await harness.feed() == []


@pytest.mark.parametrize(("etags", "dates"), [(True, False), (False, True), (True, True)])
async def test_a_file_that_has_not_changed_costs_one_question_and_writes_nothing(
    harness: CalendarHarness, server: FakeIcs, etags: bool, dates: bool
) -> None:
    server.etags, server.dates = etags, dates
    account_id = await connect(harness, server.address)
    before = tables(harness, "SELECT * FROM calendar_events ORDER BY event_id")
    server.requests.clear()
    harness.received.clear()
    for _ in range(3):
        await harness.synced(account_id)
    assert server.statuses() == [304, 304, 304]
    assert tables(harness, "SELECT * FROM calendar_events ORDER BY event_id") == before
    assert harness.named("calendar.changed") + harness.named("activity.changed") == []


async def test_a_server_without_marks_is_read_each_time_and_still_nothing_is_written(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.etags = False
    account_id = await connect(harness, server.address)
    before = tables(harness, "SELECT * FROM calendar_events ORDER BY event_id")
    harness.received.clear()
    server.put(server.body.replace(b"DTSTAMP:20261101", b"DTSTAMP:20261125"))
    await harness.synced(account_id)
    assert server.statuses()[-1] == 200
    assert tables(harness, "SELECT * FROM calendar_events ORDER BY event_id") == before
    assert harness.named("calendar.changed") == []


async def test_edits_update_additions_come_and_what_is_gone_is_swept(harness: CalendarHarness, server: FakeIcs) -> None:
    weekly = vevent(*NEXT, "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:Weekly", uid="weekly")
    past = vevent(*PAST, "SUMMARY:Past", uid="past")
    server.put(vcalendar(past, weekly, head=HEAD))
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
    server.put(vcalendar(past.replace("Past", "Renamed"), weekly, moved, head=HEAD))
    await harness.synced(account_id)
    assert [it["event_id"] for it in await harness.events()] == ids
    assert await harness.titles() == ["Renamed", "Weekly", "Moved", "Weekly"]
    assert [it["title"] for it in await harness.feed("ics")] == ["Renamed"]
    server.put(vcalendar(weekly, head=["X-WR-CALNAME:Another name"]))
    await harness.synced(account_id)
    assert await harness.titles() == ["Weekly", "Weekly", "Weekly"]
    assert counts(harness) == [(0, 2, 0), (0, 1, 1)]
    assert await harness.feed("ics") == []
    [calendar] = (await harness.calendars.list_calendars()).calendars
    assert calendar.name == "Another name"


async def test_the_window_moves_on_although_the_file_does_not(
    harness: CalendarHarness, server: FakeIcs, clock: ManualClock
) -> None:
    server.put(vcalendar(vevent("DTSTART:20261102T100000Z", "RRULE:FREQ=WEEKLY", "SUMMARY:Weekly")))
    account_id = await connect(harness, server.address)
    last = (await harness.events())[-1]["start_ts"]
    clock.advance(8 * 86_400)
    await harness.synced(account_id)
    assert server.statuses()[-2:] == [304, 200], "asked whether, and then for all"
    assert (await harness.events())[-1]["start_ts"] == last + 7 * 86_400


async def test_a_restart_reads_the_file_once_and_goes_on(
    data_dir: Path, harness: CalendarHarness, server: FakeIcs, clock: ManualClock
) -> None:
    account_id = await connect(harness, server.address)
    later = CalendarHarness(data_dir / "sidecar.db", clock)
    await later.initialize()
    await later.synced(account_id)
    assert server.statuses()[-1] == 200
    assert later.named("calendar.changed") == []
    assert len(server.requests) == 3
    await later.runtime.http().close()
    later.close()


async def test_redirects_are_followed_but_not_for_ever_and_never_into_the_open(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    path = server.address.removeprefix(server.url)
    server.redirects = {"/old": "/older", "/older": path, "/round": "/round", "/open": "http://calendar.invalid/x.ics"}
    server.redirects["/nowhere"] = "http://["
    account_id = await connect(harness, f"{server.url}/old")
    assert await harness.titles() == ["Past", "Next"]
    await harness.accounts.delete(account_id=account_id)
    for start in ("/round", "/open", "/nowhere"):
        assert (await refused(harness, server.url + start)).data["kind"] == "calendar_unreachable"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_address_that_lets_nobody_in_any_more_stops_its_account_once(
    harness: CalendarHarness, server: FakeIcs, status: int
) -> None:
    account_id = await connect(harness, server.address)
    harness.received.clear()
    server.status = status
    for _ in range(2):
        job = await harness.synced(account_id, "failed")
        assert (job["error"]["kind"], job["error"]["details"]) == ("needs_reauth", {"reason": "address_rejected"})
    [told] = harness.named("accounts.updated")
    assert (told["status"], told["reason"], "secret address" in told["hint"]) == (
        "needs_reauth",
        "address_rejected",
        True,
    )
    assert await harness.titles() == ["Past", "Next"], "what is known stays"
    server.status = 200
    await harness.synced(account_id)
    assert [it["status"] for it in harness.named("accounts.updated")] == ["needs_reauth", "active"]


async def test_an_address_that_is_wrong_from_the_start_makes_no_account(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.status = 404
    error = await refused(harness, server.address)
    assert (error.data["kind"], "HTTP 404" in error.message) == ("calendar_credentials_rejected", True)
    server.status, server.body = 200, b"<!DOCTYPE html><title>Sign in to the hotel</title>"
    error = await refused(harness, server.address)
    assert (error.data["kind"], "sign-in page" in error.data["hint"]) == ("calendar_credentials_rejected", True)
    server.status = 500
    assert (await refused(harness, server.address)).data["kind"] == "calendar_unreachable"


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
async def test_what_cannot_be_an_address_is_refused_before_anything_is_asked(
    harness: CalendarHarness, address: str
) -> None:
    error = await refused(harness, address)
    assert (error.data["kind"], error.data["details"][0]["path"]) == ("invalid_params", "credentials.address")
    assert "secret" not in error.message + str(error.data["details"])


async def test_nothing_but_the_address_is_wanted(harness: CalendarHarness, server: FakeIcs) -> None:
    wrong: list[dict[str, Any]] = [{"credentials": {"address": server.address, "x": "y"}}, {"credentials": {}}]
    for more in (*wrong, {"config": {"a": 1}}):
        assert (await refused(harness, server.address, **more)).data["kind"] == "invalid_params"
    assert server.requests == []


async def test_an_address_that_no_client_can_ask_for_is_told_without_repeating_it(harness: CalendarHarness) -> None:
    error = await refused(harness, "https://a≠b.example.com/secret.ics")
    assert (error.data["kind"], "secret" in str(error.data) + error.message) == ("calendar_credentials_rejected", False)


async def test_half_a_file_changes_nothing_and_is_tried_again(harness: CalendarHarness, server: FakeIcs) -> None:
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


async def test_two_people_who_connect_at_once_get_their_own_calendars(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    with FakeIcs(body=vcalendar(head=["X-WR-CALNAME:Bob’s"])) as other:
        names: dict[str, str | None] = {}

        async def create(address: str) -> None:
            account = await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": address})
            names[address] = account.display_name

        async with anyio.create_task_group() as tasks:
            for one in (server, other, server, other):
                tasks.start_soon(create, one.address)
        assert names == {server.address: "Ada’s calendar", other.address: "Bob’s"}
        assert len((await harness.calendars.list_accounts()).accounts) == 4


async def test_a_file_of_this_computer_is_a_calendar_too(harness: CalendarHarness, tmp_path: Path) -> None:
    path = tmp_path / "my calendar.ics"
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:A", uid="a")))
    account_id = await connect(harness, path.as_uri())
    assert await harness.titles() == ["A"]
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:B", uid="a")))
    await harness.synced(account_id)
    assert await harness.titles() == ["B"]
    path.unlink()
    job = await harness.synced(account_id, "failed")
    assert job["error"]["details"] == {"reason": "file_missing"}
    assert "my calendar" not in str(job)
    path.write_bytes(vcalendar(vevent(*PAST, "SUMMARY:C", uid="a")))
    await harness.synced(account_id)
    assert await harness.titles() == ["C"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
async def test_what_is_no_file_or_too_large_is_refused(harness: CalendarHarness, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_BODY_BYTES + 1)
    for name, why in (
        (".", "regular file"),
        ("pipe", "regular file"),
        ("large", "64 MiB"),
        ("none", "cannot be read"),
    ):
        error = await refused(harness, str(tmp_path / name))
        assert (error.data["kind"], why in error.message) == ("calendar_credentials_rejected", True)
    assert "regular file" in (await refused(harness, "/dev/zero")).message


async def test_a_deleted_account_leaves_nothing_and_is_not_taken_back_at_the_server(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    account_id = await connect(harness, server.address)
    deleted = await harness.accounts.delete(account_id=account_id)
    assert (deleted.account_id, deleted.revoked) == (account_id, False)
    for table in ("calendar_accounts", "calendar_calendars", "calendar_events", "activity_events", "sync_state"):
        assert tables(harness, f"SELECT count(*) FROM {table}") == [(0,)], table


async def test_a_narrower_window_is_asked_for_by_the_account(harness: CalendarHarness, server: FakeIcs) -> None:
    server.put(vcalendar(vevent("DTSTART:20261102T100000Z", "RRULE:FREQ=DAILY")))
    account_id = await connect(harness, server.address)
    assert len(await harness.events()) == 422
    await harness.accounts.update(account_id=account_id, future_days=10)
    await harness.synced(account_id)
    assert len(await harness.events()) == 32
