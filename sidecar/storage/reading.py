"""Opens the database to read it beside the sidecar that writes it."""

import sqlite3
from collections.abc import Collection
from pathlib import Path

from sidecar.storage.database import BUSY_TIMEOUT_MS, Database, add_text_functions
from sidecar.storage.identity import rows_of
from sidecar.storage.inspection import DatabaseUnusable, applied_migrations, inspect, unusable


class DatabaseOlder(Exception):
    """The database lacks migrations of this version, which only a sidecar may apply."""


class DatabaseChanged(sqlite3.OperationalError):
    """The database was replaced, or migrated by a newer version, since it was opened."""

    sqlite_errorname = "SQLITE_READONLY_DBMOVED"


class ReadDatabase(Database):
    """A database that is only read, while another process may write it."""

    is_read_only = True

    def __init__(self, connection: sqlite3.Connection, path: Path, known: Collection[str]) -> None:
        super().__init__(connection, path, lambda: None, watched=[path])
        self._known = set(known)

    def check(self) -> None:
        """Raises `DatabaseChanged` if it was restored, moved or migrated since it was opened."""
        if (problem := self.moved()) is not None:
            raise DatabaseChanged(problem)
        if set(applied_migrations(self.rows)) != self._known:
            raise DatabaseChanged("the database was migrated by another version")


def open_to_read(path: Path, known: Collection[str], now_ms: int) -> ReadDatabase:
    """Opens the database at `path`, of which nothing is changed; `known` are the names of the migrations.

    Raises `DatabaseNewer`, `DatabaseOlder`, `DatabaseUnusable`, `DatabaseLocked`.
    """
    real = path.resolve()
    contents = inspect(real, known, now_ms)
    if not contents.has_tables:
        raise DatabaseUnusable(f"there is no database at {path}", "Start the app once, or name its folder")
    if set(contents.applied) != set(known):
        raise DatabaseOlder(f"{path} was written by an older version; start the app once, which updates it")
    try:
        # Never `immutable`, as for a file without a writer: a sidecar may start at any time.
        connection = sqlite3.connect(f"{real.as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA query_only = ON")
        rows_of(connection)("SELECT 1 FROM sqlite_schema LIMIT 1", ())
    except sqlite3.Error as error:
        raise unusable(path, error, now_ms) from error
    add_text_functions(connection)
    return ReadDatabase(connection, real, known)
