"""What is forgotten, when, and that the disk gets its space back."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.entities import JobStatus
from sidecar_protocol.system.maintenance import VacuumDatabase

from sidecar.job_handler import JobFailed, Registration
from sidecar.jobs.running import LOG_FULL, MAX_LOG_BYTES, MAX_LOG_LINES
from sidecar.storage.database import WAL_LIMIT_BYTES
from sidecar.system.maintenance import PruneHandler, VacuumHandler
from sidecar.wire.event_log import LOG_BYTES, LOG_ROWS
from tests.jobs.harness import Again, Shop, Work, open_shop
from tests.old_backend import fill, insert, old_database

DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def maintenance(shop: Shop) -> None:
    """The real maintenance, in the test's worker."""
    look_after(shop)


def look_after(shop: Shop) -> None:
    shop.types.update({one.spec.type: one for one in shop.features.maintenance().registrations})


async def maintain(shop: Shop, what: str, **payload: Any) -> dict[str, Any]:
    """The result of a maintenance job."""
    made = await shop.call("jobs.create", {"type": f"maintenance.{what}", "payload": payload, "priority": 100})
    async with shop.working():
        done = await shop.seen(made["job"]["job_id"], status="succeeded")
    result: dict[str, Any] = done["result"]
    return result


def work_off(shop: Shop, name: str, size: int = 0, status: JobStatus = JobStatus.SUCCEEDED) -> str:
    """A finished job whose payload has about this many bytes, and whose log has a line more than usual."""
    shop.journal.enqueue(Work(name=name, key="x" * size))
    claimed = shop.journal.claim([])
    assert claimed is not None
    shop.journal.log(claimed.job_id, "info", "at work")
    shop.journal.finish(claimed.job_id, status)
    shop.clock.advance(1)
    return claimed.job_id


def names_left(shop: Shop) -> list[str]:
    """The names of the jobs of ours that are there, the oldest first."""
    rows = shop.database.rows(
        "SELECT json_extract(payload_json, '$.name') FROM jobs WHERE type LIKE 'work.%' ORDER BY created_at, job_id"
    )
    return [name for (name,) in rows]


def orphaned_lines(shop: Shop) -> list[Any]:
    """Lines of logs whose job is gone."""
    return shop.database.rows("SELECT * FROM job_events WHERE job_id NOT IN (SELECT job_id FROM jobs)")


async def test_jobs_that_ended_long_ago_are_forgotten_with_their_logs(shop: Shop) -> None:
    for name, status in (("a", JobStatus.SUCCEEDED), ("b", JobStatus.FAILED), ("c", JobStatus.CANCELLED)):
        work_off(shop, name, status=status)
    work_off(shop, "d", status=JobStatus.INTERRUPTED)
    shop.clock.advance(20 * DAY_S)
    young = work_off(shop, "young")
    shop.clock.advance(10 * DAY_S)
    assert (await maintain(shop, "prune", keep_days=30))["jobs"] == 4
    assert (names_left(shop), orphaned_lines(shop)) == (["young"], [])
    assert await shop.log_of(young) == ["Queued", "Started", "at work", "Succeeded"]
    assert (await maintain(shop, "prune", keep_days=30))["jobs"] == 0


async def test_a_live_job_is_never_forgotten_however_old_and_large(shop: Shop) -> None:
    await shop.make("runs", key="k" * 2_000_000)
    shop.journal.claim([])
    await shop.make("waits", key="k" * 2_000_000)
    work_off(shop, "done")
    shop.clock.advance(400 * DAY_S)
    made = await shop.call(
        "jobs.create", {"type": "maintenance.prune", "payload": {"keep_days": 1, "max_bytes": 1_000_000}}
    )
    async with shop.working():
        done = await shop.seen(made["job"]["job_id"], status="succeeded")
    assert (done["result"]["jobs"], names_left(shop)) == (1, ["runs", "waits"])


async def test_of_too_much_the_oldest_goes_first(shop: Shop) -> None:
    for name in "abcdef":
        work_off(shop, name, size=300_000)
    assert (await maintain(shop, "prune", max_bytes=1_000_000))["jobs"] == 3
    assert (names_left(shop), orphaned_lines(shop)) == (["d", "e", "f"], [])
    assert (await maintain(shop, "prune", max_bytes=1_000_000))["jobs"] == 0


