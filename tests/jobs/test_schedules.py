"""Schedules that a person makes, and the record of each of their times."""

from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.entities import WaitingFor

from sidecar.commandline.client import RemoteError
from sidecar.job_handler import JobFailed, JobSnoozed
from tests.in_process_app import ManualClock
from tests.jobs.harness import JobsHarness, SimpleJob, open_harness

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 24 * HOUR_S


async def create(harness: JobsHarness, **params: Any) -> dict[str, Any]:
    """Creates a schedule of the job named `a`; every hour if nothing else is said."""
    params = {"title": "Stand-up", "type": "work.simple", "payload": {"name": "a"}} | params
    if "rrule" not in params:
        params.setdefault("period_s", HOUR_S)
    schedule: dict[str, Any] = await harness.call("jobs.schedules.create", params)
    return schedule


async def runs(harness: JobsHarness, **params: Any) -> list[dict[str, Any]]:
    """Returns the recorded runs, the first one first."""
    return list(reversed((await harness.call("jobs.schedules.runs.list", params))["runs"]))


def outcomes(listed: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(one["scheduled_for"][8:16], one["status"], one["reason"]) for one in listed]


def told(harness: JobsHarness) -> list[tuple[str, str]]:
    """Returns the status and the text of each notification about the end of a run."""
    return [(one["run"]["status"], one["text"]) for one in harness.named("jobs.schedule_run_ended")]


async def test_a_schedule_by_a_rule_runs_on_weekdays_at_nine_in_its_zone(harness: JobsHarness) -> None:
    weekdays = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9;BYMINUTE=0"
    schedule = await create(harness, rrule=weekdays, time_zone="America/New_York")
    assert (schedule["period_s"], schedule["next_run_at"]) == (None, "2026-11-23T14:00:00.000Z")
    async with harness.working():
        for _ in range(7 * 24):
            await harness.pass_time(HOUR_S)
            if harness.handler.started:
                (await harness.handler.next_run("a")).succeed()
                harness.handler.started.clear()
                await harness.run_pending()
    assert outcomes(await runs(harness)) == [(f"{day}T14:00", "succeeded", None) for day in range(23, 28)]


