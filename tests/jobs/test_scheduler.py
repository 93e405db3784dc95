"""Schedules on the wall-clock grid, through restarts, standby and changes of the clock."""

import json
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.jobs.schedules import Schedule

from sidecar.commandline.client import RemoteError
from tests.in_process_app import ManualClock
from tests.jobs.harness import JobsHarness, RepeatableJob, SimpleJob, open_harness

AT = "2026-11-23T08:00:00.000Z"
HOUR_S = 3600
DAY_S = 24 * HOUR_S


async def schedules(harness: JobsHarness) -> dict[str, dict[str, Any]]:
    """Returns all schedules by id."""
    listed = (await harness.call("jobs.schedules.list"))["schedules"]
    return {schedule["schedule_id"]: schedule for schedule in listed}


async def run_now(harness: JobsHarness, schedule_id: str = "s") -> dict[str, Any]:
    """Returns the result of `jobs.schedules.run`."""
    job: dict[str, Any] = await harness.call("jobs.schedules.run", {"schedule_id": schedule_id})
    return job


def creation_times(harness: JobsHarness, schedule_id: str = "s") -> list[str]:
    """Returns when the jobs of a schedule were created, from `jobs.updated`, as HH:MM."""
    jobs = [params["job"] for params in harness.named("jobs.updated")]
    return [job["created_at"][11:16] for job in jobs if job["schedule_id"] == schedule_id and job["version"] == 1]


async def finish(harness: JobsHarness, name: str) -> None:
    """Waits for the next run of this job and makes it succeed."""
    (await harness.handler.next_run(name)).succeed()
    await harness.run_pending()


async def test_a_new_schedule_runs_at_the_next_point_of_its_grid(harness: JobsHarness) -> None:
    harness.clock.advance(20 * 60)
    harness.scheduler.ensure("s", SimpleJob(name="a", lock="k"), period_s=HOUR_S)
    listed = await harness.call("jobs.schedules.list")
    expected = {
        "schedule_id": "s",
        "title": None,
        "type": "work.simple",
        "payload": {"name": "a", "lock": "k"},
        "period_s": HOUR_S,
        "rrule": None,
        "start": None,
        "time_zone": None,
        "misfire_policy": "run_once",
        "fixed": True,
        "enabled": True,
        "next_run_at": "2026-11-23T09:00:00.000Z",
        "last_run_at": None,
        "last_job_id": None,
    }
    assert listed == {"schedules": [expected]}
    assert json.loads(Schedule.model_validate_json(json.dumps(expected), strict=True).model_dump_json()) == expected
    async with harness.working():
        await harness.pass_time(40 * 60 - 0.001)
        assert creation_times(harness) == []
        await harness.pass_time(0.001)
        await finish(harness, "a")
    job = [params["job"] for params in harness.named("jobs.updated")][-1]
    assert (job["schedule_id"], job["status"], job["payload"]) == ("s", "succeeded", {"name": "a", "lock": "k"})
    after = expected | {
        "next_run_at": "2026-11-23T10:00:00.000Z",
        "last_run_at": "2026-11-23T09:00:00.000Z",
        "last_job_id": job["job_id"],
    }
    assert await schedules(harness) == {"s": after}
    assert [params["schedule"] for params in harness.named("jobs.schedule_updated")[1:]] == [after]
    assert json.loads(Schedule.model_validate_json(json.dumps(after), strict=True).model_dump_json()) == after


async def test_late_runs_do_not_move_the_grid(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    async with harness.working():
        for minutes in (61, 62, 58, 59, 65):
            await harness.pass_time(minutes * 60)
            await finish(harness, "a")
    assert creation_times(harness) == ["09:01", "10:03", "11:01", "12:00", "13:05"]


async def test_a_period_longer_than_any_session_still_fires(data_dir: Path) -> None:
    clock = ManualClock()
    created: list[str] = []
    for _ in range(30):  # the app is open for one minute per hour
        async with open_harness(data_dir / "sidecar.db", clock) as harness:
            harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=DAY_S)
            async with harness.working():
                await harness.run_pending()
                if harness.handler.started:
                    await finish(harness, "a")
                await harness.pass_time(60)
            created += creation_times(harness)
        clock.advance(HOUR_S - 60)
    assert created == ["00:00"]


async def test_a_restart_does_not_move_the_grid(data_dir: Path) -> None:
    clock = ManualClock()
    for _ in range(3):
        clock.advance(17 * 60)
        async with open_harness(data_dir / "sidecar.db", clock) as harness:
            harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
            assert (await schedules(harness))["s"]["next_run_at"] == "2026-11-23T09:00:00.000Z"


