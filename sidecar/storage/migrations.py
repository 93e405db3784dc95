"""Migrations: bring a database to the current schema when it is opened, after a backup.

The migrations are the files schema/migrations/*.sql; the table `schema_migrations` lists those that were applied.  A
database of the old backend lists none; the first migration creates only the tables and indexes that it lacks.
"""

import logging
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from sidecar.storage.backups import BACKUPS_KEPT, back_up, backups_of
from sidecar.storage.database import open_connection
from sidecar.storage.identity import epochs, lost_backup, rows_of, set_lost_backup, take_over
from sidecar.storage.inspection import MIGRATION_SET, MIGRATIONS_TABLE, DatabaseUnusable, inspect, is_writable, unusable
from sidecar.storage.restore import settle

log = logging.getLogger(__name__)

INITIAL: Final = "0001_initial"
_CREATE: Final = re.compile(r"^CREATE (TABLE|INDEX)", re.MULTILINE)
EPOCH_BYTES: Final = 16
REINSTALL: Final = "Install the program again, with all of its files"


class InstallationDamaged(Exception):
    """Files of the program are missing; nothing was changed."""


def migration_files(directory: Path) -> dict[str, Path]:
    """Returns the migrations' files by name, in order.  Raises `InstallationDamaged` if some are missing."""
    folder = directory / "migrations"
    files = {path.stem: path for path in sorted(folder.glob("*.sql"))}
    if INITIAL not in files:
        raise InstallationDamaged(f"the program's files are missing: there are no migrations in {folder}. {REINSTALL}")
    return files


def check_installation(directory: Path) -> None:
    """Raises `InstallationDamaged` if files are missing that a start needs."""
    migration_files(directory)
    if not (contract := directory / "openrpc.json").is_file():
        raise InstallationDamaged(f"the program's files are missing: there is no {contract}. {REINSTALL}")


def open_database(
    path: Path, directory: Path, now_ms: int, randomness: Callable[[int], bytes] = os.urandom
) -> sqlite3.Connection:
    """Opens the database at `path`, creating or migrating it, after completing a restore that was begun.

    `randomness` replaces SQLite's `randomblob` in the migrations.  Raises DatabaseNewer, DatabaseUnusable,
    DatabaseLocked, InstallationDamaged, or PermissionError if the file is read-only; after all but DatabaseUnusable
    nothing was written.
    """
    try:
        return _open(path, migration_files(directory), now_ms, randomness)
    except sqlite3.Error as error:
        raise unusable(path, error, now_ms) from error


def _open(path: Path, known: dict[str, Path], now_ms: int, randomness: Callable[[int], bytes]) -> sqlite3.Connection:
    real, backups = path.resolve(), backups_of(path)
    settle(real, now_ms)
    contents = inspect(real, known, now_ms)
    pending = [name for name in known if name not in contents.applied]
    if not is_writable(real):  # SQLite would open it and fail at the first write
        raise PermissionError(f"{path} is read-only")
    earlier = None if contents.has_tables else backups.newest(now_ms)
    connection = open_connection(real)
    take_over(connection, lambda epoch: sha256(randomness(EPOCH_BYTES) + epoch.encode()).hexdigest()[: 2 * EPOCH_BYTES])
    if pending:
        if contents.has_tables:
            written = backups.new_path(now_ms, pending[0])
            back_up(connection, written)
            backups.rotate(written, epochs(rows_of(connection)), keep=BACKUPS_KEPT, now_ms=now_ms)
        if INITIAL in pending:
            enable_incremental_vacuum(connection)
        connection.create_function("randomblob", 1, randomness)
        migrate(connection, known, pending)
        if contents.has_tables:
            # A migration that rewrote a table left a log as large as the table; a later checkpoint would empty it too.
            with suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if earlier is not None and lost_backup(rows_of(connection)) is None:
        set_lost_backup(rows_of(connection), earlier.path.name)
        log.warning("%s was lost: a new one was created, and %s is the newest backup", path, earlier.path)
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


def migrate(connection: sqlite3.Connection, known: dict[str, Path], pending: list[str]) -> None:
    """Applies the pending migrations, each in a transaction that also records it."""
    # The import takes 90 ms, and most starts have nothing to migrate.
    from sqlite_utils import Database  # noqa: PLC0415
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415

    migrations = Migrations(MIGRATION_SET)
    migrations.migrations_table = MIGRATIONS_TABLE
    for name in pending:
        text = known[name].read_text("utf-8")
        # A database of the old backend has the objects of the first migration already.
        sql = _CREATE.sub(r"CREATE \1 IF NOT EXISTS", text) if name == INITIAL else text
        migrations(name=name)(lambda database, sql=sql: apply_migration(database, sql))
    try:
        migrations.apply(Database(connection))
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY")):
            raise  # not the migration's fault
        raise DatabaseUnusable(f"migration {pending[0]} failed: {error}") from error


def apply_migration(database: Any, sql: str) -> None:
    database.executescript(sql)
