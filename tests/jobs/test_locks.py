"""Which jobs run at once: locks, limits per type and in total, and a paused queue."""

import sqlite3
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.entities import JobStatus, WaitingFor

from sidecar.job_handler import JobFailed, JobSnoozed, Registration
from tests.jobs.harness import JobsHarness, RepeatableJob, SerialJob, SimpleJob, open_harness

pytestmark = pytest.mark.usefixtures("unblocked")

AT = "2026-11-23T08:00:00.000Z"
SESSION = "0b3ec0b8-7c4a-4c52-9d57-6a1d4f2f6c11"
OTHER_SESSION = "9f0d2a55-31b1-4d3f-8f0e-52c7f1f3a922"


async def spawn(harness: JobsHarness, prompt: str, session_id: str | None = None) -> str:
    """Returns the id of a new Claude run's job."""
    created: dict[str, Any] = await harness.call("claude.spawn", {"prompt": prompt, "session_id": session_id})
    job_id: str = created["job_id"]
    return job_id


async def waiting_for(harness: JobsHarness, job_id: str) -> str | None:
    """Returns what a queued job waits for."""
    job = await harness.get_job(job_id)
    assert job["status"] == "queued"
    reason: str | None = job["waiting_for"]
    return reason


async def test_two_runs_of_one_claude_session_never_run_at_once(harness: JobsHarness) -> None:
    harness.registrations["claude.run"] = Registration(RunClaude, harness.handler, concurrency=4)
    first, second = await spawn(harness, "one", SESSION), await spawn(harness, "two", SESSION)
    async with harness.working():
        run = await harness.handler.next_run("one")
        await spawn(harness, "elsewhere", OTHER_SESSION)
        await spawn(harness, "new session")
        await harness.handler.next_run("elsewhere")
        await harness.handler.next_run("new session")
        assert await waiting_for(harness, second) == "lock"
        run.succeed()
        await harness.until_updated(first, status="succeeded")
        (await harness.handler.next_run("two")).succeed()
        assert (await harness.until_updated(second, status="running"))["waiting_for"] is None
        await harness.until_updated(second, status="succeeded")
    assert harness.handler.started == ["one", "elsewhere", "new session", "two"]
    assert harness.handler.max_running[f"claude:session:{SESSION}"] == 1


async def test_a_job_created_while_its_lock_is_held_has_waiting_for_lock_at_once(harness: JobsHarness) -> None:
    async with harness.working():
        await harness.create_job("a", lock="k")
        run = await harness.handler.next_run("a")
        created = await harness.call("jobs.create", {"type": "work.simple", "payload": {"name": "b", "lock": "k"}})
        job_id = created["job"]["job_id"]
        assert created["job"]["waiting_for"] == "lock"
        listed = await harness.call("jobs.list", {"status": "queued"})
        assert listed["jobs"] == [created["job"]] == harness.snapshots(job_id) == [await harness.get_job(job_id)]
        run.succeed()
        await harness.handler.next_run("b")
        assert [job["waiting_for"] for job in harness.snapshots(job_id)] == ["lock", None]


@pytest.mark.parametrize("kept", [0, 1])
async def test_no_job_of_a_lock_is_stopped_unless_all_can_be(kept: int, harness: JobsHarness) -> None:
    async with harness.working():
        first = await harness.create_job("a", lock="k")
        run = await harness.handler.next_run("a")
        second = await harness.create_job("b", lock="k")
        with harness.database.write():
            harness.database.execute(
                f"CREATE TRIGGER kept BEFORE UPDATE ON jobs WHEN new.job_id = '{(first, second)[kept]}'"
                " BEGIN SELECT raise(FAIL, 'disk error'); END"
            )
        with pytest.raises(sqlite3.Error):
            harness.runtime.queue.cancel_by_lock_key("k", JobStatus.RUNNING, JobStatus.QUEUED)
        with harness.database.write():
            harness.database.execute("DROP TRIGGER kept")
        run.succeed()
        assert (await harness.until_updated(first, status="succeeded"))["cancel_requested"] is False
        (await harness.handler.next_run("b")).succeed()
        await harness.until_updated(second, status="succeeded")


async def test_jobs_wait_for_a_lock_that_was_acquired_during_a_run(harness: JobsHarness) -> None:
    holder = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        await harness.create_job("b", lock="k")
        (await harness.handler.next_run("b")).succeed()  # no job holds the lock yet
        await harness.run_pending()
        run.context.lock("k")
        waiting = await harness.create_job("c", lock="k")
        await harness.run_pending()
        assert await waiting_for(harness, waiting) == "lock"
        run.succeed()
        await harness.until_updated(holder, status="succeeded")
        await harness.handler.next_run("c")
    assert harness.handler.started == ["a", "b", "c"]


