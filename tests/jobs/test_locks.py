"""Which jobs run together: keys, types, the limit over all, and a paused queue."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from sidecar_protocol.claude.runs import RunClaude
from sidecar_protocol.entities import WaitingFor

from sidecar.job_handler import JobFailed, JobSnoozed, Registration
from tests.jobs.harness import Again, Alone, Shop, Work, open_shop

AT = "2026-11-23T08:00:00.000Z"
SESSION = "0b3ec0b8-7c4a-4c52-9d57-6a1d4f2f6c11"
OTHER_SESSION = "9f0d2a55-31b1-4d3f-8f0e-52c7f1f3a922"


async def spawn(shop: Shop, prompt: str, session_id: str | None = None) -> str:
    """A run of Claude: its job's id."""
    made: dict[str, Any] = await shop.call("claude.spawn", {"prompt": prompt, "session_id": session_id})
    job_id: str = made["job_id"]
    return job_id


async def waits_for(shop: Shop, job_id: str) -> str | None:
    """What a job that must be queued waits for."""
    job = await shop.get(job_id)
    assert job["status"] == "queued"
    why: str | None = job["waiting_for"]
    return why


async def test_two_runs_of_one_claude_session_never_run_together(shop: Shop) -> None:
    shop.types["claude.run"] = Registration(RunClaude, shop.hands, concurrency=4)
    first, second = await spawn(shop, "one", SESSION), await spawn(shop, "two", SESSION)
    async with shop.working():
        run = await shop.hands.next("one")
        await spawn(shop, "elsewhere", OTHER_SESSION)
        await spawn(shop, "anew")
        await shop.hands.next("elsewhere")
        await shop.hands.next("anew")
        assert await waits_for(shop, second) == "lock"
        run.succeed()
        await shop.seen(first, status="succeeded")
        (await shop.hands.next("two")).succeed()
        assert (await shop.seen(second, status="running"))["waiting_for"] is None
        await shop.seen(second, status="succeeded")
    assert shop.hands.order == ["one", "elsewhere", "anew", "two"]
    assert shop.hands.most[f"claude:session:{SESSION}"] == 1


async def test_a_job_that_is_made_while_its_key_is_taken_says_so_from_the_start(shop: Shop) -> None:
    async with shop.working():
        await shop.make("a", key="k")
        run = await shop.hands.next("a")
        made = await shop.call("jobs.create", {"type": "work.once", "payload": {"name": "b", "key": "k"}})
        job_id = made["job"]["job_id"]
        assert made["job"]["waiting_for"] == "lock"
        listed = await shop.call("jobs.list", {"status": "queued"})
        assert listed["jobs"] == [made["job"]] == shop.snapshots(job_id) == [await shop.get(job_id)]
        run.succeed()
        await shop.hands.next("b")
        assert [job["waiting_for"] for job in shop.snapshots(job_id)] == ["lock", None]


async def test_a_key_that_is_taken_while_running_is_waited_for_as_well(shop: Shop) -> None:
    holder = await shop.make("a")
    async with shop.working():
        run = await shop.hands.next("a")
        await shop.make("b", key="k")
        (await shop.hands.next("b")).succeed()  # nobody has it yet
        await shop.settle()
        run.context.lock("k")
        waiting = await shop.make("c", key="k")
        await shop.settle()
        assert await waits_for(shop, waiting) == "lock"
        run.succeed()
        await shop.seen(holder, status="succeeded")
        await shop.hands.next("c")
    assert shop.hands.order == ["a", "b", "c"]


async def test_a_session_that_a_run_has_begun_is_its_own_until_it_ends(shop: Shop) -> None:
    await spawn(shop, "one")
    async with shop.working():
        run = await shop.hands.next("one")
        run.context.lock(f"claude:session:{SESSION}")
        second = await spawn(shop, "two", SESSION)
        await shop.settle()
        assert await waits_for(shop, second) == "lock"
        run.succeed()
        await shop.hands.next("two")


