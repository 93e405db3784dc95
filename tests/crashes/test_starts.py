"""kill -9 while a database is created, backed up or adopted: the next start continues and no row is missing."""

import contextlib
import sqlite3

import pytest

from sidecar.paths import schema_dir
from sidecar.storage.backups import back_up
from sidecar.storage.migrations import migration_files
from sidecar.storage.restore import stage
from tests.crashes.cases import nightly
from tests.crashes.invariants import recover
from tests.crashes.recovering_client import RecoveringClient
from tests.old_backend import ROWS, fill, old_database


def rows(database: sqlite3.Connection) -> dict[str, int]:
    """Returns the number of rows of each table of the old backend."""
    return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ROWS}


def adopt(client: RecoveringClient) -> dict[str, int]:
    """Puts a database of the old backend into the data folder; returns its number of rows per table."""
    client.data_dir.mkdir()
    with old_database(client.data_dir) as database:
        fill(database)
        return rows(database)


def start_and_die(client: RecoveringClient, point: str, passings: tuple[int, ...]) -> None:
    """Starts the sidecar once per passing; each start dies at its passing of the point."""
    for nth in passings:
        with client.sidecar("--boot", "--point", f"migrations.{point}", "--nth", str(nth)):
            client.expect_killed()


def crash_and_recover(client: RecoveringClient) -> None:
    """Runs a job that is killed in the middle, then recovers."""
    with client.sidecar("--point", "handler:middle"):
        client.create("crash.once", "crash.repeatable")
        client.expect_killed()
    recover(client)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("step", (1,)),
        nightly("step", (1, 2, 3)),
        nightly("open_connection", (1,)),
        nightly("migrate", (1,)),
    ],
)
def test_the_next_start_completes_a_half_created_database(
    client: RecoveringClient, point: str, passings: tuple[int, ...], side: str
) -> None:
    start_and_die(client, f"{point}:{side}", passings)
    crash_and_recover(client)
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("copy", (1,)),
        ("rotate:after", (1,)),
        ("step:after", (1,)),
        nightly("open_connection:after", (1,)),
        nightly("back_up:before", (1,)),
        nightly("back_up:after", (1,)),
        nightly("copy", (1, 2, 3)),
        nightly("migrate:before", (1,)),
        nightly("migrate:after", (1,)),
        nightly("step:before", (1, 2, 3)),
        nightly("step:after", (1, 2, 3)),
    ],
)
def test_the_next_start_completes_a_half_adopted_database_and_every_backup_is_complete(
    client: RecoveringClient, point: str, passings: tuple[int, ...]
) -> None:
    before = adopt(client)
    start_and_die(client, point, passings)
    with client.sidecar():
        assert client.read_answers()
        assert client.quit() == 0
    with contextlib.closing(sqlite3.connect(client.data_dir / "sidecar.db")) as database:
        assert rows(database) == before
    crash_and_recover(client)
    backups = [path for path in (client.data_dir / "backups").iterdir() if path.suffix == ".db"]
    assert backups
    for path in backups:
        with contextlib.closing(sqlite3.connect(path)) as backup:
            assert rows(backup) == before
            assert backup.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(
    "point",
    ["settle:before", "settle:after", "take_over:before", "take_over:after", nightly("open_connection:after")],
)
def test_a_kill_while_a_backup_is_restored_loses_neither_the_backup_nor_the_database(
    client: RecoveringClient, point: str
) -> None:
    with client.sidecar():
        client.create("crash.once", "crash.repeatable")
        assert client.read_until(client.all_final)
        assert client.quit() == 0
    path = client.data_dir / "sidecar.db"
    backup = client.data_dir / "backups" / "by-hand.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        back_up(database, backup)
        expected = database.execute("SELECT job_id FROM jobs ORDER BY job_id").fetchall()
    with client.sidecar() as raw:
        client.create("crash.once")
        assert client.read_until(client.all_final)
        raw.process.kill()
        client.expect_killed()
    kept = stage(backup, path, migration_files(schema_dir()), 0)
    start_and_die(client, point, (1, 1))
    restored = RecoveringClient(client.data_dir, client.step_log)  # for it the restored database is another one
    with restored.sidecar():
        assert restored.quit() == 0
    for found, count in ((path, 2), (kept, 3)):
        with contextlib.closing(sqlite3.connect(found)) as database:
            jobs = database.execute("SELECT job_id FROM jobs ORDER BY job_id").fetchall()
            assert (len(jobs), jobs[:2]) == (count, expected)
