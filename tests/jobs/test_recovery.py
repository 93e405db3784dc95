"""What becomes of jobs that were running when the process ended, in good order or not."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.entities import JobStatus

from sidecar.job_handler import JobFailed
from tests.in_process_app import ManualClock
from tests.jobs.harness import Again, Fatal, Shop, Work, open_shop

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


async def die_running(path: Path, *specs: type[Work], clock: ManualClock | None = None) -> list[str]:
    """Jobs `0`, `1` … of these types, running in a process that is no more."""
    async with open_shop(path, clock) as shop:
        ids = [await shop.make(str(number), spec) for number, spec in enumerate(specs)]
        claim_all(shop)
    return ids


def claim_all(shop: Shop) -> None:
    """Claim what there is, as a worker does that dies right after."""
    while shop.journal.claim([]) is not None:
        pass


async def test_a_job_that_may_run_twice_runs_again_after_a_crash(path: Path) -> None:
    clock = ManualClock()
    (job_id,) = await die_running(path, Again, clock=clock)
    clock.advance(1)
    async with open_shop(path, clock) as shop:
        before = await shop.get(job_id)
        assert (before["status"], before["attempt"]) == ("running", 1)
        async with shop.working():
            run = await shop.hands.next("0")
            running = await shop.get(job_id)
            run.succeed("done")
            done = await shop.seen(job_id, status="succeeded")
        recovered = shop.snapshots(job_id)[0]
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
        expected = ["Queued", "Started", "Queued again after a crash", "Started", "Succeeded"]
        assert await shop.log_of(job_id) == expected


@pytest.mark.parametrize(("spec", "status"), [(Work, "interrupted"), (Fatal, "failed")])
async def test_a_job_that_may_not_run_twice_ends_with_the_crash(path: Path, spec: type[Work], status: str) -> None:
    (job_id,) = await die_running(path, spec)
    async with open_shop(path) as shop:
        before = await shop.get(job_id)
        async with shop.working():
            ended = await shop.seen(job_id, status=status)
        assert ended == before | {
            "status": status,
            "finished_at": AT,
            "message": CRASH["message"],
            "error": CRASH,
            "version": before["version"] + 1,
        }
        assert shop.hands.order == []


async def test_a_job_of_an_unknown_type_is_interrupted(path: Path) -> None:
    (job_id,) = await die_running(path, Again)
    async with open_shop(path) as shop:
        del shop.types["work.again"]
        async with shop.working():
            assert (await shop.seen(job_id, status="interrupted"))["error"] == CRASH


@pytest.mark.parametrize("spec", [Work, Again, Fatal])
async def test_a_wish_to_cancel_outranks_recovery(path: Path, spec: type[Work]) -> None:
    async with open_shop(path) as shop:
        job_id = await shop.make("a", spec)
        claim_all(shop)
        assert (await shop.call("jobs.cancel", {"job_id": job_id}))["status"] == "running"
    async with open_shop(path) as shop:
        async with shop.working():
            cancelled = await shop.seen(job_id, status="cancelled")
        assert (cancelled["error"], cancelled["recoveries"], cancelled["cancel_requested"]) == (None, 0, True)
        assert shop.hands.order == []


async def test_a_job_that_takes_the_process_down_each_time_is_given_up(path: Path) -> None:
    (job_id,) = await die_running(path, Again)
    for recoveries in (1, 2, 3):
        async with open_shop(path) as shop:
            async with shop.working():
                run = await shop.hands.next("0")
                job = await shop.get(job_id)
                assert (job["status"], job["attempt"], job["recoveries"]) == ("running", 1, recoveries)
                run.succeed()
                await shop.seen(job_id, status="succeeded")
            undo_the_end(shop, job_id)
    async with open_shop(path) as shop:
        async with shop.working():
            failed = await shop.seen(job_id, status="failed")
        assert (failed["error"], failed["recoveries"], shop.hands.order) == (RECOVERY_LIMIT, 3, [])
        again = await shop.call("jobs.retry", {"job_id": job_id})
        assert (again["status"], again["recoveries"], again["attempt"]) == ("queued", 0, 0)


def undo_the_end(shop: Shop, job_id: str) -> None:
    """As if the process had died before the job's end was stored."""
    with shop.database.write():
        shop.database.execute(
            "UPDATE jobs SET status = 'running', finished_at = NULL, result_json = NULL WHERE job_id = ?", (job_id,)
        )


async def test_a_crash_spends_no_try_and_gives_none_back(path: Path) -> None:
    async with open_shop(path) as shop:
        job_id = await shop.make("a", Again)
        async with shop.working():
            (await shop.hands.next("a")).fail(JobFailed("Not now.", kind="busy", retryable=True))
            await shop.seen(job_id, waiting_for="retry")
        shop.clock.advance(10)
        claim_all(shop)
        assert (await shop.get(job_id))["attempt"] == 2
        clock = shop.clock
    async with open_shop(path, clock) as shop, shop.working():
        await shop.hands.next("a")
        job = await shop.get(job_id)
        assert (job["attempt"], job["recoveries"], job["error"]["kind"]) == (2, 1, "busy")


