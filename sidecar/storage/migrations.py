"""The database's schema: brought up to date when a sidecar opens it, with a backup before anything changes.

schema/migrations/*.sql are the steps; sqlite-utils records those that were taken in `_sqlite_migrations`.
"""

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sidecar.paths import make_private_dir
from sidecar.storage.database import Database, open_connection

log = logging.getLogger(__name__)

MIGRATION_SET: Final = "sidecar"
INITIAL: Final = "0001_initial"
BACKUPS_KEPT: Final = 3
PART: Final = ".part"

_CREATE = re.compile(r"^CREATE (?:TABLE|INDEX) (\w+)", re.MULTILINE)


class DatabaseNewer(Exception):
    """The database was written by a newer program; it has not been touched."""


class DatabaseUnusable(Exception):
    """The file is not a database of this program."""


def migration_files(directory: Path) -> dict[str, str]:
    """The migrations by name, in order."""
    return {path.stem: path.read_text("utf-8") for path in sorted((directory / "migrations").glob("*.sql"))}


def open_database(
    path: Path, directory: Path, stamp: str, randomness: Callable[[int], bytes] = os.urandom
) -> sqlite3.Connection:
    """The database at `path`, made or brought up to date; `stamp` names the backup that is taken before a change,
    and `randomness` makes what a migration asks SQLite's `randomblob` for.

    Raises what `inspect_file` does, in which case nothing has been written, and PermissionError where that is all one
    may do; DatabaseUnusable also for whatever else SQLite has against the file or its folder.
    """
    try:
        return _open(path, migration_files(directory), stamp, randomness)
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{path} cannot be used ({error})") from error


def _open(path: Path, known: dict[str, str], stamp: str, randomness: Callable[[int], bytes]) -> sqlite3.Connection:
    existed = path.exists() and path.stat().st_size > 0
    pending = inspect_file(path, known)
    if existed and not os.access(path, os.W_OK):  # SQLite would open it, and refuse each write
        raise PermissionError(f"{path} must not be written")
    connection = open_connection(path)
    if pending:
        if existed:
            backups = path.parent / "backups"
            back_up(connection, backups / f"{path.stem}-before-{pending[0]}-{stamp}.db")
            prune_backups(backups, f"{path.stem}-before-*.db", BACKUPS_KEPT)
            if INITIAL in pending:
                make_shrinkable(connection)
        connection.create_function("randomblob", 1, randomness)
        migrate(connection, known, pending)
    return connection


def make_shrinkable(connection: sqlite3.Connection) -> None:
    """Have a database of the old backend give back the pages that it no longer needs, when asked to.

    That is decided when a file is made; later it takes writing all of it anew, once.  Where there is no room for that
    it stays as it is, which harms nothing else.
    """
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0] != 0:
        return
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error:
        log.exception("the database could not be written anew; it will not give space back to the disk")


def inspect_file(path: Path, known: dict[str, str]) -> list[str]:
    """The migrations that an existing file still lacks, found without writing to it.

    Raises DatabaseNewer where it has one that this program does not know, DatabaseUnusable where it is no database.
    """
    if not path.exists() or path.stat().st_size == 0:
        return list(known)
    connection = sqlite3.connect(f"{path.as_uri()}?{_how_to_look(path)}", uri=True, isolation_level=None)
    try:
        applied = applied_migrations(connection)
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"{path} is not a SQLite database ({error})") from None
    finally:
        connection.close()
    if unknown := [name for name in applied if name not in known]:
        raise DatabaseNewer(f"{path} has migration {unknown[-1]}, which this version of the sidecar does not know")
    return [name for name in known if name not in applied]


def _how_to_look(path: Path) -> str:
    """How to open a file so that nothing is written, if that can be: SQLite leaves files beside what it only reads."""
    if path.with_name(path.name + "-journal").exists():
        return "mode=rw"  # a crash in the middle of a write: only who may write can undo that
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"


def applied_migrations(connection: sqlite3.Connection) -> list[str]:
    """The names of the migrations that were taken, in order."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return []
    rows = connection.execute(
        "SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (MIGRATION_SET,)
    )
    return [name for (name,) in rows]


def migrate(connection: sqlite3.Connection, known: dict[str, str], pending: list[str]) -> None:
    """Take the pending migrations, each in a transaction of its own with its record."""
    # 90 ms to import, and only needed when there is something to do.
    from sqlite_utils import Database  # noqa: PLC0415
    from sqlite_utils.migrations import Migrations  # noqa: PLC0415

    steps = Migrations(MIGRATION_SET)
    for name, text in known.items():
        steps(name=name)(_step(name, text))
    try:
        steps.apply(Database(connection))
    except sqlite3.DatabaseError as error:
        raise DatabaseUnusable(f"migration {pending[0]} could not be taken: {error}") from error


def _step(name: str, text: str) -> Callable[[Any], None]:
    def take(database: Any) -> None:  # a sqlite_utils.Database, which is imported only where it is needed
        missing = _missing_objects(database.conn, text) if name == INITIAL else text
        if missing:
            database.executescript(missing)

    return take


def _missing_objects(connection: sqlite3.Connection, text: str) -> str:
    """The statements of the first migration whose table or index is not there yet.

    A database of the old backend has them all, and no record of any migration: it is adopted as it stands.
    """
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    statements = [part.strip() for part in text.split(";") if part.strip()]
    return "".join(f"{statement};\n" for statement in statements if _created(statement) not in present)


def _created(statement: str) -> str:
    found = _CREATE.search(statement)
    if found is None:
        raise ValueError(f"the first migration holds more than tables and indexes: {statement[:60]}")
    return found.group(1)


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Write a compact copy of the database to `target`, which must not exist.

    By SQLite itself: opening the file by other means would drop SQLite's locks on it.  It has its name only when it is
    whole: a crash leaves a `.part`, which the next copy removes, and no backup that is none.
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    make_private_dir(target.parent)
    for left in target.parent.glob(f"*{PART}"):
        left.unlink(missing_ok=True)
    part = part_of(target)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM INTO takes an empty file
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
    except sqlite3.Error:
        part.unlink(missing_ok=True)
        raise
    part.rename(target)


def part_of(target: Path) -> Path:
    """Where a copy grows until it is whole."""
    return target.with_name(target.name + PART)


def prune_backups(directory: Path, pattern: str, keep: int) -> None:
    """Delete all but the newest `keep` files of one kind; their names sort by time."""
    for path in sorted(directory.glob(pattern))[:-keep]:
        path.unlink(missing_ok=True)


def applied_names(database: Database) -> list[str]:
    """The migrations of the open database."""
    rows = database.rows("SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY id", (MIGRATION_SET,))
    return [name for (name,) in rows]


async def quick_check(path: Path, limit_s: float) -> str:
    """What SQLite's own check of the file says: `ok`, the first fault, or that it took too long."""
    import anyio  # noqa: PLC0415 - for a bug report only
    from anyio.to_thread import run_sync  # noqa: PLC0415

    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, check_same_thread=False)

    def check() -> str:
        try:
            return str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return "took too long" if "interrupted" in str(error) else str(error)
        finally:
            connection.close()

    with anyio.move_on_after(limit_s) as scope:
        return await run_sync(check, abandon_on_cancel=True)
    if scope.cancelled_caught:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it has ended and closed the connection just now
            connection.interrupt()
    return "took too long"