async def test_logs_and_results_count_as_well(shop: Shop) -> None:
    def with_log(name: str) -> None:
        job_id = work_off(shop, name)
        for _ in range(10):
            shop.journal.log(job_id, "info", "page", meta={"page": "x" * 40_000})

    def with_result(name: str) -> None:
        shop.journal.enqueue(Work(name=name))
        claimed = shop.journal.claim([])
        assert claimed is not None
        shop.journal.finish(claimed.job_id, JobStatus.SUCCEEDED, result=b'"%s"' % (b"x" * 400_000))
        shop.clock.advance(1)

    for make, name in ((with_log, "a"), (with_result, "b"), (with_log, "c"), (with_result, "d")):
        make(name)
    await maintain(shop, "prune", max_bytes=1_000_000)
    assert names_left(shop) == ["c", "d"]


async def test_forgetting_is_done_in_batches_with_a_commit_between(shop: Shop) -> None:
    for number in range(60):
        work_off(shop, str(number))
    shop.unit_of_work.commit()
    left: list[int] = []
    events = iter([200, 0])

    async def committed() -> None:
        await shop.runtime.committed()
        with closing(sqlite3.connect(f"{shop.database.path.as_uri()}?mode=ro", uri=True)) as other:
            left.append(other.execute("SELECT count(*) FROM jobs WHERE type = 'work.once'").fetchone()[0])

    shop.clock.advance(31 * DAY_S)
    prune = PruneHandler(replace(shop.runtime, committed=committed), shop.store, lambda _: next(events))
    shop.types["maintenance.prune"] = Registration(shop.types["maintenance.prune"].spec, prune)
    assert await maintain(shop, "prune") == {"jobs": 60, "events": 200}
    assert left == [35, 10, 0, 0, 0, 0]


async def test_maintenance_tells_how_far_it_is(shop: Shop) -> None:
    for number in range(300):
        work_off(shop, str(number), size=30_000)
    shop.clock.advance(31 * DAY_S)
    shop.random_fraction = 0
    await maintain(shop, "prune")
    await maintain(shop, "vacuum")
    rows = shop.database.rows("SELECT type, progress, message FROM jobs ORDER BY created_at, job_id")
    told = {(params["progress"], params["message"]) for params in shop.named("jobs.progress")}
    assert rows == [
        ("maintenance.prune", 1.0, "Deleted 300 old jobs"),
        ("maintenance.vacuum", 1.0, "Returning space to the file system"),
    ]
    assert told & {(0.3, "Deleted 300 old jobs"), (0.7, "Deleted 300 jobs")}
    assert all(0 <= fraction < 1 for fraction, _ in told)


def log_events(shop: Shop, count: int, size: int = 0) -> None:
    with shop.database.write():
        for _ in range(count):
            shop.outbox.log.append("2026-11-23T08:00:00.000Z", "test.happened", b'"x":"%s"' % (b"x" * size))


async def replayed(shop: Shop, after_seq: int) -> tuple[int, bool]:
    """The first seq that is replayed, and whether some before it are lost."""
    page = await shop.call("events.replay", {"after_seq": after_seq, "limit": 1})
    return page["events"][0]["params"]["seq"], page["truncated"]


async def resumed(shop: Shop, path: Path, after_seq: int) -> str:
    """What a host is told that comes back having seen so much."""
    epoch = shop.outbox.log.epoch()
    shop.close()
    again = Shop(path, shop.clock)
    try:
        answer = await again.initialize(resume={"epoch": epoch, "after_seq": after_seq})
    finally:
        again.close()
    outcome: str = answer["events"]["resume"]
    return outcome


def by_rows(shop: Shop) -> int:
    log_events(shop, LOG_ROWS + 300)
    return shop.outbox.log.window()[1] - LOG_ROWS + 1