async def test_everything_is_recovered_before_anything_is_claimed(path: Path) -> None:
    ids = await die_running(path, Again, Work, Fatal)
    async with open_shop(path) as shop:
        urgent = await shop.make("urgent", priority=100)
        shop.received.clear()
        async with shop.working():
            (await shop.hands.next("urgent")).succeed()
            await shop.hands.next("0")
        told = [(params["job"]["job_id"], params["job"]["status"]) for params in shop.named("jobs.updated")]
        assert told[:5] == [
            (ids[0], "queued"),
            (ids[1], "interrupted"),
            (ids[2], "failed"),
            (urgent, "running"),
            (ids[0], "running"),
        ]


async def test_processes_of_a_dead_boots_jobs_are_killed_before_their_jobs_are_settled(path: Path) -> None:
    ids = await die_running(path, Again, Work, Fatal)
    async with open_shop(path) as shop:
        await shop.make("new")
        found: list[dict[str, Any]] = []
        shop.on_reap = lambda: found.append(shop.store.counts())
        async with shop.working():
            await shop.hands.next("new")
        assert shop.reaped == [ids]
        assert found == [{"queued": 1, "running": 3}]


async def test_what_cannot_be_settled_yet_is_settled_later_and_before_anything_is_claimed(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody's database browser has the lock when the sidecar starts."""
    ids = await die_running(path, Again, Work)
    async with open_shop(path) as shop:
        await shop.make("new")
        shop.database.rows("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(path, isolation_level=None)) as browser:
            browser.execute("BEGIN IMMEDIATE")
            async with shop.working():
                await shop.settle()
                assert (shop.hands.order, shop.store.counts()) == ([], {"queued": 1, "running": 2})
                browser.execute("COMMIT")
                shop.look_for_jobs()
                await shop.hands.next("0")
                await shop.hands.next("new")
        assert (shop.statuses(ids[0])[:2], shop.statuses(ids[1])) == (["queued", "running"], ["interrupted"])
    errors = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert errors == ["the jobs of an earlier process could not be updated; trying again"]


async def test_a_worker_that_cannot_settle_anything_stops_all_the_same(path: Path) -> None:
    await die_running(path, Again)
    async with open_shop(path) as shop:
        shop.database.rows("PRAGMA busy_timeout = 0")
        with closing(sqlite3.connect(path, isolation_level=None)) as browser:
            browser.execute("BEGIN IMMEDIATE")
            async with shop.working():
                await shop.settle()
                with anyio.fail_after(30):
                    assert await shop.features.stop_work(60) == (0, True)


async def test_nothing_is_searched_for_where_no_job_was_left(path: Path) -> None:
    async with open_shop(path) as shop:
        await shop.make("new")
        async with shop.working():
            await shop.hands.next("new")
        assert shop.reaped == []


async def test_a_recovered_job_does_not_wait_for_its_own_key(path: Path) -> None:
    async with open_shop(path) as shop:
        first, second = await shop.make("a", Again, key="k"), await shop.make("b", Again, key="k")
        claim_all(shop)
        assert (await shop.get(second))["waiting_for"] == "lock"
    async with open_shop(path) as shop:
        async with shop.working():
            (await shop.hands.next("a")).succeed()
            (await shop.hands.next("b")).succeed()
            await shop.seen(second, status="succeeded")
        assert [job["waiting_for"] for job in shop.snapshots(first)] == [None, None, None]


async def test_a_shutdown_puts_back_what_may_run_twice_and_ends_the_rest(path: Path) -> None:
    async with open_shop(path) as shop:
        again, once, fatal = [await shop.make(spec.type, spec) for spec in (Again, Work, Fatal)]
        async with shop.working():
            for spec in (Again, Work, Fatal):
                await shop.hands.next(spec.type)
            before = {job_id: await shop.get(job_id) for job_id in (again, once, fatal)}
            assert await shop.call("shutdown") == {"drained": True, "cancelled_requests": 0, "interrupted_jobs": 3}
        after = {job_id: shop.snapshots(job_id)[-1] for job_id in before}
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
    async with open_shop(path) as shop:
        async with shop.working():
            (await shop.hands.next("work.again")).succeed()
            done = await shop.seen(again, status="succeeded")
        assert (done["attempt"], done["recoveries"], shop.hands.order) == (1, 0, ["work.again"])
        assert shop.reaped == []


async def test_a_shutdown_does_not_start_what_waits(path: Path) -> None:
    async with open_shop(path) as shop:
        await shop.make("a", key="k")
        second = await shop.make("b", key="k")
        async with shop.working():
            await shop.hands.next("a")
            await shop.call("shutdown")
            await shop.settle()
        assert shop.hands.order == ["a"]
        assert shop.statuses(second) == ["queued"]


@pytest.mark.parametrize("spec", [Work, Again, Fatal])
async def test_a_wish_to_cancel_outranks_a_shutdown(path: Path, spec: type[Work]) -> None:
    async with open_shop(path) as shop:
        job_id = await shop.make("a", spec)
        async with shop.working():
            await shop.hands.next("a")
            answers = await shop.burst(("jobs.cancel", {"job_id": job_id}), ("shutdown", {}))
            assert [answer.error for answer in answers] == [None, None]
        assert shop.statuses(job_id)[-1] == JobStatus.CANCELLED
