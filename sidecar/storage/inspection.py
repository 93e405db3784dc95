"""Distinguishes the files that can be in the place of the database, before anything is written to them.

A database of ours, newer or older, of the old backend or of another program; a file that is cut, damaged, or no
database at all; one that is locked, or on a disk that is full.
"""

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple

from sidecar.storage.backups import backups_of, read_only
from sidecar.storage.identity import MAGIC, Rows, rows_of
from sidecar.storage.lock_file import DatabaseLocked

MIGRATION_SET: Final = "sidecar"
MIGRATIONS_TABLE: Final = "schema_migrations"
APPLIED: Final = f"SELECT name FROM {MIGRATIONS_TABLE} WHERE migration_set = ? ORDER BY id"
OLD_TABLES: Final = frozenset(
    {
        ("jobs", "job_id"),
        ("job_events", "event_id"),
        ("sync_state", "connector"),
        ("calendar_accounts", "account_id"),
        ("calendar_calendars", "calendar_id"),
        ("calendar_events", "event_id"),
        ("atlassian_accounts", "account_id"),
        ("activity_events", "event_id"),
    }
)
"""The tables of the old backend, each with a column that another program's table of that name hardly has."""
HEADER_BYTES: Final = 100
CHECK_STEPS: Final = 10_000
"""Steps of SQLite's virtual machine, a few milliseconds, between two looks at the time limit of a check."""
TOO_SLOW: Final = "took too long"
FULL_BYTES: Final = 64 * 1024
"""A disk with less free space is full: SQLite's shared memory alone takes 32 KiB."""
DISK_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class DatabaseNewer(Exception):
    """The database has a migration of a newer version; nothing was written to it."""


class DatabaseUnusable(Exception):
    """The database cannot be used: the reason, and what the user can do."""

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}. {advice}" if advice else reason)
        self.reason = reason


class Contents(NamedTuple):
    """The contents of the file in the place of the database."""

    has_tables: bool
    applied: tuple[str, ...] = ()
    """Names of the applied migrations; none in a database of the old backend."""


def inspect(path: Path, known: Collection[str], now_ms: int) -> Contents:
    """Returns what a file contains, without writing to it.

    `known` are the names of the migrations.  Raises `DatabaseNewer`, `DatabaseUnusable`, `DatabaseLocked`.
    """
    if not path.exists() or path.stat().st_size == 0:
        return Contents(has_tables=False)
    if not has_magic(path):  # SQLite would take the beginning from a write-ahead log that is left beside the file
        raise unusable(path, sqlite3.DatabaseError("file is not a database"), now_ms)
    try:
        with contextlib.closing(read_only(path)) as connection:
            contents = read_contents(connection)
    except sqlite3.Error as error:
        raise unusable(path, error, now_ms) from error
    if contents is None:
        raise DatabaseUnusable(
            f"{path} is a database of another program, and was not changed",
            "Choose another file with --db, or another folder with APP_DATA_DIR",
        )
    if unknown := [name for name in contents.applied if name not in known]:
        raise DatabaseNewer(
            f"{path} was created by a newer version (it has migration {unknown[-1]}, which this version does not know);"
            " update the app, or open a backup with `sidecar restore`"
        )
    return contents


def read_contents(connection: sqlite3.Connection) -> Contents | None:
    """Returns what a database contains; None if it is another program's."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if MIGRATIONS_TABLE in tables and (applied := applied_migrations(rows_of(connection))):
        return Contents(has_tables=True, applied=tuple(applied))
    if not {name for name in tables - {MIGRATIONS_TABLE} if not name.startswith("sqlite_")}:
        return Contents(has_tables=False)
    column = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
    is_old = any(connection.execute(column, one).fetchone() for one in OLD_TABLES if one[0] in tables)
    return Contents(has_tables=True) if is_old else None


def applied_migrations(rows: Rows) -> list[str]:
    return [name for (name,) in rows(APPLIED, (MIGRATION_SET,))]


def integrity(path: Path, limit_s: float, *, immutable: bool = False) -> str:
    """Returns the result of SQLite's integrity check: "ok", the first fault, or "took too long".

    `immutable` ignores a write-ahead log.
    """
    deadline = time.monotonic() + limit_s
    mode = f"{path.as_uri()}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(mode, uri=True) if immutable else read_only(path)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, CHECK_STEPS)
            return str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return TOO_SLOW if "interrupted" in str(error) else str(error)


def unusable(path: Path, error: sqlite3.Error, now_ms: int) -> DatabaseUnusable | DatabaseLocked:
    """Returns the exception that explains why SQLite cannot open a file."""
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return DatabaseLocked(f"another program has locked {path}: close it, and start again")
    if name.startswith(("SQLITE_IOERR_SHMMAP", "SQLITE_IOERR_SHMLOCK")):
        return DatabaseUnusable(
            f"the file system of {path.parent} cannot share memory between programs, which SQLite needs ({name})",
            "Choose a folder on a local disk with APP_DATA_DIR",
        )
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")) or (
        name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and is_full(path.parent)
    ):
        return DatabaseUnusable(disk_full(path.parent))
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not has_magic(path):
        return DatabaseUnusable(f"{path} {damage(path)} ({error})", advice(path, now_ms))
    if name.startswith("SQLITE_CANTOPEN"):
        return DatabaseUnusable(f"{path} cannot be opened ({error})", "Make the folder and the files in it writable")
    if name.startswith("SQLITE_IOERR"):
        return DatabaseUnusable(f"the disk that holds {path} failed ({name})", "Check it, or choose another folder")
    return DatabaseUnusable(f"{path} cannot be opened ({error})")


def has_magic(path: Path) -> bool:
    """Whether a file begins as a SQLite database, as far as it goes."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        header = file.read(len(MAGIC))
    return header == MAGIC[: len(header)]


def damage(path: Path) -> str:
    """Returns what is wrong with a file that SQLite cannot read, as it can be read off its beginning and its size."""
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    size = path.stat().st_size
    if not has_magic(path):
        return "is not a SQLite database: it is a file of another program, or its beginning is damaged"
    if len(header) < HEADER_BYTES:
        return f"is cut: {size} bytes are left"
    page = int.from_bytes(header[16:18], "big")
    expected = int.from_bytes(header[28:32], "big") * (65_536 if page == 1 else page)
    is_count_valid = header[24:28] == header[92:96]
    if is_count_valid and size < expected:
        return f"is cut: {size} of {expected} bytes are left"
    return "is damaged"


def advice(path: Path, now_ms: int) -> str:
    """Returns how to get a database back."""
    with contextlib.suppress(OSError):
        if (newest := backups_of(path).newest(now_ms)) is not None:
            return f"Its newest backup can be restored with `sidecar restore {newest.path.name}`"
    return f"There is no backup in {backups_of(path).folder}: move the file away to start with an empty database"


def is_full(folder: Path) -> bool:
    import shutil  # noqa: PLC0415 - only a start that fails needs it

    try:
        return shutil.disk_usage(folder).free < FULL_BYTES
    except OSError:
        return False


def disk_full(folder: Path) -> str:
    return f"the disk that holds {folder} is full: free some space, and start again. Nothing that was stored is lost"


def start_problem(error: OSError, folder: Path) -> str:
    """Returns why a start failed in the words of a user."""
    if error.errno in DISK_FULL:
        return disk_full(Path(error.filename).parent if isinstance(error.filename, str) else folder)
    return str(error)


def is_writable(path: Path) -> bool:
    return not path.exists() or os.access(path, os.W_OK)
