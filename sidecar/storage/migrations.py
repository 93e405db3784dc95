"""Migrations: bring a database to the current schema when it is opened, after a backup.

The migrations are the files schema/migrations/*.sql; the table `schema_migrations` lists those that were applied.  A
database of the old backend lists none; the first migration creates only the tables and indexes that it lacks.
"""

import asyncio
import contextlib
import logging
import os
import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sidecar.paths import make_private_dir
from sidecar.storage.database import Database, open_connection

log = logging.getLogger(__name__)

MIGRATION_SET: Final = "sidecar"
INITIAL: Final = "0001_initial"
MIGRATIONS_TABLE: Final = "schema_migrations"
BACKUPS_KEPT: Final = 3
PART: Final = ".part"
_CREATE: Final = re.compile(r"^CREATE (TABLE|INDEX)", re.MULTILINE)
CHECK_STEPS: Final = 10_000
"""Steps of SQLite's virtual machine, a few milliseconds, between two looks at the time limit of a check."""

APPLIED: Final = f"SELECT name FROM {MIGRATIONS_TABLE} WHERE migration_set = ? ORDER BY id"


class DatabaseNewer(Exception):
    """The database has a migration of a newer version; nothing was written to it."""


class DatabaseUnusable(Exception):
    """The file is not a usable SQLite database, or a migration failed."""


def migration_files(directory: Path) -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in sorted((directory / "migrations").glob("*.sql"))}


def open_database(
    path: Path, directory: Path, stamp: str, randomness: Callable[[int], bytes] = os.urandom
) -> sqlite3.Connection:
    """Opens the database at `path`, creating or migrating it.

    `stamp` ends the name of the backup that is made before a migration; `randomness` replaces SQLite's `randomblob` in
    the migrations.  Raises DatabaseNewer, DatabaseUnusable, or PermissionError if the file is read-only; after
    DatabaseNewer and PermissionError nothing was written.
    """
    try:
        return _open(path, migration_files(directory), stamp, randomness)
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path} cannot be opened ({error})") from error


def _open(path: Path, known: dict[str, str], stamp: str, randomness: Callable[[int], bytes]) -> sqlite3.Connection:
    existed = path.exists() and path.stat().st_size > 0
    pending = pending_migrations(path, known)
    if existed and not os.access(path, os.W_OK):  # SQLite would open it and fail at the first write
        raise PermissionError(f"{path} is read-only")
    connection = open_connection(path)
    if pending:
        if existed:
            backups = path.parent / "backups"
            back_up(connection, backups / f"{path.stem}-before-{pending[0]}-{stamp}.db")
            prune_backups(backups, f"{path.stem}-before-*.db", BACKUPS_KEPT)
            if INITIAL in pending:
                enable_incremental_vacuum(connection)
        connection.create_function("randomblob", 1, randomness)
        migrate(connection, known, pending)
    return connection


def enable_incremental_vacuum(connection: sqlite3.Connection) -> None:
    """Lets a database of the old backend return unused pages to the file system.

    Once a file has tables, this requires a VACUUM.  If the disk has no room for that, the file does not shrink, which
    has no other effect.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != 0:
        return
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        log.exception("the database could not be rewritten, so its file will not shrink when rows are deleted")


def pending_migrations(path: Path, known: dict[str, str]) -> list[str]:
    """Returns the names of the migrations that a file lacks, without writing to it.

    Raises DatabaseNewer if it has a migration that is not `known`, DatabaseUnusable if it is not a database.
    """
    if not path.exists() or path.stat().st_size == 0:
        return list(known)
    connection = sqlite3.connect(f"{path.as_uri()}?{_uri_mode(path)}", uri=True, isolation_level=None)
    try:
        applied = applied_migrations(connection)
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"{path} is not a SQLite database ({error})") from None
    finally:
        connection.close()
    if unknown := [name for name in applied if name not in known]:
        raise DatabaseNewer(
            f"{path} was created by a newer version (it has migration {unknown[-1]}, which this version does not know);"
            " update the app, or open a backup"
        )
    return [name for name in known if name not in applied]


def _uri_mode(path: Path) -> str:
    """Returns the URI parameters to read a file with; even a reader creates files next to it unless it is immutable."""
    if path.with_name(path.name + "-journal").exists():
        return "mode=rw"  # left by a crash during a write, which a read-only connection cannot roll back
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"


def applied_migrations(connection: sqlite3.Connection) -> list[str]:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (MIGRATIONS_TABLE,)).fetchone():
        return []
    return [name for (name,) in connection.execute(APPLIED, (MIGRATION_SET,))]


def migrate(connection: sqlite3.Connection, known: dict[str, str], pending: list[str]) -> None:
    """Applies the pending migrations, each in a transaction that also records it."""
    # The import takes 90 ms, and most starts have nothing to migrate.
    from sqlite_utils import Database  # noqa: PLC0415
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415

    migrations = Migrations(MIGRATION_SET)
    migrations.migrations_table = MIGRATIONS_TABLE
    for name, text in known.items():
        # A database of the old backend has the objects of the first migration already.
        sql = _CREATE.sub(r"CREATE \1 IF NOT EXISTS", text) if name == INITIAL else text
        migrations(name=name)(lambda database, sql=sql: apply_migration(database, sql))
    try:
        migrations.apply(Database(connection))
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"migration {pending[0]} failed: {error}") from error


def apply_migration(database: Any, sql: str) -> None:
    database.executescript(sql)


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Writes a compact copy of the database to `target`; raises FileExistsError if that exists.

    SQLite makes the copy: closing another descriptor of the file would release SQLite's locks.  The copy is renamed to
    `target` when it is complete; a crash leaves a `.part` file, which the next backup deletes.
    """
    if target.exists():
        raise FileExistsError(f"{target} already exists")
    make_private_dir(target.parent)
    for left in target.parent.glob(f"*{PART}"):
        left.unlink(missing_ok=True)
    part = part_of(target)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM INTO accepts an empty file
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
    except sqlite3.Error:
        part.unlink(missing_ok=True)
        raise
    part.rename(target)


def part_of(target: Path) -> Path:
    return target.with_name(target.name + PART)


def prune_backups(directory: Path, pattern: str, keep: int) -> None:
    """Deletes all but the newest `keep` files that match `pattern`; their names sort by time."""
    for path in sorted(directory.glob(pattern))[:-keep]:
        path.unlink(missing_ok=True)


def applied_names(database: Database) -> list[str]:
    return [name for (name,) in database.rows(APPLIED, (MIGRATION_SET,))]


async def quick_check(path: Path, limit_s: float) -> str:
    """Returns the result of SQLite's integrity check: "ok", the first fault, or "took too long"."""
    deadline = time.monotonic() + limit_s

    def check() -> str:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_STEPS)
            try:
                return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
            except sqlite3.Error as error:
                return "took too long" if "interrupted" in str(error) else str(error)

    return await asyncio.to_thread(check)