async def test_a_schedule_skips_runs_while_its_job_is_unfinished(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    async with harness.working():
        await harness.pass_time(HOUR_S)
        run = await harness.handler.next_run("a")
        for _ in range(3):
            await harness.pass_time(HOUR_S)
        assert creation_times(harness) == ["09:00"]
        assert (await schedules(harness))["s"]["next_run_at"] == "2026-11-23T13:00:00.000Z"
        run.succeed()
        await harness.run_pending()
        await harness.pass_time(HOUR_S)
        assert creation_times(harness) == ["09:00", "13:00"]


async def test_a_queued_job_counts_as_unfinished(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", RepeatableJob(name="a"), period_s=60)
    await harness.call("jobs.queue.pause")
    async with harness.working():
        for _ in range(5):
            await harness.pass_time(60)
    assert creation_times(harness) == ["08:01"]


@pytest.mark.parametrize("in_standby", [True, False], ids=["standby", "closed"])
async def test_one_job_replaces_all_runs_missed_in_standby_or_between_sessions(
    data_dir: Path, in_standby: bool
) -> None:
    path, clock = data_dir / "sidecar.db", ManualClock()
    async with open_harness(path, clock) as harness:
        harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=15 * 60)
        if in_standby:
            async with harness.working():
                await harness.run_pending()
                await harness.pass_time(12 * HOUR_S + 60)
                await finish(harness, "a")
                await harness.pass_time(14 * 60)
                await finish(harness, "a")
                assert creation_times(harness) == ["20:01", "20:15"]
            return
    clock.advance(12 * HOUR_S + 60)
    async with open_harness(path, clock) as harness, harness.working():
        await finish(harness, "a")
        await harness.pass_time(14 * 60)
        await finish(harness, "a")
        assert creation_times(harness) == ["20:01", "20:15"]


def next_runs(harness: JobsHarness, ids: list[str], *, period_s: int, jitter_s: int) -> dict[str, str]:
    """Creates schedules with these ids; returns when each runs next."""
    for schedule_id in ids:
        harness.scheduler.ensure(schedule_id, SimpleJob(), period_s=period_s, jitter_s=jitter_s)
    rows = harness.database.rows("SELECT schedule_id, next_run_at FROM job_schedules")
    return dict(rows)


async def test_schedules_spread_over_their_jitter_and_keep_their_offset(harness: JobsHarness, tmp_path: Path) -> None:
    ids = [f"calendar:{number}" for number in range(50)]
    here = next_runs(harness, ids, period_s=HOUR_S, jitter_s=10 * 60)
    assert all(AT < moment < "2026-11-23T08:10:00.000Z" for moment in here.values())
    assert len(set(here.values())) > 45
    assert min(here.values()) < "2026-11-23T08:01:00"
    assert max(here.values()) > "2026-11-23T08:08:00"
    async with open_harness(tmp_path / "another.db") as elsewhere:
        assert next_runs(elsewhere, ids, period_s=HOUR_S, jitter_s=10 * 60) == here
    async with harness.working():
        await harness.pass_time(HOUR_S)
    later = {schedule_id: moment.replace("T08", "T09") for schedule_id, moment in here.items()}
    assert {one: schedule["next_run_at"] for one, schedule in (await schedules(harness)).items()} == later


async def test_setting_the_clock_forward_causes_one_run_and_setting_it_back_loses_none(
    harness: JobsHarness,
) -> None:
    for schedule_id, period_s in (("short", 60), ("hour", HOUR_S), ("day", DAY_S)):
        harness.scheduler.ensure(schedule_id, SimpleJob(name=schedule_id), period_s=period_s)
    harness.clock.advance(30)
    async with harness.working():
        harness.clock.wall_ms += 8 * HOUR_S * 1000
        await harness.pass_time(0)
        await finish(harness, "short")
        await finish(harness, "hour")
        assert harness.handler.started == ["short", "hour"]
        harness.clock.wall_ms -= 9 * HOUR_S * 1000
        await harness.pass_time(0)
        assert harness.handler.started == ["short", "hour"]
        moved = {one: schedule["next_run_at"][5:16] for one, schedule in (await schedules(harness)).items()}
        assert moved == {"short": "11-23T07:01", "hour": "11-23T08:00", "day": "11-24T00:00"}
        await harness.pass_time(30)
        await finish(harness, "short")
        await harness.pass_time(59 * 60)
        await finish(harness, "short")
        await finish(harness, "hour")
        await harness.pass_time(16 * HOUR_S)
        await finish(harness, "day")
    assert [harness.handler.started.count(name) for name in ("short", "hour", "day")] == [4, 3, 1]


async def test_overdue_jobs_start_on_jobs_queue_wake_after_standby(harness: JobsHarness) -> None:
    harness.scheduler.ensure("hour", SimpleJob(name="hour"), period_s=HOUR_S)
    await harness.create_job("later", run_at="2026-11-23T09:30:00Z")
    async with harness.working():
        await harness.run_pending()
        harness.clock.wall_ms += 2 * HOUR_S * 1000  # the timers have not moved
        await harness.run_pending()
        assert harness.handler.started == []
        assert (await harness.call("jobs.queue.wake"))["counts"]["queued"] == 1
        await finish(harness, "later")
        await finish(harness, "hour")


async def test_small_clock_adjustments_do_not_repeat_a_run(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=60)
    async with harness.working():
        await harness.pass_time(60)
        await finish(harness, "a")
        for step_ms in (-400, 400, -900, 900):
            harness.clock.wall_ms += step_ms
            await harness.pass_time(0)
        assert creation_times(harness) == ["08:01"]


async def test_a_changed_period_applies_from_now_on_with_the_same_offset(harness: JobsHarness) -> None:
    harness.clock.advance(100)
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    changed = await harness.call("jobs.schedules.update", {"schedule_id": "s", "period_s": 15 * 60})
    assert changed == (await schedules(harness))["s"]
    assert (changed["period_s"], changed["next_run_at"]) == (15 * 60, "2026-11-23T08:15:00.000Z")
    assert [params["schedule"] for params in harness.named("jobs.schedule_updated")[1:]] == [changed]
    async with harness.working():
        await harness.pass_time(15 * 60 - 100)
        await finish(harness, "a")
    assert creation_times(harness) == ["08:15"]


async def test_a_postponed_schedule_leaves_runs_out_and_continues_on_its_grid(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=15 * 60)
    assert harness.scheduler.postpone("s", HOUR_S + 60) == "2026-11-23T09:15:00.000Z"
    await harness.run_pending()
    assert [params["schedule"]["next_run_at"][11:16] for params in harness.named("jobs.schedule_updated")[1:]] == [
        "09:15"
    ]
    async with harness.working():
        for _ in range(2):
            await harness.pass_time(75 * 60)
            await finish(harness, "a")
        assert creation_times(harness)[0] == "09:15"
        assert harness.scheduler.postpone("s", DAY_S) == "2026-11-24T10:45:00.000Z"
        assert harness.scheduler.postpone("s", 0) == "2026-11-23T10:45:00.000Z", "undone"
        harness.scheduler.postpone("s", DAY_S)
        await harness.pass_time(0)
        harness.clock.wall_ms -= 40 * DAY_S * 1000
        await harness.pass_time(0)
        assert (await schedules(harness))["s"]["next_run_at"] == "2026-10-14T10:45:00.000Z", "the clock was set back"
    await harness.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False})
    assert harness.scheduler.postpone("s", HOUR_S) is None