def by_bytes(shop: Shop) -> int:
    log_events(shop, 40, size=LOG_BYTES // 32)
    return shop.outbox.log.window()[1] - 30


def by_age(shop: Shop) -> int:
    log_events(shop, 500)
    shop.clock.advance(7 * DAY_S + 1)
    return shop.outbox.log.window()[1] + 1


@pytest.mark.parametrize("beyond", [by_rows, by_bytes, by_age])
async def test_the_event_log_is_bounded_and_says_what_it_no_longer_has(
    shop: Shop, beyond: Callable[[Shop], int]
) -> None:
    oldest = beyond(shop)
    before = shop.outbox.log.window()[0]
    result = await maintain(shop, "prune")
    found = shop.outbox.log.window()[0]
    assert result == {"jobs": 0, "events": found - before}
    assert oldest <= found <= oldest + 10  # what the job itself tells comes in
    assert await replayed(shop, 0) == (found, True)
    assert await replayed(shop, found - 2) == (found, True)
    assert await replayed(shop, found - 1) == (found, False)


@pytest.mark.parametrize(("seen", "outcome"), [(-2, "resync"), (-1, "ok")])
async def test_a_host_that_comes_back_too_late_is_told_to_start_anew(data_dir: Path, seen: int, outcome: str) -> None:
    path = data_dir / "another.db"
    async with open_shop(path) as shop:
        look_after(shop)
        log_events(shop, 500)
        shop.clock.advance(8 * DAY_S)
        await maintain(shop, "prune")
        assert await resumed(shop, path, shop.outbox.log.window()[0] + seen) == outcome


async def log_a_lot(shop: Shop, write: Callable[[Any], None]) -> list[Any]:
    """The log of a job that logs without end in each of its three tries, and is run again by hand."""
    job_id = await shop.make("a", Again)
    async with shop.working():
        for _ in range(2):
            for _ in range(3):
                run = await shop.hands.next("a")
                write(run.context)
                run.fail(JobFailed("Too much.", kind="busy", retryable=True))
                await shop.settle()
                await shop.pass_time(10)
            if (await shop.get(job_id))["attempt"] == 3:
                await shop.call("jobs.retry", {"job_id": job_id})
    return shop.database.rows("SELECT level, message, meta_json FROM job_events WHERE job_id = ?", (job_id,))


async def test_a_job_that_logs_without_end_is_cut_short_once(shop: Shop) -> None:
    def write(context: Any) -> None:
        for number in range(MAX_LOG_LINES + 10):
            context.log(str(number))

    rows = await log_a_lot(shop, write)
    assert MAX_LOG_LINES <= len(rows) <= MAX_LOG_LINES + 30
    assert [row for row in rows if row[1] == LOG_FULL] == [("warning", LOG_FULL, '{"truncated":true}')]
    assert [message for _, message, _ in rows[:3]] == ["Queued", "Started", "0"]


async def test_a_job_that_logs_large_pages_is_cut_short_once(shop: Shop) -> None:
    def write(context: Any) -> None:
        for _ in range(20):
            context.log("page", meta={"page": "x" * 60_000})

    rows = await log_a_lot(shop, write)
    size = sum(len(message) + len(meta or "") for _, message, meta in rows)
    assert MAX_LOG_BYTES - 70_000 < size < MAX_LOG_BYTES + 10_000
    assert [row for row in rows if row[1] == LOG_FULL] == [("warning", LOG_FULL, '{"truncated":true}')]


async def test_a_line_counts_as_what_is_stored_of_it(shop: Shop) -> None:
    job_id = await shop.make("a")
    async with shop.working():
        run = await shop.hands.next("a")
        run.context.log("x" * 2 * MAX_LOG_BYTES)
        run.context.log("page", meta={"page": "x" * 2 * MAX_LOG_BYTES})
        run.context.log("last")
        lines = (await shop.jobs.list_log(job_id=job_id)).lines
    assert [(line.message, line.meta) for line in lines[2:]] == [
        ("x" * 2_000, None),
        ("page", {"truncated": True}),
        ("last", None),
    ]


async def test_whatever_a_handler_says_does_it_no_harm(shop: Shop) -> None:
    circle: dict[str, object] = {}
    circle["itself"] = circle
    job_id = await shop.make("a")
    async with shop.working():
        run = await shop.hands.next("a")
        run.context.log("half a sign: \ud83d")
        run.context.log("whole: \ud83d\ude00")
        run.context.log("circle", meta=circle)
        run.context.log("odd", meta={"object": Path("/x"), "number": float("nan")})
        run.context.log("half", meta={"sign": "\ud83d"})
        run.context.progress(float("nan"), "half a sign: \ud83d")
        await shop.until(lambda shop: shop.named("jobs.progress"))
        run.succeed()
        await shop.seen(job_id, status="succeeded")
    lines = (await shop.jobs.list_log(job_id=job_id)).lines
    assert [(line.message, line.meta) for line in lines[2:-1]] == [
        ("half a sign: \ufffd", None),
        ("whole: \U0001f600", None),
        ("circle", {"itself": "..."}),
        ("odd", {"object": "/x", "number": None}),
        ("half", {"unreadable": True}),
    ]
    progress = {"job_id": job_id, "progress": None, "message": "half a sign: \ufffd"}
    assert shop.named("jobs.progress") == [progress]


def file_bytes(shop: Shop) -> int:
    """The size of the database's file; its contents are never touched but by SQLite."""
    return shop.database.path.stat().st_size


def free_some(shop: Shop, count: int = 600) -> None:
    """Leave free pages behind: about 30 bytes for each of the 10,000 of `count` jobs."""
    for number in range(count):
        work_off(shop, str(number), size=10_000)
    shop.unit_of_work.commit()
    with shop.database.write():
        for table in ("jobs", "job_events", "event_log"):
            shop.database.execute(f"DELETE FROM {table}")
    shop.unit_of_work.commit()


async def test_a_vacuum_gives_free_pages_back_to_the_disk(shop: Shop) -> None:
    free_some(shop)
    free, size = shop.database.freelist_count(), file_bytes(shop)
    assert free * shop.database.page_size() > 20_000_000
    result = await maintain(shop, "vacuum")
    assert result["freed_bytes"] >= free * shop.database.page_size() - 1_000_000
    assert shop.database.freelist_count() == 0
    assert file_bytes(shop) < size - 20_000_000
    assert shop.database.rows("PRAGMA integrity_check") == [("ok",)]


async def test_what_a_huge_transaction_has_written_ahead_does_not_stay_on_the_disk(shop: Shop) -> None:
    log_events(shop, 10, size=4_000_000)
    shop.unit_of_work.commit()
    log = shop.database.path.with_name("sidecar.db-wal")
    assert log.stat().st_size > 40_000_000
    for _ in range(2):
        log_events(shop, 1)
        shop.unit_of_work.commit()
    assert log.stat().st_size <= WAL_LIMIT_BYTES


async def test_a_vacuum_does_not_give_up_because_others_write(shop: Shop) -> None:
    free_some(shop, 300)
    others = iter(range(20))

    async def committed() -> None:
        await shop.runtime.committed()
        for number in islice(others, 1):
            with shop.database.write():  # somebody was faster, and has begun the next turn's transaction
                shop.database.execute("INSERT INTO database_metadata VALUES (?, '')", (f"fact {number}",))

    shop.types["maintenance.vacuum"] = Registration(
        VacuumDatabase, VacuumHandler(replace(shop.runtime, committed=committed), lambda _: iter(()))
    )
    await maintain(shop, "vacuum")
    assert (shop.database.freelist_count(), next(others, None)) == (0, None)


async def test_an_old_backends_database_gives_space_back_once_it_is_adopted(tmp_path: Path) -> None:
    with old_database(tmp_path) as old:
        fill(old)
        for number in range(500):
            insert(
                old,
                "jobs",
                job_id=f"old-{number}",
                type="calendar.sync",
                status="completed",
                created_at="2025-03-01T09:00:00Z",
                updated_at="2025-03-01T09:00:00Z",
                payload_json=f'"{"x" * 20_000}"',
            )
        assert old.execute("PRAGMA auto_vacuum").fetchone() == (0,)
    async with open_shop(tmp_path / "sidecar.db") as shop:
        look_after(shop)
        assert shop.database.rows("PRAGMA auto_vacuum") == [(2,)]
        assert shop.database.rows("PRAGMA journal_mode") == [("wal",)]
        assert (tmp_path / "sidecar.db-wal").stat().st_size < 5_000_000
        size = file_bytes(shop)
        assert (await maintain(shop, "prune"))["jobs"] == 501
        assert (await maintain(shop, "vacuum"))["freed_bytes"] > 9_000_000
        assert (shop.database.freelist_count(), file_bytes(shop) < size - 9_000_000) == (0, True)
    (backup,) = (tmp_path / "backups").iterdir()
    with closing(sqlite3.connect(backup)) as kept:
        assert kept.execute("SELECT count(*) FROM jobs").fetchone() == (501,)
