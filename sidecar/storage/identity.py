"""Which database a file is: the table `database_metadata`, and the mark of a copy in the file's header.

The `epoch` identifies a database to clients: sequence numbers of events are comparable only within one.  A restore
begins a new one and keeps those before it, so that the copies made until then still count as copies of this database.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pydantic_core import from_json, to_json

Rows = Callable[[str, tuple[Any, ...]], list[Any]]
"""Runs a statement and returns all its rows."""

COPY_MARK: Final = 0x53434350
"""`application_id` of a copy that no sidecar has opened: a write-ahead log beside it is of another file."""
MARK_AT: Final = 68
"""Where the header has `application_id` (sqlite.org/fileformat.html)."""
MAGIC: Final = b"SQLite format 3\0"

_VALUE: Final = "SELECT value FROM database_metadata WHERE name = ?"
_SET: Final = (
    "INSERT INTO database_metadata (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
)


def rows_of(connection: sqlite3.Connection) -> Rows:
    return lambda sql, parameters: connection.execute(sql, parameters).fetchall()


def epoch(rows: Rows) -> str:
    return _value(rows, "epoch") or ""


def epochs(rows: Rows) -> set[str]:
    """Returns the epochs that a database has had; none if it is older than the table."""
    if not rows("SELECT 1 FROM sqlite_schema WHERE name = 'database_metadata'", ()):
        return set()
    return {epoch(rows), *from_json(_value(rows, "earlier_epochs") or "[]")}


def lost_backup(rows: Rows) -> str | None:
    """Returns the newest backup that there was when this database was created, "" if only other traces; None if none.

    A database that is created although backups exist has taken the place of one that was lost.
    """
    return _value(rows, "lost_backup")


def set_lost_backup(rows: Rows, name: str) -> None:
    rows(_SET, ("lost_backup", name))


def take_notice(rows: Rows) -> bool:
    """Returns whether the client still has to be notified of the lost database; the next call returns False."""
    if lost_backup(rows) is None or _value(rows, "lost_notified") is not None:
        return False
    rows(_SET, ("lost_notified", "1"))
    return True


def has_mark(path: Path) -> bool:
    """Whether a file is a copy that no sidecar has opened.  Call it only while the process has no connection to it."""
    with path.open("rb") as file:
        header = file.read(MARK_AT + 4)
    return header.startswith(MAGIC) and header[MARK_AT:] == COPY_MARK.to_bytes(4, "big")


def set_mark(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {COPY_MARK}")


def take_over(connection: sqlite3.Connection, new_epoch: Callable[[str], str]) -> bool:
    """Makes a database of a copy: removes the mark and begins an epoch, for good.  Returns False if there is no mark.

    `new_epoch` is called with the copy's epoch.
    Raises `sqlite3.OperationalError` if another program prevents it.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != COPY_MARK:
        return False
    rows = rows_of(connection)
    connection.execute("BEGIN IMMEDIATE")
    if earlier := epochs(rows):
        rows(_SET, ("earlier_epochs", to_json(sorted(earlier)).decode()))
        rows(_SET, ("epoch", new_epoch(epoch(rows))))
        rows("DELETE FROM database_metadata WHERE name IN ('lost_backup', 'lost_notified')", ())
    connection.execute("PRAGMA application_id = 0")
    connection.execute("COMMIT")
    # The mark must leave the file itself: in the write-ahead log alone it would make that log another file's.
    if connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] != 0:
        raise sqlite3.OperationalError("another program has locked the database")
    return True


def _value(rows: Rows, name: str) -> str | None:
    found = rows(_VALUE, (name,))
    return found[0][0] if found else None
