"""Jobs that were running when the process ended, by a crash or a shutdown."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.entities import JobStatus

from sidecar.job_handler import JobFailed
from tests.in_process_app import ManualClock
from tests.jobs.harness import JobsHarness, NonRecoverableJob, RepeatableJob, SimpleJob, open_harness

AT = "2026-11-23T08:00:00.000Z"
CRASH = {
    "kind": "crash",
    "message": "The sidecar crashed while the job was running.",
    "hint": "Run it again if it is still needed.",
    "retryable": True,
    "details": None,
}
SHUTDOWN = {
    "kind": "shutdown",
    "message": "The sidecar was shut down while the job was running.",
    "hint": "Run it again.",
    "retryable": True,
    "details": None,
}
RECOVERY_LIMIT = {
    "kind": "recovery_limit",
    "message": "The sidecar crashed each time the job was running.",
    "hint": "The log shows what happened before the crashes.",
    "retryable": False,
    "details": None,
}


@pytest.fixture
def path(data_dir: Path) -> Path:
    return data_dir / "sidecar.db"


async def crash_while_running(path: Path, *specs: type[SimpleJob], clock: ManualClock | None = None) -> list[str]:
    """Returns the ids of jobs named `0`, `1` … of these types, which were running in a process that crashed."""
    async with open_harness(path, clock) as harness:
        ids = [await harness.create_job(str(number), spec) for number, spec in enumerate(specs)]
        claim_all(harness)
    return ids


def claim_all(harness: JobsHarness) -> None:
    """Claims all due jobs, as a worker does right before a crash."""
    while harness.journal.claim([]) is not None:
        pass


async def test_a_repeatable_job_runs_again_after_a_crash(path: Path) -> None:
    clock = ManualClock()
    (job_id,) = await crash_while_running(path, RepeatableJob, clock=clock)
    clock.advance(1)
    async with open_harness(path, clock) as harness:
        before = await harness.get_job(job_id)
        assert (before["status"], before["attempt"]) == ("running", 1)
        async with harness.working():
            run = await harness.handler.next_run("0")
            running = await harness.get_job(job_id)
            run.succeed("done")
            done = await harness.until_updated(job_id, status="succeeded")
        recovered = harness.snapshots(job_id)[0]
        assert recovered == before | {
            "status": "queued",
            "attempt": 0,
            "recoveries": 1,
            "updated_at": "2026-11-23T08:00:01.000Z",
            "started_at": None,
            "message": "Queued again after a crash",
            "version": before["version"] + 1,
        }
        assert (running["attempt"], running["recoveries"]) == (1, 1)
        assert (done["attempt"], done["recoveries"], done["result"]) == (1, 1, {"text": "done"})
        expected = ["Started", "Queued again after a crash", "Started", "Succeeded"]
        assert await harness.log_messages(job_id) == expected


@pytest.mark.parametrize(("spec", "status"), [(SimpleJob, "interrupted"), (NonRecoverableJob, "failed")])
async def test_a_job_that_must_not_be_repeated_ends_after_a_crash(
    path: Path, spec: type[SimpleJob], status: str
) -> None:
    (job_id,) = await crash_while_running(path, spec)
    async with open_harness(path) as harness:
        before = await harness.get_job(job_id)
        async with harness.working():
            ended = await harness.until_updated(job_id, status=status)
        assert ended == before | {
            "status": status,
            "finished_at": AT,
            "message": CRASH["message"],
            "error": CRASH,
            "version": before["version"] + 1,
        }
        assert harness.handler.started == []


async def test_a_job_of_an_unknown_type_is_interrupted(path: Path) -> None:
    (job_id,) = await crash_while_running(path, RepeatableJob)
    async with open_harness(path) as harness:
        del harness.registrations["work.repeatable"]
        async with harness.working():
            assert (await harness.until_updated(job_id, status="interrupted"))["error"] == CRASH


@pytest.mark.parametrize("spec", [SimpleJob, RepeatableJob, NonRecoverableJob])
async def test_a_requested_cancellation_takes_precedence_over_recovery(path: Path, spec: type[SimpleJob]) -> None:
    async with open_harness(path) as harness:
        job_id = await harness.create_job("a", spec)
        claim_all(harness)
        assert (await harness.call("jobs.cancel", {"job_id": job_id}))["status"] == "running"
    async with open_harness(path) as harness:
        async with harness.working():
            cancelled = await harness.until_updated(job_id, status="cancelled")
        assert (cancelled["error"], cancelled["recoveries"], cancelled["cancel_requested"]) == (None, 0, True)
        assert harness.handler.started == []


async def test_a_job_that_crashes_the_process_each_time_fails_in_the_end(path: Path) -> None:
    (job_id,) = await crash_while_running(path, RepeatableJob)
    for recoveries in (1, 2, 3):
        async with open_harness(path) as harness:
            async with harness.working():
                run = await harness.handler.next_run("0")
                job = await harness.get_job(job_id)
                assert (job["status"], job["attempt"], job["recoveries"]) == ("running", 1, recoveries)
                run.succeed()
                await harness.until_updated(job_id, status="succeeded")
            undo_success(harness, job_id)
    async with open_harness(path) as harness:
        async with harness.working():
            failed = await harness.until_updated(job_id, status="failed")
        assert (failed["error"], failed["recoveries"], harness.handler.started) == (RECOVERY_LIMIT, 3, [])
        again = await harness.call("jobs.retry", {"job_id": job_id})
        assert (again["status"], again["recoveries"], again["attempt"]) == ("queued", 0, 0)


def undo_success(harness: JobsHarness, job_id: str) -> None:
    """Restores the state before the job's end, as if the process had crashed before storing it."""
    with harness.database.write():
        harness.database.execute(
            "UPDATE jobs SET status = 'running', finished_at = NULL, result_json = NULL WHERE job_id = ?", (job_id,)
        )


