"""Schedules: on a grid of the wall clock, through restarts, long nights and clocks that are set."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.jobs import Schedule

from sidecar.commandline.client import RemoteError
from sidecar.features import FEATURES
from tests.in_process_app import PATIENCE_S, ManualClock
from tests.jobs.harness import Again, Shop, Work, open_shop

AT = "2026-11-23T08:00:00.000Z"
HOUR_S = 3600
DAY_S = 24 * HOUR_S


async def schedules(shop: Shop) -> dict[str, dict[str, Any]]:
    """All of them, by id."""
    listed = (await shop.call("jobs.schedules.list"))["schedules"]
    return {schedule["schedule_id"]: schedule for schedule in listed}


async def run_now(shop: Shop, schedule_id: str = "s") -> dict[str, Any]:
    """The job that is made by hand, or is still live."""
    job: dict[str, Any] = await shop.call("jobs.schedules.run", {"schedule_id": schedule_id})
    return job


def made_at(shop: Shop, schedule_id: str = "s") -> list[str]:
    """When the jobs of a schedule were made, by what `jobs.updated` said."""
    jobs = [params["job"] for params in shop.named("jobs.updated")]
    return [job["created_at"][11:16] for job in jobs if job["schedule_id"] == schedule_id and job["version"] == 1]


async def finish(shop: Shop, name: str) -> None:
    """Let a scheduled job succeed, if it runs or is about to."""
    (await shop.hands.next(name)).succeed()
    await shop.settle()


async def test_a_new_schedule_runs_first_at_the_next_point_of_its_grid(shop: Shop) -> None:
    shop.clock.advance(20 * 60)
    shop.scheduler.ensure("s", Work(name="a", key="k"), period_s=HOUR_S)
    listed = await shop.call("jobs.schedules.list")
    expected = {
        "schedule_id": "s",
        "type": "work.once",
        "payload": {"name": "a", "key": "k"},
        "period_s": HOUR_S,
        "enabled": True,
        "next_run_at": "2026-11-23T09:00:00.000Z",
        "last_run_at": None,
        "last_job_id": None,
    }
    assert listed == {"schedules": [expected]}
    assert json.loads(Schedule.model_validate_json(json.dumps(expected), strict=True).model_dump_json()) == expected
    async with shop.working():
        await shop.pass_time(40 * 60 - 0.001)
        assert made_at(shop) == []
        await shop.pass_time(0.001)
        await finish(shop, "a")
    job = [params["job"] for params in shop.named("jobs.updated")][-1]
    assert (job["schedule_id"], job["status"], job["payload"]) == ("s", "succeeded", {"name": "a", "key": "k"})
    after = expected | {
        "next_run_at": "2026-11-23T10:00:00.000Z",
        "last_run_at": "2026-11-23T09:00:00.000Z",
        "last_job_id": job["job_id"],
    }
    assert await schedules(shop) == {"s": after}
    assert [params["schedule"] for params in shop.named("jobs.schedule_updated")] == [after]
    assert json.loads(Schedule.model_validate_json(json.dumps(after), strict=True).model_dump_json()) == after


async def test_a_schedule_fires_on_its_grid_however_late_the_worker_looks(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    async with shop.working():
        for minutes in (61, 62, 58, 59, 65):
            await shop.pass_time(minutes * 60)
            await finish(shop, "a")
    assert made_at(shop) == ["09:01", "10:03", "11:01", "12:00", "13:05"]


async def test_a_period_longer_than_the_app_is_ever_open_still_fires(data_dir: Path) -> None:
    clock = ManualClock()
    made: list[str] = []
    for _ in range(30):  # opened for a minute, once in an hour
        async with open_shop(data_dir / "sidecar.db", clock) as shop:
            shop.scheduler.ensure("s", Work(name="a"), period_s=DAY_S)
            async with shop.working():
                await shop.settle()
                if shop.hands.order:
                    await finish(shop, "a")
                await shop.pass_time(60)
            made += made_at(shop)
        clock.advance(HOUR_S - 60)
    assert made == ["00:00"]


async def test_no_restart_moves_the_grid(data_dir: Path) -> None:
    clock = ManualClock()
    for _ in range(3):
        clock.advance(17 * 60)
        async with open_shop(data_dir / "sidecar.db", clock) as shop:
            shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
            assert (await schedules(shop))["s"]["next_run_at"] == "2026-11-23T09:00:00.000Z"


async def test_while_its_job_is_live_a_schedule_makes_no_other(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    async with shop.working():
        await shop.pass_time(HOUR_S)
        run = await shop.hands.next("a")
        for _ in range(3):
            await shop.pass_time(HOUR_S)
        assert made_at(shop) == ["09:00"]
        assert (await schedules(shop))["s"]["next_run_at"] == "2026-11-23T13:00:00.000Z"
        run.succeed()
        await shop.settle()
        await shop.pass_time(HOUR_S)
        assert made_at(shop) == ["09:00", "13:00"]


async def test_a_job_that_waits_for_its_next_try_is_live(shop: Shop) -> None:
    shop.scheduler.ensure("s", Again(name="a"), period_s=60)
    await shop.call("jobs.queue.pause")
    async with shop.working():
        for _ in range(5):
            await shop.pass_time(60)
    assert made_at(shop) == ["08:01"]


@pytest.mark.parametrize("at_work", [True, False], ids=["asleep", "closed"])
async def test_after_a_night_what_was_missed_is_made_up_for_once(data_dir: Path, at_work: bool) -> None:
    path, clock = data_dir / "sidecar.db", ManualClock()
    async with open_shop(path, clock) as shop:
        shop.scheduler.ensure("s", Work(name="a"), period_s=15 * 60)
        if at_work:
            async with shop.working():
                await shop.settle()
                await shop.pass_time(12 * HOUR_S + 60)
                await finish(shop, "a")
                await shop.pass_time(14 * 60)
                await finish(shop, "a")
                assert made_at(shop) == ["20:01", "20:15"]
            return
    clock.advance(12 * HOUR_S + 60)
    async with open_shop(path, clock) as shop, shop.working():
        await finish(shop, "a")
        await shop.pass_time(14 * 60)
        await finish(shop, "a")
        assert made_at(shop) == ["20:01", "20:15"]


def next_runs(shop: Shop, ids: list[str], *, period_s: int, jitter_s: int) -> dict[str, str]:
    """When schedules with these ids run next."""
    for schedule_id in ids:
        shop.scheduler.ensure(schedule_id, Work(), period_s=period_s, jitter_s=jitter_s)
    rows = shop.database.rows("SELECT schedule_id, next_run_at FROM job_schedules")
    return dict(rows)


async def test_schedules_spread_over_their_jitter_and_stay_where_they_are(shop: Shop, tmp_path: Path) -> None:
    ids = [f"calendar:{number}" for number in range(50)]
    here = next_runs(shop, ids, period_s=HOUR_S, jitter_s=10 * 60)
    assert all(AT < moment < "2026-11-23T08:10:00.000Z" for moment in here.values())
    assert len(set(here.values())) > 45
    assert min(here.values()) < "2026-11-23T08:01:00"
    assert max(here.values()) > "2026-11-23T08:08:00"
    async with open_shop(tmp_path / "another.db") as elsewhere:
        assert next_runs(elsewhere, ids, period_s=HOUR_S, jitter_s=10 * 60) == here
    async with shop.working():
        await shop.pass_time(HOUR_S)
    later = {schedule_id: moment.replace("T08", "T09") for schedule_id, moment in here.items()}
    assert {one: schedule["next_run_at"] for one, schedule in (await schedules(shop)).items()} == later


async def test_a_clock_that_is_set_ahead_makes_one_run_and_one_that_is_set_back_none_is_lost(shop: Shop) -> None:
    for schedule_id, period_s in (("short", 60), ("hour", HOUR_S), ("day", DAY_S)):
        shop.scheduler.ensure(schedule_id, Work(name=schedule_id), period_s=period_s)
    shop.clock.advance(30)
    async with shop.working():
        shop.clock.wall_ms += 8 * HOUR_S * 1000
        await shop.pass_time(0)
        await finish(shop, "short")
        await finish(shop, "hour")
        assert shop.hands.order == ["short", "hour"]
        shop.clock.wall_ms -= 9 * HOUR_S * 1000
        await shop.pass_time(0)
        assert shop.hands.order == ["short", "hour"]
        moved = {one: schedule["next_run_at"][5:16] for one, schedule in (await schedules(shop)).items()}
        assert moved == {"short": "11-23T07:01", "hour": "11-23T08:00", "day": "11-24T00:00"}
        await shop.pass_time(30)
        await finish(shop, "short")
        await shop.pass_time(59 * 60)
        await finish(shop, "short")
        await finish(shop, "hour")
        await shop.pass_time(16 * HOUR_S)
        await finish(shop, "day")
    assert [shop.hands.order.count(name) for name in ("short", "hour", "day")] == [4, 3, 1]


async def test_after_a_sleep_what_is_due_is_found_as_soon_as_the_host_says_so(shop: Shop) -> None:
    shop.scheduler.ensure("hour", Work(name="hour"), period_s=HOUR_S)
    await shop.make("later", run_at="2026-11-23T09:30:00Z")
    async with shop.working():
        await shop.settle()
        shop.clock.wall_ms += 2 * HOUR_S * 1000  # the timers have not moved
        await shop.settle()
        assert shop.hands.order == []
        assert (await shop.call("jobs.queue.wake"))["counts"]["queued"] == 1
        await finish(shop, "later")
        await finish(shop, "hour")


async def test_a_clock_that_wavers_by_a_moment_fires_nothing_twice(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=60)
    async with shop.working():
        await shop.pass_time(60)
        await finish(shop, "a")
        for step_ms in (-400, 400, -900, 900):
            shop.clock.wall_ms += step_ms
            await shop.pass_time(0)
        assert made_at(shop) == ["08:01"]


async def test_a_changed_period_counts_from_now_on_the_same_grid(shop: Shop) -> None:
    shop.clock.advance(100)
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    changed = await shop.call("jobs.schedules.update", {"schedule_id": "s", "period_s": 15 * 60})
    assert changed == (await schedules(shop))["s"]
    assert (changed["period_s"], changed["next_run_at"]) == (15 * 60, "2026-11-23T08:15:00.000Z")
    assert [params["schedule"] for params in shop.named("jobs.schedule_updated")] == [changed]
    async with shop.working():
        await shop.pass_time(15 * 60 - 100)
        await finish(shop, "a")
    assert made_at(shop) == ["08:15"]


async def test_a_disabled_schedule_fires_nothing_and_does_not_catch_up(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    off = await shop.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False})
    assert (off["enabled"], off["period_s"]) == (False, HOUR_S)
    async with shop.working():
        await shop.pass_time(5 * HOUR_S + 60)
        on = await shop.call("jobs.schedules.update", {"schedule_id": "s", "enabled": True})
        assert (on["enabled"], on["next_run_at"]) == (True, "2026-11-23T14:00:00.000Z")
        await shop.settle()
        assert made_at(shop) == []
        await shop.pass_time(59 * 60)
        assert made_at(shop) == ["14:00"]


async def test_a_disabled_schedule_runs_by_hand(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    await shop.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False})
    async with shop.working():
        job = await run_now(shop)
        await finish(shop, "a")
        assert (await shop.get(job["job_id"]))["status"] == "succeeded"


async def test_a_run_by_hand_does_not_move_the_grid(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    shop.clock.advance(10 * 60)
    before = (await schedules(shop))["s"]
    job = await run_now(shop)
    assert (job["status"], job["schedule_id"], job["payload"]) == ("queued", "s", {"name": "a", "key": None})
    after = before | {"last_run_at": "2026-11-23T08:10:00.000Z", "last_job_id": job["job_id"]}
    assert (await schedules(shop))["s"] == after
    assert [params["schedule"] for params in shop.named("jobs.schedule_updated")] == [after]
    async with shop.working():
        await finish(shop, "a")
        await shop.pass_time(50 * 60)
        await finish(shop, "a")
    assert made_at(shop) == ["08:10", "09:00"]


async def test_a_run_by_hand_answers_with_the_live_job_where_there_is_one(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    first = await run_now(shop)
    assert await run_now(shop) == first
    async with shop.working():
        run = await shop.hands.next("a")
        running = await run_now(shop)
        assert (running["job_id"], running["status"]) == (first["job_id"], "running")
        run.succeed()
        await shop.seen(first["job_id"], status="succeeded")
        second = await run_now(shop)
        assert (second["job_id"] != first["job_id"], second["status"]) == (True, "queued")


@pytest.mark.parametrize("method", ["jobs.schedules.run", "jobs.schedules.update"])
async def test_a_schedule_that_does_not_exist_is_not_found(shop: Shop, method: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await shop.call(method, {"schedule_id": "nobody"})
    assert (refused.value.code, refused.value.kind) == (4044, "schedule_not_found")


@pytest.mark.parametrize("period_s", [0, 59, 366 * DAY_S + 1, 60.0])
async def test_a_period_that_makes_no_sense_is_refused(shop: Shop, period_s: float) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    before = await schedules(shop)
    with pytest.raises(RemoteError) as refused:
        await shop.call("jobs.schedules.update", {"schedule_id": "s", "period_s": period_s})
    assert refused.value.kind == "invalid_params"
    assert await schedules(shop) == before


async def test_a_schedule_of_an_unknown_type_is_passed_over(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.scheduler.ensure("gone", Again(name="gone"), period_s=HOUR_S)
    shop.scheduler.ensure("unfit", Work(name="unfit"), period_s=HOUR_S)
    shop.scheduler.ensure("well", Work(name="well"), period_s=HOUR_S)
    del shop.specs["work.again"]
    with shop.database.write():
        shop.database.execute("UPDATE job_schedules SET payload_json = '[]' WHERE schedule_id = 'unfit'")
    async with shop.working():
        await shop.pass_time(HOUR_S)
        await finish(shop, "well")
        await shop.pass_time(HOUR_S)
        await finish(shop, "well")
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 4
    after = await schedules(shop)
    assert {one: schedule["next_run_at"][11:16] for one, schedule in after.items()} == dict.fromkeys(after, "11:00")
    with pytest.raises(RemoteError) as refused:
        await run_now(shop, "gone")
    assert (refused.value.kind, refused.value.data["hint"]) == (
        "schedule_not_found",
        "This version cannot run jobs of the schedule's type.",
    )


async def test_what_a_user_has_changed_stays_so(data_dir: Path) -> None:
    path, clock = data_dir / "sidecar.db", ManualClock()
    async with open_shop(path, clock) as shop:
        shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
        await shop.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False, "period_s": 2 * HOUR_S})
        changed = await schedules(shop)
    async with open_shop(path, clock) as shop:
        shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
        assert await schedules(shop) == changed


async def test_a_schedule_that_was_removed_makes_no_more_jobs(shop: Shop) -> None:
    shop.scheduler.ensure("s", Work(name="a"), period_s=HOUR_S)
    shop.scheduler.remove("s")
    async with shop.working():
        await shop.pass_time(DAY_S)
    assert (await schedules(shop), made_at(shop)) == ({}, [])


async def start_and_stop(shop: Shop) -> None:
    """What the process does: the real job types, the real maintenance."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(shop.features.run_work, lambda: None)
        with anyio.fail_after(PATIENCE_S):
            while shop.job_queue.worker is None:
                await shop.tick()
            await shop.settle()
        await shop.features.stop_work(PATIENCE_S)


async def test_a_locked_database_does_not_keep_the_work_from_beginning(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for name in FEATURES:
        shop.features.get(name)  # some create their indexes, which the lock would prevent
    shop.unit_of_work.commit()
    shop.database.rows("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(shop.database.path, isolation_level=None)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        await start_and_stop(shop)
    assert [one.getMessage() for one in caplog.records if one.levelname == "ERROR"] == [
        "the maintenance could not be scheduled; the next start tries again"
    ]
    await start_and_stop(shop)
    assert len(await schedules(shop)) == 3


async def test_the_database_is_looked_after_unasked(shop: Shop) -> None:
    await start_and_stop(shop)
    after = await schedules(shop)
    assert {
        one: (schedule["type"], schedule["period_s"], schedule["next_run_at"]) for one, schedule in after.items()
    } == {
        "maintenance.backup": ("maintenance.backup", DAY_S, "2026-11-24T00:00:00.000Z"),
        "maintenance.prune": ("maintenance.prune", DAY_S, "2026-11-24T00:00:00.000Z"),
        "maintenance.vacuum": ("maintenance.vacuum", 7 * DAY_S, "2026-11-26T00:00:00.000Z"),
    }
