"""kill -9 while a database is made, backed up or adopted: the next start goes on from there, and no row is missing."""

import contextlib
import sqlite3

import pytest

from tests.crashes.acknowledged import Witness
from tests.crashes.invariants import recover
from tests.old_backend import ROWS, fill, old_database

PASSINGS = (1, 2, 3)


def rows(database: sqlite3.Connection) -> dict[str, int]:
    """How many rows each of the old tables has."""
    return {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ROWS}


def adopt(witness: Witness) -> dict[str, int]:
    """Put a database of the old backend where the sidecar will look for its own; its rows by table."""
    witness.data_dir.mkdir()
    with old_database(witness.data_dir) as database:
        fill(database)
        return rows(database)


def die_at(witness: Witness, point: str, passings: tuple[int, ...]) -> None:
    """Starts, of which each ends at its passing of a point."""
    for nth in passings:
        with witness.life("--boot", "--point", f"migrations.{point}", "--nth", str(nth)):
            witness.until_killed()


def work(witness: Witness) -> None:
    """A life with a job in it, killed in the middle of that; then one that is not."""
    with witness.life("--point", "handler:middle"):
        witness.create("crash.once", "crash.again")
        witness.until_killed()
    recover(witness)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(("point", "passings"), [("open_connection", (1,)), ("migrate", (1,)), ("step", PASSINGS)])
def test_a_database_that_was_half_made_is_made(
    witness: Witness, point: str, passings: tuple[int, ...], side: str
) -> None:
    die_at(witness, f"{point}:{side}", passings)
    work(witness)
    with contextlib.closing(sqlite3.connect(witness.data_dir / "sidecar.db")) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)


@pytest.mark.parametrize(
    ("point", "passings"),
    [
        ("open_connection:after", (1,)),
        ("back_up:before", (1,)),
        ("back_up:after", (1,)),
        ("copy", PASSINGS),
        ("prune_backups:after", (1,)),
        ("migrate:before", (1,)),
        ("migrate:after", (1,)),
        ("step:before", PASSINGS),
        ("step:after", PASSINGS),
    ],
)
def test_a_database_that_was_half_adopted_is_adopted_and_every_backup_is_whole(
    witness: Witness, point: str, passings: tuple[int, ...]
) -> None:
    before = adopt(witness)
    die_at(witness, point, passings)
    with witness.life():
        assert witness.until_answered()
        assert witness.quit() == 0
    with contextlib.closing(sqlite3.connect(witness.data_dir / "sidecar.db")) as database:
        assert rows(database) == before
    work(witness)
    backups = [path for path in (witness.data_dir / "backups").iterdir() if path.suffix == ".db"]
    assert backups
    for path in backups:
        with contextlib.closing(sqlite3.connect(path)) as backup:
            assert rows(backup) == before
            assert backup.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