async def test_jobs_with_one_key_run_in_the_order_in_which_they_were_made(shop: Shop) -> None:
    for name in "abcdef":
        await shop.make(name, key="even" if name in "bdf" else "odd")
    async with shop.working():
        for name in "abcdef":
            (await shop.hands.next(name)).succeed()
        await shop.settle()
    for names in ("bdf", "ace"):
        assert [name for name in shop.hands.order if name in names] == list(names)
    assert (shop.hands.most["even"], shop.hands.most["odd"]) == (1, 1)


async def test_among_jobs_with_one_key_the_more_urgent_comes_first(shop: Shop) -> None:
    await shop.make("a", key="k")
    async with shop.working():
        run = await shop.hands.next("a")
        for name, priority in (("low", -1), ("normal", 0), ("high", 5), ("as high", 5)):
            await shop.make(name, key="k", priority=priority)
        run.succeed()
        for name in ("high", "as high", "normal", "low"):
            (await shop.hands.next(name)).succeed()
    assert shop.hands.order == ["a", "high", "as high", "normal", "low"]


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (JobFailed("Busy.", kind="busy", retryable=True), "retry"),
        (JobSnoozed("Offline.", delay_s=5, waiting_for=WaitingFor.NETWORK), "network"),
    ],
)
async def test_a_job_that_will_come_back_leaves_its_key_to_others_meanwhile(
    shop: Shop, error: Exception, why: str
) -> None:
    first, second = await shop.make("a", Again, key="k"), await shop.make("b", Again, key="k")
    async with shop.working():
        (await shop.hands.next("a")).fail(error)
        assert (await shop.seen(first, run_at=f"2026-11-23T08:00:0{2 if why == 'retry' else 5}.000Z"))[
            "waiting_for"
        ] == why
        run = await shop.hands.next("b")
        assert await waits_for(shop, first) == "lock"
        await shop.pass_time(10)
        assert await waits_for(shop, first) == "lock"
        run.succeed()
        await shop.seen(second, status="succeeded")
        await shop.hands.next("a")


async def test_a_cancelled_job_no_longer_has_its_key(shop: Shop) -> None:
    first = await shop.make("a", key="k")
    await shop.make("b", key="k")
    async with shop.working():
        await shop.hands.next("a")
        await shop.call("jobs.cancel", {"job_id": first})
        await shop.hands.next("b")


async def test_types_have_limits_of_their_own_and_do_not_hold_up_others(shop: Shop) -> None:
    for name in "abc":
        await shop.make(name, Alone)
    await shop.make("other")
    async with shop.working():
        run = await shop.hands.next("a")
        await shop.hands.next("other")
        await shop.settle()
        assert shop.hands.order == ["a", "other"]
        run.succeed()
        (await shop.hands.next("b")).succeed()
        (await shop.hands.next("c")).succeed()
        await shop.settle()
    assert (shop.hands.order, shop.hands.most["work.alone"]) == (["a", "other", "b", "c"], 1)


async def test_a_setting_outranks_the_limit_of_a_type(shop: Shop) -> None:
    shop.types["work.alone"] = Registration(Alone, shop.hands, concurrency=2)
    for name in "abc":
        await shop.make(name, Alone)
    async with shop.working():
        (await shop.hands.next("a")).succeed()
        (await shop.hands.next("c")).succeed()
    assert shop.hands.most["work.alone"] == 2


async def test_types_of_one_pool_share_its_limit(shop: Shop) -> None:
    for spec in (Work, Again):
        shop.types[spec.type] = Registration(spec, shop.hands, concurrency=2, pool="shared")
    for number in range(6):
        await shop.make(str(number), Again if number % 2 else Work)
    async with shop.working():
        for number in range(6):
            (await shop.hands.next(str(number))).succeed()
        await shop.settle()
    assert (shop.hands.most["all"], shop.store.counts()) == (2, {"succeeded": 6})