async def test_a_crash_leaves_the_number_of_failed_attempts_unchanged(path: Path) -> None:
    async with open_harness(path) as harness:
        job_id = await harness.create_job("a", RepeatableJob)
        async with harness.working():
            (await harness.handler.next_run("a")).fail(JobFailed("Not now.", kind="busy", retryable=True))
            await harness.until_updated(job_id, waiting_for="retry")
        harness.clock.advance(10)
        claim_all(harness)
        assert (await harness.get_job(job_id))["attempt"] == 2
        clock = harness.clock
    async with open_harness(path, clock) as harness, harness.working():
        await harness.handler.next_run("a")
        job = await harness.get_job(job_id)
        assert (job["attempt"], job["recoveries"], job["error"]["kind"]) == (2, 1, "busy")


async def test_all_jobs_are_recovered_before_any_is_claimed(path: Path) -> None:
    ids = await crash_while_running(path, RepeatableJob, SimpleJob, NonRecoverableJob)
    async with open_harness(path) as harness:
        urgent = await harness.create_job("urgent", priority=100)
        harness.received.clear()
        async with harness.working():
            (await harness.handler.next_run("urgent")).succeed()
            await harness.handler.next_run("0")
        updates = [(params["job"]["job_id"], params["job"]["status"]) for params in harness.named("jobs.updated")]
        assert updates[:5] == [
            (ids[0], "queued"),
            (ids[1], "interrupted"),
            (ids[2], "failed"),
            (urgent, "running"),
            (ids[0], "running"),
        ]


async def test_child_processes_of_a_dead_process_are_killed_before_its_jobs_are_recovered(path: Path) -> None:
    ids = await crash_while_running(path, RepeatableJob, SimpleJob, NonRecoverableJob)
    async with open_harness(path) as harness:
        await harness.create_job("new")
        found: list[dict[str, Any]] = []
        harness.on_kill_orphans = lambda: found.append(harness.store.counts())
        async with harness.working():
            await harness.handler.next_run("new")
        assert harness.orphan_kills == [ids]
        assert found == [{"queued": 1, "running": 3}]


