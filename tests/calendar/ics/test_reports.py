"""Reports of events that could not be read or followed, and times that follow this computer's zone, through syncs."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.calendar.google.harness import CalendarHarness
from tests.calendar.ics.harness import OWNER, vcalendar, vevent
from tests.fakes.ics import FakeIcs
from tests.in_process_app import ManualClock

NEXT = "DTSTART:20261130T100000Z"
UNREADABLE = vevent("DTSTART:tomorrow", "SUMMARY:Dentist", uid="a")
ADJUSTED = vevent("DTSTART;TZID=Mars/Olympus:20261130T100000", "SUMMARY:Launch", uid="b")
GOOD = vevent(NEXT, "SUMMARY:Tea", uid="c")


@pytest.fixture
def server() -> Iterator[FakeIcs]:
    with FakeIcs() as fake:
        yield fake


@pytest.fixture
async def harness(data_dir: Path, clock: ManualClock) -> AsyncIterator[CalendarHarness]:
    harness = CalendarHarness(data_dir / "sidecar.db", clock)
    await harness.initialize()
    try:
        yield harness
    finally:
        await harness.runtime.http().close()
        harness.close()


async def connect(harness: CalendarHarness, server: FakeIcs) -> str:
    account = await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": server.address})
    return account.account_id


async def warnings(harness: CalendarHarness, account_id: str) -> list[str]:
    """Syncs and returns the warnings in the job's log."""
    job = await harness.sync(account_id)
    lines = (await harness.call("jobs.log.list", {"job_id": job["job_id"]}))["lines"]
    return [line["message"] for line in lines if line["level"] == "warning"]


async def counts(harness: CalendarHarness) -> tuple[int, int]:
    [calendar] = (await harness.calendars.list_calendars()).calendars
    return calendar.skipped_events, calendar.adjusted_events


async def test_events_that_are_left_out_or_adjusted_are_reported_with_number_titles_and_reasons(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.put(vcalendar(UNREADABLE, ADJUSTED, GOOD))
    reason = 'its time zone "Mars/Olympus" is unknown'
    account_id = await connect(harness, server)
    assert await warnings(harness, account_id) == [
        f'{OWNER}: 1 event was left out: "Dentist" (its start cannot be read)',
        f'{OWNER}: 1 event was stored, but may differ from the original: "Launch" ({reason})',
    ]
    assert sorted(await harness.titles()) == ["Launch", "Tea"]
    assert await counts(harness) == (1, 1)
    assert await warnings(harness, account_id) == [], "a file that has not changed is not reported again"
    assert await counts(harness) == (1, 1)
    harness.received.clear()
    server.put(vcalendar(GOOD, ADJUSTED.replace("Mars/Olympus", "Europe/Berlin")))
    assert await warnings(harness, account_id) == []
    assert await counts(harness) == (0, 0)
    changes = [(it["added"], it["updated"], it["removed"]) for it in harness.named("calendar.changed")]
    assert (0, 0, 0) in changes, "the calendar itself has changed"


async def test_a_report_names_ten_events_and_counts_the_rest(harness: CalendarHarness, server: FakeIcs) -> None:
    bad = (vevent("DTSTART:soon", f"SUMMARY:{'x' * 300}{number}", uid=str(number)) for number in range(5_000))
    server.put(vcalendar(*bad, vevent("SUMMARY:No start", uid="none"), GOOD))
    account_id = await connect(harness, server)
    [line] = await warnings(harness, account_id)
    assert line.startswith(f'{OWNER}: 5001 events were left out: "xxx')
    assert line.endswith("; and 4991 more")
    assert len(line) < 2_000
    assert await counts(harness) == (5_001, 0)


async def test_floating_times_and_days_follow_this_computers_zone_at_the_next_sync(
    harness: CalendarHarness, server: FakeIcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    floating = vevent("DTSTART:20261130T100000", "DURATION:PT1H", "SUMMARY:Floating", uid="a")
    server.put(vcalendar(floating, vevent("DTSTART;VALUE=DATE:20261130", "SUMMARY:Day", uid="b"), GOOD))
    monkeypatch.setitem(os.environ, "TZ", "Asia/Tokyo")
    account_id = await connect(harness, server)

    async def synced() -> dict[str, str]:
        await harness.sync(account_id)
        return {it["title"]: f"{it['start_ts']} {it['start_time']}" for it in await harness.events()}

    tea = "1796032800 2026-11-30T10:00:00+00:00"
    tokyo = await synced()
    monkeypatch.setitem(os.environ, "TZ", "Europe/Berlin")
    harness.received.clear()
    berlin = await synced()
    assert (tokyo["Floating"], berlin["Floating"]) == (
        "1796000400 2026-11-30T10:00:00+09:00",
        "1796029200 2026-11-30T10:00:00+01:00",
    )
    assert (tokyo["Day"], berlin["Day"]) == ("1795964400 2026-11-30", "1795993200 2026-11-30")
    assert (tokyo["Tea"], berlin["Tea"]) == (tea, tea)
    server.requests.clear()
    harness.received.clear()
    assert await synced() == berlin
    assert server.statuses() == [304], "nothing is read again while the zone is the same"
    assert harness.named("calendar.changed") == []


async def test_the_times_of_a_calendar_with_a_zone_do_not_depend_on_this_computers(
    harness: CalendarHarness, server: FakeIcs, monkeypatch: pytest.MonkeyPatch
) -> None:
    floating = vevent("DTSTART:20261130T100000", "SUMMARY:Floating")
    server.put(vcalendar(floating, properties=["X-WR-TIMEZONE:Europe/Berlin"]))
    account_id = await connect(harness, server)
    for zone in ("Asia/Tokyo", "America/New_York"):
        monkeypatch.setitem(os.environ, "TZ", zone)
        await harness.sync(account_id)
        assert [it["start_time"] for it in await harness.events()] == ["2026-11-30T10:00:00+01:00"]


@pytest.mark.parametrize("charset", ["windows-1250", '"windows-1250"', "WINDOWS-1250; boundary=x"])
async def test_a_file_is_read_in_the_charset_of_the_servers_answer(
    harness: CalendarHarness, server: FakeIcs, charset: str
) -> None:
    server.content_type = f"text/calendar; charset={charset}"
    server.put(vcalendar(vevent(NEXT, "SUMMARY:Zażółć")).decode().encode("windows-1250"))
    await harness.sync(await connect(harness, server))
    assert await harness.titles() == ["Zażółć"]