async def test_no_more_than_eight_run_together_whatever_their_types(shop: Shop) -> None:
    for number in range(12):
        await shop.make(str(number), Again if number % 2 else Work)
    async with shop.working():
        runs = [await shop.hands.next(str(number)) for number in range(8)]
        await shop.settle()
        assert len(shop.hands.order) == 8
        for run in runs:
            run.succeed()
        for number in range(8, 12):
            (await shop.hands.next(str(number))).succeed()
        await shop.settle()
    assert (shop.hands.most["all"], shop.store.counts()) == (8, {"succeeded": 12})


@pytest.mark.parametrize("paused", [False, True], ids=["full", "paused"])
async def test_a_worker_that_cannot_start_jobs_does_not_poll(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    names = [] if paused else [str(number) for number in range(8)]
    for name in names:
        await shop.make(name)
    if paused:
        await shop.call("jobs.queue.pause")
    await shop.make("late", run_at="2026-11-23T08:00:10Z")
    async with shop.working():
        for name in names:
            await shop.hands.next(name)
        await shop.pass_time(20)
        ticks: list[None] = []
        monkeypatch.setattr(shop.scheduler, "tick", lambda: ticks.append(None))
        shop.look_for_jobs()
        await anyio.sleep(0.05)
        assert (len(ticks), shop.hands.order) == (1, names)


async def test_a_paused_queue_starts_nothing_and_lets_go_on_what_runs(shop: Shop) -> None:
    running = await shop.make("a")
    async with shop.working():
        run = await shop.hands.next("a")
        paused = await shop.call("jobs.queue.pause")
        assert paused == {"paused": True, "paused_at": AT, "counts": {"running": 1}}
        waiting = await shop.make("b", priority=100)
        run.succeed()
        await shop.seen(running, status="succeeded")
        await shop.pass_time(3600)
        assert shop.hands.order == ["a"]
        assert await waits_for(shop, waiting) is None
        state = {"paused": True, "paused_at": AT, "counts": {"succeeded": 1, "queued": 1}}
        assert await shop.call("jobs.queue.get") == state
        assert await shop.call("jobs.queue.resume") == state | {"paused": False, "paused_at": None}
        (await shop.hands.next("b")).succeed()
        await shop.seen(waiting, status="succeeded")


async def test_a_pause_is_told_once_however_often_it_is_asked_for(shop: Shop) -> None:
    for method in ("resume", "pause", "pause", "pause", "resume", "resume"):
        await shop.call(f"jobs.queue.{method}")
        shop.clock.advance(1)
    assert [params["queue"] for params in shop.named("jobs.queue_updated")] == [
        {"paused": True, "paused_at": "2026-11-23T08:00:01.000Z", "counts": {}},
        {"paused": False, "paused_at": None, "counts": {}},
    ]


async def test_a_pause_outlives_the_process(data_dir: Path) -> None:
    path = data_dir / "sidecar.db"
    async with open_shop(path) as shop:
        await shop.make("a")
        await shop.call("jobs.queue.pause")
    async with open_shop(path) as shop:
        assert await shop.call("jobs.queue.get") == {"paused": True, "paused_at": AT, "counts": {"queued": 1}}
        async with shop.working():
            await shop.pass_time(60)
            assert shop.hands.order == []
            await shop.call("jobs.queue.resume")
            await shop.hands.next("a")
    async with open_shop(path) as shop:
        assert (await shop.call("jobs.queue.get"))["paused"] is False


async def test_a_paused_queue_still_cancels_and_takes_back(shop: Shop) -> None:
    await shop.call("jobs.queue.pause")
    job_id = await shop.make("a")
    assert (await shop.call("jobs.cancel", {"job_id": job_id}))["status"] == "cancelled"
    assert (await shop.call("jobs.retry", {"job_id": job_id}))["status"] == "queued"
    async with shop.working():
        await shop.pass_time(60)
        assert shop.hands.order == []
