"""The one SQLite connection: how it is opened, and how writes share a transaction.

Writes of one turn of the loop are committed together by `commit`, before anything that depends on them is sent.
Only this process writes: a lock file beside the database keeps a second sidecar out.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.errors import Storage

from sidecar.paths import make_private_dir

BUSY_MS: Final = 2_000
"""How long a write may wait for somebody's database browser; the loop stands still meanwhile."""
WAL_BYTES: Final = 16 * 1024 * 1024
"""Four times what SQLite lets it grow to in small transactions."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""A list page ends early when its rows grow past this, well below what a message may hold."""

Row = Any
"""A tuple of the columns that the statement names."""
Parameters = Sequence[Any] | dict[str, Any]


class DatabaseLocked(Exception):
    """Another process has the database open; `pid` is its id where it could be read."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"another sidecar (process {pid or 'unknown'}) is using this database")


class LockFile:
    """An operating system lock on a file of its own: it ends with the process, however that ends.

    Never on the database itself: closing any descriptor of it would drop SQLite's own locks.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock()
        except OSError:
            pid = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            raise DatabaseLocked(pid) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0) if hasattr(os, "pwrite") else os.write(
            self._file, str(os.getpid()).encode()
        )

    if sys.platform == "win32":

        def _lock(self) -> None:
            import msvcrt  # noqa: PLC0415 - exists on Windows only

            os.lseek(self._file, 1_000, os.SEEK_SET)  # a byte beyond the pid, so that the pid stays readable
            msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            os.lseek(self._file, 0, os.SEEK_SET)

    else:

        def _lock(self) -> None:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let the next process in."""
        os.close(self._file)


def open_connection(path: Path) -> sqlite3.Connection:
    """The writer connection, with every pragma set; the file and its folder are made where missing."""
    make_private_dir(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives -wal and -shm the same mode
    # isolation_level=None: transactions are begun and ended here, never by the module on its own account.
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    if path.stat().st_size == 0:
        # Only possible before the first table and before WAL; later it would silently do nothing.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # What one huge transaction has made of the write-ahead log would otherwise stay on the disk until the end.
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    # FULL: what was acknowledged survives a power cut too; writes that share a transaction pay for it once.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Deleted credentials must not stay readable in the file; Debian's SQLite does this by default, others do not.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


class Database:
    """The connection and the turn's shared transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path, on_write: Callable[[], None]) -> None:
        self.path = path
        self._connection = connection
        self._on_write = on_write
        self._write = Write(self)
        self._impatient = False
        self._lost: sqlite3.Error | None = None

    @property
    def dirty(self) -> bool:
        """Whether there are writes that are not committed yet."""
        return self._connection.in_transaction

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query."""
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """The first row of a query, or of what a statement returns."""
        first: Row | None = self._connection.execute(sql, parameters).fetchone()
        return first

    def page(self, sql: str, parameters: Parameters, limit: int) -> tuple[list[Row], bool]:
        """At most `limit` rows, fewer once their first columns pass PAGE_BYTES, and whether more follow.

        The statement must fetch `limit + 1` rows, its first column the row as JSON text.
        """
        taken: list[Row] = []
        size = 0
        cursor = self._connection.execute(sql, parameters)
        for found in cursor:
            if len(taken) == limit or (taken and size + len(found[0]) > PAGE_BYTES):
                cursor.close()
                return taken, True
            taken.append(found)
            size += len(found[0])
        return taken, False

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Run one writing statement inside `write`; gives the last inserted row's id."""
        return self._connection.execute(sql, parameters).lastrowid or 0

    def write(self) -> "Write":
        """A block that is all or nothing: what is written inside stands or falls together.

        It shares the turn's transaction with other blocks.  A block inside a block is part of it: do not catch what
        the inner one raises and go on.  Never await inside: a turn would commit the half of it.
        """
        return self._write

    def begin(self) -> bool:
        """Open a block; whether the turn's transaction began with it.

        The first of a turn needs no savepoint: if it fails, nothing else is in the transaction.
        """
        if self._connection.in_transaction:
            self._connection.execute("SAVEPOINT block")
            return False
        self._begin_immediate()
        self._on_write()
        return True

    def _begin_immediate(self) -> None:
        """Take the write lock.  Once somebody has kept it for BUSY_MS, the next ones do not wait until it is free."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if not self._impatient:
                self._impatient = True
                self._connection.execute("PRAGMA busy_timeout = 0")
            raise
        if self._impatient:
            self._impatient = False
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")

    def keep(self, *, first: bool) -> None:
        """Close a block that went well."""
        if not first:
            self._connection.execute("RELEASE block")

    def undo(self, error: BaseException, *, first: bool) -> None:
        """Close a block that failed."""
        if not self._connection.in_transaction:
            if not first:
                # A full disk makes SQLite roll back by itself, and what others wrote in this turn with it.
                self._lost = _why_lost(error)
        elif first:
            self._connection.execute("ROLLBACK")
        else:
            self._connection.execute("ROLLBACK TO block")
            self._connection.execute("RELEASE block")

    def commit(self) -> None:
        """Make the turn's writes durable.  On failure they are undone, and the error says so."""
        lost, self._lost = self._lost, None
        if lost is not None:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise lost
        if not self._connection.in_transaction:
            return
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def free_pages(self) -> int:
        """Pages that hold nothing and could be given back."""
        return int(self.rows("PRAGMA freelist_count")[0][0])

    def page_bytes(self) -> int:
        """The size of a page."""
        return int(self.rows("PRAGMA page_size")[0][0])

    def vacuum(self, pages: int) -> int:
        """Give up to this many free pages back to the disk; how many.  0 inside a transaction.

        By `executescript`: `execute` would step the pragma once, which frees a single page.
        """
        if self._connection.in_transaction:
            return 0
        before = self.free_pages()
        self._connection.executescript(f"PRAGMA incremental_vacuum({int(pages)})")
        return before - self.free_pages()

    def scrub(self) -> None:
        """Leave nothing of what was deleted or overwritten in the file or its log; never inside a transaction.

        All of the file is written anew.
        """
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, as far as no reader is in the way; never inside a transaction."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the connection; SQLite folds the write-ahead log into the file."""
        self._connection.close()