async def test_a_recovery_that_fails_is_repeated_before_any_job_is_claimed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Another program holds the write lock when the sidecar starts.
    ids = await crash_while_running(path, RepeatableJob, SimpleJob)
    async with open_harness(path) as harness:
        await harness.create_job("new")
        harness.database.rows("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with harness.working():
                await harness.run_pending()
                assert (harness.handler.started, harness.store.counts()) == ([], {"queued": 1, "running": 2})
                other.execute("COMMIT")
                harness.look_for_jobs()
                await harness.handler.next_run("0")
                await harness.handler.next_run("new")
        assert (harness.statuses(ids[0])[:2], harness.statuses(ids[1])) == (["queued", "running"], ["interrupted"])
    errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert errors == ["the jobs of an earlier process could not be updated; trying again"]


async def test_a_worker_whose_recovery_fails_can_be_stopped(path: Path) -> None:
    await crash_while_running(path, RepeatableJob)
    async with open_harness(path) as harness:
        harness.database.rows("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with harness.working():
                await harness.run_pending()
                with anyio.fail_after(30):
                    assert await harness.features.stop_work(60) == (0, True)


async def test_no_child_processes_are_killed_if_no_job_was_running(path: Path) -> None:
    async with open_harness(path) as harness:
        await harness.create_job("new")
        async with harness.working():
            await harness.handler.next_run("new")
        assert harness.orphan_kills == []


async def test_a_recovered_job_does_not_wait_for_its_own_lock(path: Path) -> None:
    async with open_harness(path) as harness:
        first, second = (
            await harness.create_job("a", RepeatableJob, lock="k"),
            await harness.create_job("b", RepeatableJob, lock="k"),
        )
        claim_all(harness)
        assert (await harness.get_job(second))["waiting_for"] == "lock"
    async with open_harness(path) as harness:
        async with harness.working():
            (await harness.handler.next_run("a")).succeed()
            (await harness.handler.next_run("b")).succeed()
            await harness.until_updated(second, status="succeeded")
        assert [job["waiting_for"] for job in harness.snapshots(first)] == [None, None, None]


async def test_a_shutdown_requeues_repeatable_jobs_and_ends_the_others(path: Path) -> None:
    async with open_harness(path) as harness:
        again, once, fatal = [
            await harness.create_job(spec.type, spec) for spec in (RepeatableJob, SimpleJob, NonRecoverableJob)
        ]
        async with harness.working():
            for spec in (RepeatableJob, SimpleJob, NonRecoverableJob):
                await harness.handler.next_run(spec.type)
            before = {job_id: await harness.get_job(job_id) for job_id in (again, once, fatal)}
            assert await harness.call("shutdown") == {"drained": True, "cancelled_requests": 0, "interrupted_jobs": 3}
        after = {job_id: harness.snapshots(job_id)[-1] for job_id in before}
        ended = {"finished_at": AT, "message": SHUTDOWN["message"], "error": SHUTDOWN, "version": 3}
        assert after == {
            again: before[again]
            | {
                "status": "queued",
                "attempt": 0,
                "started_at": None,
                "message": "Queued again: the sidecar was shut down",
                "version": 3,
            },
            once: before[once] | {"status": "interrupted"} | ended,
            fatal: before[fatal] | {"status": "failed"} | ended,
        }
    async with open_harness(path) as harness:
        async with harness.working():
            (await harness.handler.next_run("work.repeatable")).succeed()
            done = await harness.until_updated(again, status="succeeded")
        assert (done["attempt"], done["recoveries"], harness.handler.started) == (1, 0, ["work.repeatable"])
        assert harness.orphan_kills == []


async def test_a_shutdown_does_not_start_jobs_that_waited_for_a_lock(path: Path) -> None:
    async with open_harness(path) as harness:
        await harness.create_job("a", lock="k")
        second = await harness.create_job("b", lock="k")
        async with harness.working():
            await harness.handler.next_run("a")
            await harness.call("shutdown")
            await harness.run_pending()
        assert harness.handler.started == ["a"]
        assert harness.statuses(second) == ["queued"]


@pytest.mark.parametrize("spec", [SimpleJob, RepeatableJob, NonRecoverableJob])
async def test_a_requested_cancellation_takes_precedence_over_a_shutdown(path: Path, spec: type[SimpleJob]) -> None:
    async with open_harness(path) as harness:
        job_id = await harness.create_job("a", spec)
        async with harness.working():
            await harness.handler.next_run("a")
            answers = await harness.burst(("jobs.cancel", {"job_id": job_id}), ("shutdown", {}))
            assert [answer.error for answer in answers] == [None, None]
        assert harness.statuses(job_id)[-1] == JobStatus.CANCELLED
