"""The database connection: shared transactions, durability, file modes, full disks and locks."""

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from sidecar.commandline.client import RemoteError
from sidecar.storage.database import PAGE_BYTES, Database, open_connection
from sidecar.storage.failures import storage_error
from sidecar.wire import dispatch
from tests.conftest import StartRawClient
from tests.in_process_app import InProcessApp
from tests.process.raw_client import MODIFIED_SIDECAR, line

Call = tuple[str, dict[str, Any]]
needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """An open database with the table `names`."""
    connection = open_connection(data_dir / "sidecar.db")
    connection.execute("CREATE TABLE names (name TEXT PRIMARY KEY, filler TEXT)")
    database = Database(connection, data_dir / "sidecar.db", lambda: None)
    yield database
    database.close()


def insert(database: Database, name: str, size: int = 0) -> None:
    with database.write():
        database.execute("INSERT INTO names (name, filler) VALUES (?, ?)", (name, "x" * size))


def stored(database: Database) -> list[str]:
    """Returns the committed names, read through another connection."""
    with contextlib.closing(sqlite3.connect(database.path)) as other:
        return [name for (name,) in other.execute("SELECT name FROM names ORDER BY name")]


def limit_growth(database: Database, room: int = 2) -> None:
    """Lets the file grow by `room` pages at most."""
    (pages,) = database.row("PRAGMA page_count") or (0,)
    database.row(f"PRAGMA max_page_count = {pages + room}")


def test_writes_are_visible_to_other_connections_after_the_commit(database: Database) -> None:
    insert(database, "a")
    insert(database, "b")
    assert (stored(database), database.in_transaction) == ([], True)
    database.commit()
    assert (stored(database), database.in_transaction) == (["a", "b"], False)
    database.commit()  # without writes


def test_each_transaction_requests_one_commit(data_dir: Path) -> None:
    requests: list[None] = []
    database = Database(
        open_connection(data_dir / "sidecar.db"), data_dir / "sidecar.db", lambda: requests.append(None)
    )
    with database.write():
        database.execute("CREATE TABLE names (name TEXT PRIMARY KEY, filler TEXT)")
    insert(database, "a")
    database.commit()
    insert(database, "b")
    database.commit()
    database.close()
    assert len(requests) == 2


def test_a_failed_first_block_is_rolled_back(database: Database) -> None:
    def fail() -> None:
        with database.write():
            database.execute("INSERT INTO names (name) VALUES ('a')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not database.in_transaction
    insert(database, "b")
    database.commit()
    assert stored(database) == ["b"]


def test_a_failed_later_block_leaves_the_earlier_blocks(database: Database) -> None:
    insert(database, "a")

    def fail() -> None:
        with database.write():
            database.execute("INSERT INTO names (name) VALUES ('b')")
            database.execute("INSERT INTO names (name) VALUES ('a')")

    with pytest.raises(sqlite3.IntegrityError):
        fail()
    insert(database, "c")
    database.commit()
    assert stored(database) == ["a", "c"]


class Busy:
    """A connection with which no transaction can begin."""

    in_transaction = False

    def execute(self, sql: str, *_: object) -> None:
        if sql == "BEGIN IMMEDIATE":
            raise sqlite3.OperationalError("database is locked")


def test_a_block_that_cannot_begin_is_logged_and_writes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(cast("sqlite3.Connection", Busy()), tmp_path / "x.db", lambda: None)
    reached = False
    with database.write_or_log("it could not be stored"):
        reached = True
        database.execute("INSERT INTO numbers VALUES (1)")
        reached = False  # it was written without a transaction
    assert reached
    assert caplog.messages == ["it could not be stored"]


def test_a_nested_block_raises_what_it_would_log_alone(database: Database) -> None:
    with pytest.raises(sqlite3.Error), database.write(), database.write_or_log("it could not be stored"):
        database.execute("INSERT INTO nowhere VALUES (1)")


def test_a_nested_block_is_part_of_the_outer_block(database: Database) -> None:
    insert(database, "a")

    def fail() -> None:
        with database.write():
            insert(database, "b")
            insert(database, "c")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.write():
        insert(database, "d")
    database.commit()
    assert stored(database) == ["a", "d"]


def test_a_transaction_that_a_full_disk_rolled_back_fails_at_the_commit(database: Database) -> None:
    """SQLite rolls back the whole transaction, with the writes of earlier blocks."""
    insert(database, "kept")
    database.commit()
    limit_growth(database)
    insert(database, "a")
    for name in ("b", "c"):  # the second begins a new transaction, whose commit must still report the loss
        with pytest.raises(sqlite3.OperationalError, match="full"):
            insert(database, name, 100_000)
    insert(database, "d")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        database.commit()
    assert stored(database) == ["kept"]
    insert(database, "e")
    database.commit()
    assert stored(database) == ["e", "kept"]


def test_a_failed_write_without_others_is_reported_once(database: Database) -> None:
    limit_growth(database)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        insert(database, "a", 100_000)
    database.commit()  # the block has raised the error already
    assert stored(database) == []


def test_a_page_ends_early_when_its_rows_are_large(database: Database) -> None:
    for name in "abcde":
        insert(database, name, PAGE_BYTES // 2)
    sql = "SELECT filler, name FROM names ORDER BY name LIMIT ?"
    assert [(name, more) for rows, more in [database.page(sql, (6,), 5)] for _, name in rows] == [
        ("a", True),
        ("b", True),
    ]
    insert(database, "A", PAGE_BYTES * 2)
    rows, more = database.page(sql, (6,), 5)
    assert ([name for _, name in rows], more) == (["A"], True)  # always at least one row, or paging could not go on
    rows, more = database.page(sql.replace("filler", "name"), (7,), 6)
    assert ([name for _, name in rows], more) == (["A", "a", "b", "c", "d", "e"], False)
    rows, more = database.page(sql.replace("filler", "name"), (6,), 5)
    assert (len(rows), more) == (5, True)


def test_the_connection_has_the_pragmas_for_durability_and_privacy(database: Database) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "auto_vacuum", "busy_timeout")
    rows = {name: database.row(f"PRAGMA {name}") for name in names}
    assert {name: row[0] for name, row in rows.items() if row} == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "auto_vacuum": 2,
        "busy_timeout": 2_000,
    }


