"""Pruning of jobs, their logs and events, and returning disk space."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from sidecar_protocol.entities import JobStatus
from sidecar_protocol.system.maintenance import VacuumDatabase

from sidecar.job_handler import Registration
from sidecar.storage.database import WAL_LIMIT_BYTES
from sidecar.system.maintenance import PruneHandler, VacuumHandler
from sidecar.wire.event_log import LOG_BYTES, LOG_ROWS
from tests.jobs.harness import JobsHarness, SimpleJob, open_harness
from tests.old_backend import fill, insert, old_database

DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def maintenance(harness: JobsHarness) -> None:
    """Adds the real maintenance handlers to the test's worker."""
    add_maintenance(harness)


def add_maintenance(harness: JobsHarness) -> None:
    harness.registrations.update({one.spec.type: one for one in harness.features.maintenance().registrations})


async def maintain(harness: JobsHarness, what: str, **payload: Any) -> dict[str, Any]:
    """Runs a maintenance job and returns its result."""
    created = await harness.call("jobs.create", {"type": f"maintenance.{what}", "payload": payload, "priority": 100})
    async with harness.working():
        done = await harness.until_updated(created["job"]["job_id"], status="succeeded")
    result: dict[str, Any] = done["result"]
    return result


def finish_job(harness: JobsHarness, name: str, size: int = 0, status: JobStatus = JobStatus.SUCCEEDED) -> str:
    """Returns the id of a finished job with a payload of about `size` bytes and an additional log line."""
    harness.journal.enqueue(SimpleJob(name=name, lock="x" * size))
    claimed = harness.journal.claim([])
    assert claimed is not None
    harness.journal.log(claimed.job_id, "info", "at work")
    harness.journal.finish(claimed.job_id, status)
    harness.clock.advance(1)
    return claimed.job_id


def remaining_names(harness: JobsHarness) -> list[str]:
    """Returns the names of the jobs that still exist, oldest first."""
    rows = harness.database.rows(
        "SELECT json_extract(payload_json, '$.name') FROM jobs WHERE type LIKE 'work.%' ORDER BY created_at, job_id"
    )
    return [name for (name,) in rows]


def orphaned_lines(harness: JobsHarness) -> list[Any]:
    """Returns the log lines whose job no longer exists."""
    return harness.database.rows("SELECT * FROM job_events WHERE job_id NOT IN (SELECT job_id FROM jobs)")


async def test_old_finished_jobs_are_pruned_with_their_logs(harness: JobsHarness) -> None:
    for name, status in (("a", JobStatus.SUCCEEDED), ("b", JobStatus.FAILED), ("c", JobStatus.CANCELLED)):
        finish_job(harness, name, status=status)
    finish_job(harness, "d", status=JobStatus.INTERRUPTED)
    harness.clock.advance(20 * DAY_S)
    young = finish_job(harness, "young")
    harness.clock.advance(10 * DAY_S)
    assert (await maintain(harness, "prune", keep_days=30))["jobs"] == 4
    assert (remaining_names(harness), orphaned_lines(harness)) == (["young"], [])
    assert await harness.log_messages(young) == ["Started", "at work", "Succeeded"]
    assert (await maintain(harness, "prune", keep_days=30))["jobs"] == 0


async def test_an_unfinished_job_is_never_pruned(harness: JobsHarness) -> None:
    await harness.create_job("runs", lock="k" * 2_000_000)
    harness.journal.claim([])
    await harness.create_job("waits", lock="k" * 2_000_000)
    finish_job(harness, "done")
    harness.clock.advance(400 * DAY_S)
    created = await harness.call(
        "jobs.create", {"type": "maintenance.prune", "payload": {"keep_days": 1, "max_bytes": 1_000_000}}
    )
    async with harness.working():
        done = await harness.until_updated(created["job"]["job_id"], status="succeeded")
    assert (done["result"]["jobs"], remaining_names(harness)) == (1, ["runs", "waits"])


async def test_the_oldest_jobs_are_pruned_beyond_the_size_limit(harness: JobsHarness) -> None:
    for name in "abcdef":
        finish_job(harness, name, size=300_000)
    assert (await maintain(harness, "prune", max_bytes=1_000_000))["jobs"] == 3
    assert (remaining_names(harness), orphaned_lines(harness)) == (["d", "e", "f"], [])
    assert (await maintain(harness, "prune", max_bytes=1_000_000))["jobs"] == 0