class Write:
    """What `Database.write` gives: one object for all blocks, since making one would cost more than it does."""

    __slots__ = ("_database", "_depth", "_first")

    def __init__(self, database: Database) -> None:
        self._database = database
        self._depth = 0
        self._first = False

    def __enter__(self) -> None:
        if self._depth == 0:
            self._first = self._database.begin()
        self._depth += 1

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            if error is None:
                self._database.keep(first=self._first)
            else:
                self._database.undo(error, first=self._first)


def _why_lost(error: BaseException) -> sqlite3.Error:
    return error if isinstance(error, sqlite3.Error) else sqlite3.OperationalError("the transaction is gone")


def storage_error(error: sqlite3.Error) -> Storage:
    """What the client is told about a failure of the database."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefix, reason, hint in (
        ("SQLITE_FULL", "disk_full", "Free some disk space; nothing that was acknowledged is lost."),
        ("SQLITE_IOERR", "disk_full", "Check the disk that holds the data folder."),
        ("SQLITE_BUSY", "db_busy", "Another program holds the database's lock; close it, or try again."),
        ("SQLITE_READONLY", "db_readonly", "Make the data folder and the database file writable."),
        ("SQLITE_CORRUPT", "db_corrupt", "Restore the newest file of the backups folder."),
        ("SQLITE_NOTADB", "db_corrupt", "Restore the newest file of the backups folder."),
    ):
        if name.startswith(prefix):
            return Storage(hint=hint, details=[{"reason": reason, "sqlite": name}])
    return Storage(details=[{"reason": "db_error", "sqlite": name}])