async def test_a_disabled_schedule_does_not_run_or_catch_up(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    off = await harness.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False})
    assert (off["enabled"], off["period_s"]) == (False, HOUR_S)
    async with harness.working():
        await harness.pass_time(5 * HOUR_S + 60)
        on = await harness.call("jobs.schedules.update", {"schedule_id": "s", "enabled": True})
        assert (on["enabled"], on["next_run_at"]) == (True, "2026-11-23T14:00:00.000Z")
        await harness.run_pending()
        assert creation_times(harness) == []
        await harness.pass_time(59 * 60)
        assert creation_times(harness) == ["14:00"]


async def test_a_disabled_schedule_can_be_run_on_request(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    await harness.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False})
    async with harness.working():
        job = await run_now(harness)
        await finish(harness, "a")
        assert (await harness.get_job(job["job_id"]))["status"] == "succeeded"


async def test_a_run_on_request_does_not_move_the_grid(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    harness.clock.advance(10 * 60)
    before = (await schedules(harness))["s"]
    job = await run_now(harness)
    assert (job["status"], job["schedule_id"], job["payload"]) == ("queued", "s", {"name": "a", "lock": None})
    after = before | {"last_run_at": "2026-11-23T08:10:00.000Z", "last_job_id": job["job_id"]}
    assert (await schedules(harness))["s"] == after
    assert [params["schedule"] for params in harness.named("jobs.schedule_updated")[1:]] == [after]
    async with harness.working():
        await finish(harness, "a")
        await harness.pass_time(50 * 60)
        await finish(harness, "a")
    assert creation_times(harness) == ["08:10", "09:00"]


async def test_a_run_on_request_returns_the_unfinished_job_if_there_is_one(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    first = await run_now(harness)
    assert await run_now(harness) == first
    async with harness.working():
        run = await harness.handler.next_run("a")
        running = await run_now(harness)
        assert (running["job_id"], running["status"]) == (first["job_id"], "running")
        run.succeed()
        await harness.until_updated(first["job_id"], status="succeeded")
        second = await run_now(harness)
        assert (second["job_id"] != first["job_id"], second["status"]) == (True, "queued")


@pytest.mark.parametrize("method", ["jobs.schedules.run", "jobs.schedules.update"])
async def test_a_schedule_that_does_not_exist_is_not_found(harness: JobsHarness, method: str) -> None:
    with pytest.raises(RemoteError) as refused:
        await harness.call(method, {"schedule_id": "unknown"})
    assert (refused.value.code, refused.value.kind) == (4044, "schedule_not_found")


@pytest.mark.parametrize("period_s", [0, 59, 366 * DAY_S + 1, 60.5])
async def test_an_invalid_period_is_refused(harness: JobsHarness, period_s: float) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    before = await schedules(harness)
    with pytest.raises(RemoteError) as refused:
        await harness.call("jobs.schedules.update", {"schedule_id": "s", "period_s": period_s})
    assert refused.value.kind == "invalid_params"
    assert await schedules(harness) == before


async def test_a_schedule_with_an_unknown_type_or_an_invalid_payload_is_skipped(
    harness: JobsHarness, caplog: pytest.LogCaptureFixture
) -> None:
    harness.scheduler.ensure("unknown", RepeatableJob(name="unknown"), period_s=HOUR_S)
    harness.scheduler.ensure("invalid", SimpleJob(name="invalid"), period_s=HOUR_S)
    harness.scheduler.ensure("valid", SimpleJob(name="valid"), period_s=HOUR_S)
    del harness.specs["work.repeatable"]
    with harness.database.write():
        harness.database.execute("UPDATE job_schedules SET payload_json = '[]' WHERE schedule_id = 'invalid'")
    async with harness.working():
        await harness.pass_time(HOUR_S)
        await finish(harness, "valid")
        await harness.pass_time(HOUR_S)
        await finish(harness, "valid")
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 4
    after = await schedules(harness)
    assert {one: schedule["next_run_at"][11:16] for one, schedule in after.items()} == dict.fromkeys(after, "11:00")
    with pytest.raises(RemoteError) as refused:
        await run_now(harness, "unknown")
    assert (refused.value.kind, refused.value.data["hint"]) == (
        "schedule_not_found",
        "This version cannot run jobs of the schedule's type.",
    )


async def test_ensure_keeps_the_users_changes(data_dir: Path) -> None:
    path, clock = data_dir / "sidecar.db", ManualClock()
    async with open_harness(path, clock) as harness:
        harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
        await harness.call("jobs.schedules.update", {"schedule_id": "s", "enabled": False, "period_s": 2 * HOUR_S})
        changed = await schedules(harness)
    async with open_harness(path, clock) as harness:
        harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
        assert await schedules(harness) == changed


async def test_a_host_that_follows_the_notifications_knows_the_schedules_of_features(harness: JobsHarness) -> None:
    for schedule_id in ("kept", "kept", "removed"):
        harness.scheduler.ensure(schedule_id, SimpleJob(name="a"), period_s=HOUR_S)
    for _ in range(2):
        harness.scheduler.remove("removed")
    listed = (await harness.call("jobs.schedules.list"))["schedules"]
    added = [params["schedule"] for params in harness.named("jobs.schedule_updated")]
    deleted = [params["schedule_id"] for params in harness.named("jobs.schedule_deleted")]
    assert [one["schedule_id"] for one in added] == ["kept", "removed"]
    assert deleted == ["removed"]
    assert [one for one in added if one["schedule_id"] not in deleted] == listed


async def test_a_removed_schedule_creates_no_jobs(harness: JobsHarness) -> None:
    harness.scheduler.ensure("s", SimpleJob(name="a"), period_s=HOUR_S)
    harness.scheduler.remove("s")
    async with harness.working():
        await harness.pass_time(DAY_S)
    assert (await schedules(harness), creation_times(harness)) == ({}, [])