async def test_logs_and_results_count_towards_the_size(harness: JobsHarness) -> None:
    def with_log(name: str) -> None:
        job_id = finish_job(harness, name)
        for _ in range(10):
            harness.journal.log(job_id, "info", "page", meta={"page": "x" * 40_000})

    def with_result(name: str) -> None:
        harness.journal.enqueue(SimpleJob(name=name))
        claimed = harness.journal.claim([])
        assert claimed is not None
        harness.journal.finish(claimed.job_id, JobStatus.SUCCEEDED, result=b'"%s"' % (b"x" * 400_000))
        harness.clock.advance(1)

    for make, name in ((with_log, "a"), (with_result, "b"), (with_log, "c"), (with_result, "d")):
        make(name)
    await maintain(harness, "prune", max_bytes=1_000_000)
    assert remaining_names(harness) == ["c", "d"]


async def test_pruning_commits_between_batches(harness: JobsHarness) -> None:
    for number in range(60):
        finish_job(harness, str(number))
    harness.unit_of_work.commit()
    left: list[int] = []
    events = iter([200, 0])

    async def committed() -> None:
        await harness.runtime.committed()
        with closing(sqlite3.connect(f"{harness.database.path.as_uri()}?mode=ro", uri=True)) as other:
            left.append(other.execute("SELECT count(*) FROM jobs WHERE type = 'work.simple'").fetchone()[0])

    harness.clock.advance(31 * DAY_S)
    prune = PruneHandler(harness.runtime._replace(committed=committed), harness.store, lambda _: next(events))
    harness.registrations["maintenance.prune"] = Registration(harness.registrations["maintenance.prune"].spec, prune)
    assert await maintain(harness, "prune") == {"jobs": 60, "events": 200}
    assert left == [35, 10, 0, 0, 0, 0]


async def test_maintenance_reports_its_progress(harness: JobsHarness) -> None:
    for number in range(300):
        finish_job(harness, str(number), size=30_000)
    harness.clock.advance(31 * DAY_S)
    harness.random_fraction = 0
    await maintain(harness, "prune")
    await maintain(harness, "vacuum")
    rows = harness.database.rows("SELECT type, progress, message FROM jobs ORDER BY created_at, job_id")
    reported = {(params["progress"], params["message"]) for params in harness.named("jobs.progress")}
    assert rows == [
        ("maintenance.prune", 1.0, "Deleted 300 old jobs"),
        ("maintenance.vacuum", 1.0, "Returning space to the file system"),
    ]
    assert reported & {(0.3, "Deleted 300 old jobs"), (0.7, "Deleted 300 jobs")}
    assert all(0 <= fraction < 1 for fraction, _ in reported)


def log_events(harness: JobsHarness, count: int, size: int = 0) -> None:
    with harness.database.write():
        for _ in range(count):
            harness.outbox.log.append("2026-11-23T08:00:00.000Z", "test.happened", b'"x":"%s"' % (b"x" * size))


async def replayed(harness: JobsHarness, after_seq: int) -> tuple[int, bool]:
    """Returns the first replayed `seq`, and whether earlier events are lost."""
    page = await harness.call("events.replay", {"after_seq": after_seq, "limit": 1})
    return page["events"][0]["params"]["seq"], page["truncated"]


async def resume(harness: JobsHarness, path: Path, after_seq: int) -> str:
    """Restarts the app; returns the outcome for a client that resumes after this `seq`."""
    epoch = harness.outbox.log.epoch()
    harness.close()
    again = JobsHarness(path, harness.clock)
    try:
        answer = await again.initialize(resume={"epoch": epoch, "after_seq": after_seq})
    finally:
        again.close()
    outcome: str = answer["events"]["resume"]
    return outcome


def exceed_rows(harness: JobsHarness) -> int:
    log_events(harness, LOG_ROWS + 300)
    return harness.outbox.log.window()[1] - LOG_ROWS + 1