async def test_a_run_holds_the_lock_of_the_session_that_it_started(harness: JobsHarness) -> None:
    await spawn(harness, "one")
    async with harness.working():
        run = await harness.handler.next_run("one")
        run.context.lock(f"claude:session:{SESSION}")
        second = await spawn(harness, "two", SESSION)
        await harness.run_pending()
        assert await waiting_for(harness, second) == "lock"
        run.succeed()
        await harness.handler.next_run("two")


async def test_jobs_with_the_same_lock_run_in_order_of_creation(harness: JobsHarness) -> None:
    for name in "abcdef":
        await harness.create_job(name, lock="even" if name in "bdf" else "odd")
    async with harness.working():
        for name in "abcdef":
            (await harness.handler.next_run(name)).succeed()
        await harness.run_pending()
    for names in ("bdf", "ace"):
        assert [name for name in harness.handler.started if name in names] == list(names)
    assert (harness.handler.max_running["even"], harness.handler.max_running["odd"]) == (1, 1)


async def test_jobs_with_the_same_lock_run_by_priority(harness: JobsHarness) -> None:
    await harness.create_job("a", lock="k")
    async with harness.working():
        run = await harness.handler.next_run("a")
        for name, priority in (("low", -1), ("normal", 0), ("high", 5), ("as high", 5)):
            await harness.create_job(name, lock="k", priority=priority)
        run.succeed()
        for name in ("high", "as high", "normal", "low"):
            (await harness.handler.next_run(name)).succeed()
    assert harness.handler.started == ["a", "high", "as high", "normal", "low"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (JobFailed("Busy.", kind="busy", retryable=True), "retry"),
        (JobSnoozed("Offline.", delay_s=5, waiting_for=WaitingFor.NETWORK), "network"),
    ],
)
async def test_a_requeued_job_releases_its_lock_until_it_runs_again(
    harness: JobsHarness, error: Exception, reason: str
) -> None:
    first, second = (
        await harness.create_job("a", RepeatableJob, lock="k"),
        await harness.create_job("b", RepeatableJob, lock="k"),
    )
    async with harness.working():
        (await harness.handler.next_run("a")).fail(error)
        assert (await harness.until_updated(first, run_at=f"2026-11-23T08:00:0{2 if reason == 'retry' else 5}.000Z"))[
            "waiting_for"
        ] == reason
        run = await harness.handler.next_run("b")
        assert await waiting_for(harness, first) == "lock"
        await harness.pass_time(10)
        assert await waiting_for(harness, first) == "lock"
        run.succeed()
        await harness.until_updated(second, status="succeeded")
        await harness.handler.next_run("a")


async def test_a_cancelled_job_releases_its_lock(harness: JobsHarness) -> None:
    first = await harness.create_job("a", lock="k")
    await harness.create_job("b", lock="k")
    async with harness.working():
        await harness.handler.next_run("a")
        await harness.call("jobs.cancel", {"job_id": first})
        await harness.handler.next_run("b")


async def test_a_type_at_its_limit_does_not_block_other_types(harness: JobsHarness) -> None:
    for name in "abc":
        await harness.create_job(name, SerialJob)
    await harness.create_job("other")
    async with harness.working():
        run = await harness.handler.next_run("a")
        await harness.handler.next_run("other")
        await harness.run_pending()
        assert harness.handler.started == ["a", "other"]
        run.succeed()
        (await harness.handler.next_run("b")).succeed()
        (await harness.handler.next_run("c")).succeed()
        await harness.run_pending()
    assert (harness.handler.started, harness.handler.max_running["work.serial"]) == (["a", "other", "b", "c"], 1)


async def test_a_registration_overrides_the_concurrency_of_its_type(harness: JobsHarness) -> None:
    harness.registrations["work.serial"] = Registration(SerialJob, harness.handler, concurrency=2)
    for name in "abc":
        await harness.create_job(name, SerialJob)
    async with harness.working():
        (await harness.handler.next_run("a")).succeed()
        (await harness.handler.next_run("c")).succeed()
    assert harness.handler.max_running["work.serial"] == 2