@needs_modes
def test_files_are_readable_by_their_owner_only(raw_client: StartRawClient, data_dir: Path) -> None:
    old = os.umask(0)
    try:
        with raw_client() as wire:
            wire.initialize()
            job = wire.call("jobs.create", type="maintenance.backup")["job"]
            wire.until_job(job["job_id"], "succeeded")
            modes = {path.relative_to(data_dir): path.stat().st_mode & 0o777 for path in data_dir.rglob("*")}
            folders = {path for path in modes if (data_dir / path).is_dir()}
    finally:
        os.umask(old)
    assert folders == {Path("logs"), Path("backups")}
    assert {str(path) for path in modes} >= {"sidecar.db", "sidecar.db-wal", "sidecar.db.lock", "logs/sidecar.log"}
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert modes == {path: 0o700 if path in folders else 0o600 for path in modes}


@needs_modes
def test_an_existing_folder_keeps_its_mode(raw_client: StartRawClient, data_dir: Path) -> None:
    data_dir.mkdir()
    data_dir.chmod(0o750)
    with raw_client() as wire:
        wire.initialize()
    assert data_dir.stat().st_mode & 0o777 == 0o750


def test_a_full_disk_refuses_new_jobs_and_loses_no_acknowledged_job(raw_client: StartRawClient) -> None:
    with raw_client("full", command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        answers: list[Any] = []
        for start in range(0, 900, 300):
            later = {"type": "test.echo", "payload": {"text": "x" * 300}, "run_at": "2999-01-01T00:00:00Z"}
            wire.send(b"".join(line("jobs.create", start + number, **later) for number in range(300)))
            answers += [wire.next_answer() for _ in range(300)]
        kept = {answer["result"]["job"]["job_id"] for answer in answers if "result" in answer}
        refused = [answer["error"] for answer in answers if "error" in answer]
        assert refused
        assert {(error["code"], error["data"]["kind"], error["data"]["details"][0]["reason"]) for error in refused} == {
            (5070, "storage", "disk_full")
        }
        assert len(wire.call("jobs.list", limit=500)["jobs"]) == min(500, len(kept))  # reads still work
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        assert wire.call("system.status")["queue"] == {"queued": len(kept)}
        assert {wire.call("jobs.get", job_id=job_id)["status"] for job_id in kept} <= {"queued"}


@pytest.mark.parametrize(("room", "lost"), [(2, False), (150, True)])
async def test_answers_are_true_when_the_disk_is_full_for_some_requests_of_a_burst(
    app: InProcessApp, room: int, lost: bool
) -> None:
    """Requests of one burst share a transaction.

    If SQLite rolls back only the statement that needed space, the other requests succeed.  If it rolls back the whole
    transaction, as it does for a statement without a statement journal (the second of the large request), all fail.
    """
    limit_growth(app.database, room)
    small: Call = ("jobs.create", {"type": "test.echo"})
    large: Call = ("jobs.create", {"type": "test.echo", "payload": {"text": "x" * 400_000}})
    jobs: Call = ("jobs.list", {})
    answers = await app.burst(small, jobs, large, jobs, large)
    full = [one.error is not None and one.error["data"]["details"][0]["reason"] == "disk_full" for one in answers]
    assert full == [lost, lost, True, False, True]
    kept = [] if lost else [answers[0].result["job"]["job_id"]]
    assert [job["job_id"] for job in answers[3].result["jobs"]] == kept
    app.database.row("PRAGMA max_page_count = 1000000")
    kept.insert(0, (await app.call(*small))["job"]["job_id"])
    assert [job["job_id"] for job in (await app.call(*jobs))["jobs"]] == kept
    await app.run_pending()
    assert [one["job"]["job_id"] for one in app.named("jobs.updated")] == kept[::-1]


def test_a_lock_of_another_program_fails_writes_until_it_is_released(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        with contextlib.closing(sqlite3.connect(data_dir / "sidecar.db", isolation_level=None)) as browser:
            browser.execute("BEGIN IMMEDIATE")
            assert wire.call("jobs.list")["jobs"] == []
            busy = wire.call("jobs.create", type="test.echo")["error"]
            assert (busy["code"], busy["data"]["details"][0]["reason"]) == (5070, "db_busy")
            browser.execute("ROLLBACK")
            browser.execute("BEGIN")
            browser.execute("SELECT * FROM jobs").fetchall()  # a reader blocks no writer
            job = wire.call("jobs.create", type="test.echo")["job"]
            assert wire.until_job(job["job_id"], "succeeded")["result"] == {"text": ""}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process")
def test_a_copy_of_the_files_at_any_moment_has_all_acknowledged_jobs(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    """The state after a power failure, except for writes that the disk itself loses."""
    with raw_client(command=MODIFIED_SIDECAR) as wire:
        wire.initialize()
        known: list[str] = []
        for start in range(0, 2_000, 500):
            wire.send(b"".join(line("jobs.create", start + n, type="test.echo") for n in range(500)))
            known += [wire.next_answer()["result"]["job"]["job_id"] for _ in range(300)]
            wire.process.send_signal(signal.SIGSTOP)
            copy = tmp_path / f"copy {start}"
            shutil.copytree(wire.data_dir, copy)
            wire.process.send_signal(signal.SIGCONT)
            known += [wire.next_answer()["result"]["job"]["job_id"] for _ in range(200)]
            with contextlib.closing(sqlite3.connect(copy / "sidecar.db")) as database:
                assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                stored_ids = {job_id for (job_id,) in database.execute("SELECT job_id FROM jobs")}
            assert stored_ids >= set(known[: start + 300])


def test_an_unknown_sqlite_error_has_a_generic_reason() -> None:
    error = sqlite3.OperationalError("database is locked")
    assert storage_error(error).data["details"] == [{"reason": "db_error", "sqlite": ""}]


async def test_a_failed_commit_fails_what_may_have_seen_its_writes_but_not_health(
    app: InProcessApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.database.write():
        app.database.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        app.database.execute("CREATE TABLE children (parent INTEGER REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    app.database.commit()

    async def call_while_a_write_fails() -> Any:
        with app.database.write():
            app.database.execute("INSERT INTO children VALUES (1)")
        return await app.call("jobs.list")

    with pytest.raises(RemoteError) as failed:
        await call_while_a_write_fails()
    assert failed.value.kind == "storage"
    assert "system.health" in dispatch.UNAFFECTED
    monkeypatch.setattr(dispatch, "UNAFFECTED", {"jobs.list"})  # there is no health without a process
    assert (await call_while_a_write_fails())["jobs"] == []