async def test_a_rule_that_has_ended_has_no_next_run(harness: JobsHarness) -> None:
    await create(harness, rrule="FREQ=DAILY;COUNT=1", start="2026-11-23T09:00:00Z", time_zone="UTC")
    async with harness.working():
        await harness.pass_time(HOUR_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.pass_time(40 * DAY_S)
    [schedule] = (await harness.call("jobs.schedules.list"))["schedules"]
    assert (schedule["next_run_at"], len(await runs(harness))) == (None, 1)


async def test_a_period_begins_at_its_start(harness: JobsHarness) -> None:
    later = await create(harness, period_s=HOUR_S, start="2026-11-25T08:30:00+01:00")
    now = await create(harness, period_s=HOUR_S)
    assert later["next_run_at"] == "2026-11-25T07:30:00.000Z"
    assert now["next_run_at"] == "2026-11-23T09:00:00.000Z"


async def test_each_run_is_recorded_with_its_lateness_and_told_once(harness: JobsHarness) -> None:
    schedule = await create(harness)
    async with harness.working():
        await harness.pass_time(HOUR_S + 7)
        [run] = await runs(harness)
        assert (run["status"], run["late_ms"], run["ended_at"]) == ("running", 7_000, None)
        (await harness.handler.next_run("a")).succeed()
        await harness.pass_time(HOUR_S - 7)
        (await harness.handler.next_run("a")).fail(JobFailed("No luck.", kind="network", hint="Try later."))
        await harness.run_pending()
    first, second = await runs(harness)
    assert (first["status"], first["scheduled_for"]) == ("succeeded", "2026-11-23T09:00:00.000Z")
    assert (second["status"], second["reason"], second["error"]["message"]) == ("failed", "offline", "No luck.")
    assert told(harness) == [("succeeded", "Done."), ("failed", "No luck. Try later.")]
    assert {one["title"] for one in harness.named("jobs.schedule_run_ended")} == {"Stand-up"}
    assert schedule["schedule_id"] == first["schedule_id"]


@pytest.mark.parametrize(("policy", "last"), [("run_once", "succeeded"), ("skip", "missed")])
async def test_times_missed_in_standby_are_recorded_with_the_reason_and_told_once(
    harness: JobsHarness, policy: str, last: str
) -> None:
    await create(harness, misfire_policy=policy)
    async with harness.working():
        await harness.run_pending()
        await harness.pass_time(3 * HOUR_S + 10 * MINUTE_S)
        if policy == "run_once":
            (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    missed = [("23T09:00", "missed", "asleep"), ("23T10:00", "missed", "asleep")]
    reason = "asleep" if policy == "skip" else None
    listed = await runs(harness)
    assert outcomes(listed) == [*missed, ("23T11:00", last, reason)]
    assert (listed[0]["away_from"], listed[0]["away_to"]) == ("2026-11-23T08:00:00.000Z", "2026-11-23T11:10:00.000Z")
    number = 2 if policy == "run_once" else 3
    assert told(harness)[0] == ("missed", f"Missed {number} times.  The computer was asleep when it was due.")
    assert len(told(harness)) == (2 if policy == "run_once" else 1)


async def test_a_short_delay_does_not_count_as_missed(harness: JobsHarness) -> None:
    await create(harness, misfire_policy="skip")
    async with harness.working():
        await harness.pass_time(HOUR_S + 4 * MINUTE_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    assert outcomes(await runs(harness)) == [("23T09:00", "succeeded", None)]


async def test_times_missed_while_the_app_was_closed_say_since_when(data_dir: Path) -> None:
    path, clock = data_dir / "sidecar.db", ManualClock()
    async with open_harness(path, clock) as harness:
        await create(harness)
        async with harness.working():
            await harness.pass_time(20 * MINUTE_S)
    clock.advance(4 * HOUR_S)
    async with open_harness(path, clock) as harness, harness.working():
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
        listed = await runs(harness)
    assert outcomes(listed)[0] == ("23T09:00", "missed", "closed")
    assert outcomes(listed)[-1] == ("23T12:00", "succeeded", None)
    assert listed[0]["away_from"] == "2026-11-23T08:20:00.000Z"
    assert listed[-1]["late_ms"] == 20 * MINUTE_S * 1000


async def test_very_many_missed_times_are_recorded_as_fifty_and_one_that_stands_for_the_rest(
    harness: JobsHarness,
) -> None:
    await create(harness, period_s=MINUTE_S, misfire_policy="skip")
    async with harness.working():
        await harness.run_pending()
        await harness.pass_time(DAY_S)
        listed = await runs(harness)
    assert [one["times"] for one in listed[:2]] == [1440 - 49, 1]
    assert sum(one["times"] for one in listed) == 1440
    assert [status for status, _ in told(harness)].count("missed") == 1


@pytest.mark.parametrize(
    ("waiting_for", "reason"),
    [
        (None, "overlap"),
        (WaitingFor.NETWORK, "offline"),
        (WaitingFor.RATE_LIMIT, "limit"),
        (WaitingFor.APPROVAL, "needs_user"),
    ],
)
async def test_a_time_that_the_previous_job_overlaps_is_recorded_with_what_that_waits_for(
    harness: JobsHarness, waiting_for: WaitingFor | None, reason: str
) -> None:
    await create(harness)
    async with harness.working():
        await harness.pass_time(HOUR_S)
        run = await harness.handler.next_run("a")
        if waiting_for is not None:
            run.fail(JobSnoozed("Not now.", delay_s=5 * HOUR_S, waiting_for=waiting_for))
            await harness.run_pending()
        await harness.pass_time(HOUR_S)
        assert outcomes(await runs(harness))[1] == ("23T10:00", "skipped", reason)
        assert [status for status, _ in told(harness)] == ["skipped"]


async def test_a_paused_queue_makes_one_job_and_names_the_pause_for_the_others(harness: JobsHarness) -> None:
    await create(harness)
    await harness.call("jobs.queue.pause")
    async with harness.working():
        for _ in range(2):
            await harness.pass_time(HOUR_S)
        assert outcomes(await runs(harness)) == [("23T09:00", "queued", None), ("23T10:00", "skipped", "paused")]
        await harness.call("jobs.queue.resume")
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    [first, _] = await runs(harness)
    assert (first["status"], first["late_ms"]) == ("succeeded", HOUR_S * 1000)


async def test_the_times_that_a_refused_account_leaves_out_are_recorded(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    harness.scheduler.postpone("s", 3 * HOUR_S)
    async with harness.working():
        for _ in range(4):
            await harness.pass_time(HOUR_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    left_out = [(f"23T{hour:02}:00", "skipped", "account") for hour in (9, 10, 11)]
    assert outcomes(await runs(harness)) == [*left_out, ("23T12:00", "succeeded", None)]
    assert told(harness) == [], "the account itself tells that"


async def test_a_time_has_one_job_even_if_the_clock_is_set_back(harness: JobsHarness) -> None:
    await create(harness)
    async with harness.working():
        await harness.pass_time(HOUR_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
        harness.clock.wall_ms -= 90 * MINUTE_S * 1000
        await harness.pass_time(0)
        [schedule] = (await harness.call("jobs.schedules.list"))["schedules"]
        assert schedule["next_run_at"] == "2026-11-23T08:00:00.000Z"
        await harness.pass_time(30 * MINUTE_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.pass_time(HOUR_S)
        await harness.pass_time(HOUR_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    assert [one["scheduled_for"][11:16] for one in await runs(harness)] == ["09:00", "08:00", "10:00"]


async def test_a_time_that_was_recorded_as_missed_by_a_clock_that_ran_ahead_is_made_up_for(
    harness: JobsHarness,
) -> None:
    await create(harness, misfire_policy="skip")
    async with harness.working():
        await harness.run_pending()
        harness.clock.wall_ms += DAY_S * 1000 + 10 * MINUTE_S * 1000
        await harness.pass_time(0)
        harness.clock.wall_ms -= DAY_S * 1000 + 10 * MINUTE_S * 1000
        await harness.pass_time(0)
        await harness.pass_time(HOUR_S)
        (await harness.handler.next_run("a")).succeed()
        await harness.run_pending()
    assert [one for one in outcomes(await runs(harness)) if one[1] != "missed"] == [("23T09:00", "succeeded", None)]


async def test_a_cancelled_run_is_recorded_and_not_told(harness: JobsHarness) -> None:
    await create(harness)
    await harness.call("jobs.queue.pause")
    async with harness.working():
        await harness.pass_time(HOUR_S)
        [run] = await runs(harness)
        await harness.call("jobs.cancel", {"job_id": run["job_id"]})
    assert outcomes(await runs(harness)) == [("23T09:00", "cancelled", None)]
    assert told(harness) == []


async def test_a_run_on_request_is_recorded_as_manual_and_can_be_repeated(harness: JobsHarness) -> None:
    schedule = await create(harness)
    async with harness.working():
        for _ in range(2):
            await harness.call("jobs.schedules.run", {"schedule_id": schedule["schedule_id"]})
            (await harness.handler.next_run("a")).succeed()
            await harness.run_pending()
    assert [(one["manual"], one["status"]) for one in await runs(harness)] == [(True, "succeeded")] * 2


async def test_everything_of_a_schedule_can_be_changed(harness: JobsHarness) -> None:
    schedule_id = (await create(harness))["schedule_id"]
    changes = {"title": "Review", "payload": {"name": "b"}, "misfire_policy": "skip", "enabled": False}
    changed = await harness.call("jobs.schedules.update", {"schedule_id": schedule_id, **changes})
    assert {name: changed[name] for name in ("title", "misfire_policy", "enabled")} == {
        name: changes[name] for name in ("title", "misfire_policy", "enabled")
    }
    assert (changed["payload"]["name"], changed["type"], changed["period_s"]) == ("b", "work.simple", HOUR_S)
    rule = {"rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0", "time_zone": "Asia/Kolkata"}
    changed = await harness.call("jobs.schedules.update", {"schedule_id": schedule_id, **rule})
    assert (changed["period_s"], changed["rrule"]) == (None, rule["rrule"])
    assert changed["next_run_at"] == "2026-11-24T03:30:00.000Z"
    moved = {"schedule_id": schedule_id, "time_zone": "UTC"}
    assert (await harness.call("jobs.schedules.update", moved))["next_run_at"] == "2026-11-23T09:00:00.000Z"
    back = {"schedule_id": schedule_id, "period_s": HOUR_S, "start": "2026-11-23T08:15:00Z", "type": "work.repeatable"}
    changed = await harness.call("jobs.schedules.update", back)
    assert (changed["rrule"], changed["time_zone"], changed["next_run_at"]) == (None, None, "2026-11-23T08:15:00.000Z")
    assert changed["type"] == "work.repeatable"


async def test_a_rule_in_another_zone_begins_at_the_same_time_of_its_clocks(harness: JobsHarness) -> None:
    schedule = await create(harness, rrule="FREQ=DAILY;BYHOUR=9", time_zone="Europe/Berlin")
    assert (schedule["start"], schedule["next_run_at"]) == ("2026-11-22T23:00:00.000Z", "2026-11-24T08:00:00.000Z")
    moved = {"schedule_id": schedule["schedule_id"], "time_zone": "Asia/Kolkata"}
    changed = await harness.call("jobs.schedules.update", moved)
    assert (changed["start"], changed["next_run_at"]) == ("2026-11-22T18:30:00.000Z", "2026-11-24T03:30:00.000Z")


async def test_a_rule_that_replaces_a_period_does_not_take_its_minute_and_second(harness: JobsHarness) -> None:
    harness.clock.advance(17.25)
    schedule_id = (await create(harness))["schedule_id"]
    rule = {"schedule_id": schedule_id, "rrule": "FREQ=DAILY;BYHOUR=9;BYMINUTE=0", "time_zone": "UTC"}
    changed = await harness.call("jobs.schedules.update", rule)
    assert changed["next_run_at"] == "2026-11-23T09:00:00.000Z"
    changed = await harness.call("jobs.schedules.update", {"schedule_id": schedule_id, "period_s": HOUR_S})
    assert changed["next_run_at"] == "2026-11-23T09:00:17.250Z"


async def test_a_change_does_not_lose_a_time_that_has_just_passed(harness: JobsHarness) -> None:
    schedule = await create(harness)
    harness.clock.advance(2 * HOUR_S + MINUTE_S)  # a computer wakes, and the worker has not looked yet
    change = {"schedule_id": schedule["schedule_id"], "title": "Daily", "period_s": DAY_S}
    changed = await harness.call("jobs.schedules.update", change)
    assert outcomes(await runs(harness)) == [("23T09:00", "missed", "closed"), ("23T10:00", "queued", None)]
    assert (changed["title"], changed["last_run_at"]) == ("Daily", "2026-11-23T10:01:00.000Z")


async def test_a_time_that_passes_while_a_change_is_checked_is_not_lost(harness: JobsHarness) -> None:
    schedule = await create(harness)
    harness.on_admit = lambda: harness.clock.advance(HOUR_S + MINUTE_S)  # a folder on a slow drive
    change = {"schedule_id": schedule["schedule_id"], "payload": {"name": "b"}}
    changed = await harness.call("jobs.schedules.update", change)
    assert outcomes(await runs(harness)) == [("23T09:00", "queued", None)]
    assert (changed["payload"]["name"], changed["next_run_at"]) == ("b", "2026-11-23T10:00:00.000Z")


@pytest.mark.parametrize(
    ("params", "kind", "path"),
    [
        ({"period_s": None}, "invalid_params", "rrule"),
        ({"period_s": HOUR_S, "rrule": "FREQ=DAILY"}, "invalid_params", "rrule"),
        ({"rrule": "FREQ=SECONDLY"}, "invalid_params", "rrule"),
        ({"rrule": "FREQ=DAILY;COUNT=1;BYHOUR=1", "time_zone": "UTC"}, "invalid_params", "rrule"),
        ({"start": "0001-01-01T00:00:00Z"}, "invalid_params", "start"),
        ({"rrule": "FREQ=DAILY", "start": "9999-12-31T23:59:59Z"}, "invalid_params", "start"),
        ({"rrule": "FREQ=DAILY", "time_zone": "Europe/Atlantis"}, "time_zone_unknown", None),
        ({"type": "work.unknown"}, "unknown_job_type", None),
        ({"payload": {"nam": "a"}}, "invalid_params", "payload.nam"),
    ],
)
async def test_what_cannot_be_a_schedule_is_refused(
    harness: JobsHarness, params: dict[str, Any], kind: str, path: str | None
) -> None:
    with pytest.raises(RemoteError) as refused:
        await create(harness, **params)
    assert refused.value.kind == kind
    if path is not None:
        assert refused.value.data["details"][0]["path"] == path
    assert (await harness.call("jobs.schedules.list"))["schedules"] == []


async def test_a_period_ignores_a_time_zone(harness: JobsHarness) -> None:
    schedule = await create(harness, time_zone="Asia/Tokyo")
    assert (schedule["period_s"], schedule["time_zone"]) == (HOUR_S, None)
    zone = {"schedule_id": schedule["schedule_id"], "time_zone": "Asia/Tokyo"}
    changed = await harness.call("jobs.schedules.update", zone)
    assert (changed["time_zone"], changed["next_run_at"]) == (None, schedule["next_run_at"])


async def test_a_deleted_schedule_takes_its_record_along(harness: JobsHarness) -> None:
    schedule_id = (await create(harness))["schedule_id"]
    await harness.call("jobs.schedules.run", {"schedule_id": schedule_id})
    assert await harness.call("jobs.schedules.delete", {"schedule_id": schedule_id}) == {"schedule_id": schedule_id}
    await harness.run_pending()
    assert harness.named("jobs.schedule_deleted")[0]["schedule_id"] == schedule_id
    assert (await runs(harness), (await harness.call("jobs.schedules.list"))["schedules"]) == ([], [])


async def test_the_sidecars_own_schedules_cannot_be_deleted_or_get_another_content(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    for method, params in (("delete", {}), ("update", {"payload": {"name": "b"}}), ("update", {"title": "Mine"})):
        with pytest.raises(RemoteError) as refused:
            await harness.call(f"jobs.schedules.{method}", {"schedule_id": "s", **params})
        assert refused.value.kind == "schedule_fixed"
    changed = await harness.call("jobs.schedules.update", {"schedule_id": "s", "period_s": 60, "enabled": False})
    assert (changed["period_s"], changed["enabled"], changed["fixed"]) == (60, False, True)


async def test_at_most_two_hundred_schedules_can_be_made(harness: JobsHarness) -> None:
    for _ in range(200):
        await create(harness)
    with pytest.raises(RemoteError) as refused:
        await create(harness)
    assert refused.value.kind == "too_many_schedules"


async def test_old_runs_are_forgotten(harness: JobsHarness) -> None:
    await create(harness, rrule="FREQ=DAILY;BYHOUR=9", time_zone="UTC", misfire_policy="skip")
    async with harness.working():
        for _ in range(120):
            await harness.pass_time(DAY_S)
    listed = await runs(harness)
    assert (len(listed), listed[0]["scheduled_for"][:10]) == (90, "2026-12-23")
    [*_, last] = listed
    assert await runs(harness, since=last["scheduled_for"], status="missed") == [last]


async def test_runs_are_listed_in_pages(harness: JobsHarness) -> None:
    await create(harness, period_s=MINUTE_S, misfire_policy="skip")
    async with harness.working():
        await harness.run_pending()
        await harness.pass_time(HOUR_S)
    page = await harness.call("jobs.schedules.runs.list", {"limit": 30})
    rest = await harness.call("jobs.schedules.runs.list", {"limit": 30, "cursor": page["next_cursor"]})
    found = [one["scheduled_for"] for one in page["runs"] + rest["runs"]]
    assert (found, rest["next_cursor"]) == (sorted(found, reverse=True), None)