async def test_types_of_one_pool_share_its_limit(harness: JobsHarness) -> None:
    for spec in (SimpleJob, RepeatableJob):
        harness.registrations[spec.type] = Registration(spec, harness.handler, concurrency=2, pool="shared")
    for number in range(6):
        await harness.create_job(str(number), RepeatableJob if number % 2 else SimpleJob)
    async with harness.working():
        for number in range(6):
            (await harness.handler.next_run(str(number))).succeed()
        await harness.run_pending()
    assert (harness.handler.max_running["all"], harness.store.counts()) == (2, {"succeeded": 6})


async def test_at_most_eight_jobs_run_at_once(harness: JobsHarness) -> None:
    for number in range(12):
        await harness.create_job(str(number), RepeatableJob if number % 2 else SimpleJob)
    async with harness.working():
        runs = [await harness.handler.next_run(str(number)) for number in range(8)]
        await harness.run_pending()
        assert len(harness.handler.started) == 8
        for run in runs:
            run.succeed()
        for number in range(8, 12):
            (await harness.handler.next_run(str(number))).succeed()
        await harness.run_pending()
    assert (harness.handler.max_running["all"], harness.store.counts()) == (8, {"succeeded": 12})


@pytest.mark.parametrize("paused", [False, True], ids=["full", "paused"])
async def test_a_worker_that_cannot_start_jobs_does_not_poll(
    harness: JobsHarness, monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    names = [] if paused else [str(number) for number in range(8)]
    for name in names:
        await harness.create_job(name)
    if paused:
        await harness.call("jobs.queue.pause")
    await harness.create_job("late", run_at="2026-11-23T08:00:10Z")
    async with harness.working():
        for name in names:
            await harness.handler.next_run(name)
        await harness.pass_time(20)
        ticks: list[None] = []
        monkeypatch.setattr(harness.scheduler, "tick", lambda: ticks.append(None))
        harness.look_for_jobs()
        await anyio.sleep(0.05)
        assert (len(ticks), harness.handler.started) == (1, names)


async def test_a_paused_queue_starts_no_jobs_but_finishes_running_ones(harness: JobsHarness) -> None:
    running = await harness.create_job("a")
    async with harness.working():
        run = await harness.handler.next_run("a")
        paused = await harness.call("jobs.queue.pause")
        assert paused == {"paused": True, "paused_at": AT, "counts": {"running": 1}}
        waiting = await harness.create_job("b", priority=100)
        run.succeed()
        await harness.until_updated(running, status="succeeded")
        await harness.pass_time(3600)
        assert harness.handler.started == ["a"]
        assert await waiting_for(harness, waiting) == "pause"
        state = {"paused": True, "paused_at": AT, "counts": {"succeeded": 1, "queued": 1}}
        assert await harness.call("jobs.queue.get") == state
        assert await harness.call("jobs.queue.resume") == state | {"paused": False, "paused_at": None}
        (await harness.handler.next_run("b")).succeed()
        await harness.until_updated(waiting, status="succeeded")


async def test_only_a_change_of_the_pause_is_notified(harness: JobsHarness) -> None:
    for method in ("resume", "pause", "pause", "pause", "resume", "resume"):
        await harness.call(f"jobs.queue.{method}")
        harness.clock.advance(1)
    assert [params["queue"] for params in harness.named("jobs.queue_updated")] == [
        {"paused": True, "paused_at": "2026-11-23T08:00:01.000Z", "counts": {}},
        {"paused": False, "paused_at": None, "counts": {}},
    ]


async def test_a_pause_survives_a_restart(data_dir: Path) -> None:
    path = data_dir / "sidecar.db"
    async with open_harness(path) as harness:
        await harness.create_job("a")
        await harness.call("jobs.queue.pause")
    async with open_harness(path) as harness:
        assert await harness.call("jobs.queue.get") == {"paused": True, "paused_at": AT, "counts": {"queued": 1}}
        async with harness.working():
            await harness.pass_time(60)
            assert harness.handler.started == []
            await harness.call("jobs.queue.resume")
            await harness.handler.next_run("a")
    async with open_harness(path) as harness:
        assert (await harness.call("jobs.queue.get"))["paused"] is False


async def test_jobs_of_a_paused_queue_can_be_cancelled_and_retried(harness: JobsHarness) -> None:
    await harness.call("jobs.queue.pause")
    job_id = await harness.create_job("a")
    assert (await harness.call("jobs.cancel", {"job_id": job_id}))["status"] == "cancelled"
    assert (await harness.call("jobs.retry", {"job_id": job_id}))["status"] == "queued"
    async with harness.working():
        await harness.pass_time(60)
        assert harness.handler.started == []