def exceed_bytes(harness: JobsHarness) -> int:
    log_events(harness, 40, size=LOG_BYTES // 32)
    return harness.outbox.log.window()[1] - 30


def exceed_age(harness: JobsHarness) -> int:
    log_events(harness, 500)
    harness.clock.advance(7 * DAY_S + 1)
    return harness.outbox.log.window()[1] + 1


@pytest.mark.parametrize("exceed", [exceed_rows, exceed_bytes, exceed_age])
async def test_the_event_log_is_pruned_and_a_replay_reports_lost_events(
    harness: JobsHarness, exceed: Callable[[JobsHarness], int]
) -> None:
    oldest = exceed(harness)
    before = harness.outbox.log.window()[0]
    result = await maintain(harness, "prune")
    found = harness.outbox.log.window()[0]
    assert result == {"jobs": 0, "events": found - before}
    assert oldest <= found <= oldest + 10  # the job's own notifications are in the log too
    assert await replayed(harness, 0) == (found, True)
    assert await replayed(harness, found - 2) == (found, True)
    assert await replayed(harness, found - 1) == (found, False)


@pytest.mark.parametrize(("seen", "outcome"), [(-2, "resync"), (-1, "ok")])
async def test_a_client_that_resumes_after_lost_events_must_resync(data_dir: Path, seen: int, outcome: str) -> None:
    path = data_dir / "another.db"
    async with open_harness(path) as harness:
        add_maintenance(harness)
        log_events(harness, 500)
        harness.clock.advance(8 * DAY_S)
        await maintain(harness, "prune")
        assert await resume(harness, path, harness.outbox.log.window()[0] + seen) == outcome


def file_bytes(harness: JobsHarness) -> int:
    """Returns the size of the database file."""
    return harness.database.path.stat().st_size


def free_pages(harness: JobsHarness, count: int = 600) -> None:
    """Leaves free pages behind: about 30 KB per job, including its log and events."""
    for number in range(count):
        finish_job(harness, str(number), size=10_000)
    harness.unit_of_work.commit()
    with harness.database.write():
        for table in ("jobs", "job_events", "event_log"):
            harness.database.execute(f"DELETE FROM {table}")
    harness.unit_of_work.commit()


async def test_a_vacuum_returns_free_pages_to_the_file_system(harness: JobsHarness) -> None:
    free_pages(harness)
    free, size = harness.database.freelist_count(), file_bytes(harness)
    assert free * harness.database.page_size() > 20_000_000
    result = await maintain(harness, "vacuum")
    assert result["freed_bytes"] >= free * harness.database.page_size() - 1_000_000
    assert harness.database.freelist_count() == 0
    assert file_bytes(harness) < size - 20_000_000
    assert harness.database.rows("PRAGMA integrity_check") == [("ok",)]


async def test_the_write_ahead_log_shrinks_after_a_huge_transaction(harness: JobsHarness) -> None:
    log_events(harness, 10, size=4_000_000)
    harness.unit_of_work.commit()
    log = harness.database.path.with_name("sidecar.db-wal")
    assert log.stat().st_size > 40_000_000
    for _ in range(2):
        log_events(harness, 1)
        harness.unit_of_work.commit()
    assert log.stat().st_size <= WAL_LIMIT_BYTES


async def test_a_vacuum_continues_while_other_code_writes(harness: JobsHarness) -> None:
    free_pages(harness, 300)
    others = iter(range(20))

    async def committed() -> None:
        await harness.runtime.committed()
        for number in islice(others, 1):
            with harness.database.write():  # other code has begun the next transaction first
                harness.database.execute("INSERT INTO database_metadata VALUES (?, '')", (f"fact {number}",))

    harness.registrations["maintenance.vacuum"] = Registration(
        VacuumDatabase, VacuumHandler(harness.runtime._replace(committed=committed), lambda _: iter(()))
    )
    await maintain(harness, "vacuum")
    assert (harness.database.freelist_count(), next(others, None)) == (0, None)


async def test_an_adopted_database_can_be_pruned_and_vacuumed(tmp_path: Path) -> None:
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
    async with open_harness(tmp_path / "sidecar.db") as harness:
        add_maintenance(harness)
        assert harness.database.rows("PRAGMA auto_vacuum") == [(2,)]
        assert harness.database.rows("PRAGMA journal_mode") == [("wal",)]
        assert (tmp_path / "sidecar.db-wal").stat().st_size < 5_000_000
        size = file_bytes(harness)
        assert (await maintain(harness, "prune"))["jobs"] == 501
        assert (await maintain(harness, "vacuum"))["freed_bytes"] > 9_000_000
        assert (harness.database.freelist_count(), file_bytes(harness) < size - 9_000_000) == (0, True)
    (backup,) = (tmp_path / "backups").iterdir()
    with closing(sqlite3.connect(backup)) as copied:
        assert copied.execute("SELECT count(*) FROM jobs").fetchone() == (501,)
