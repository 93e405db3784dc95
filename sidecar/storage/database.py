"""The SQLite connection: opens the database, and groups the writes of one event-loop iteration into a transaction."""

import contextlib
import errno
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic_core import from_json
from sidecar_protocol.contract import Encoded, Model
from sidecar_protocol.errors import Storage

from sidecar.paths import make_private_dir
from sidecar.text import folded

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS: Final = 2_000
"""How long a write waits for another program's lock (a database browser's); the event loop is blocked meanwhile."""
WAL_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Four times the size at which SQLite starts to reuse the write-ahead log (1,000 pages of 4 KiB)."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of the rows of a list page, well below the maximum size of a message."""

SQLITE_NEEDED: Final = (3, 37)
"""STRICT tables came with it; pyproject.toml and README.md name it too."""
HELD: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""The errors of a lock that another process has: flock with the first two, Windows with the last two."""

M = TypeVar("M", bound=Model)
Row = Any
"""A tuple of the statement's columns."""
Parameters = Sequence[Any] | dict[str, Any]


class SqliteTooOld(ValueError):
    """Python was built with a SQLite that lacks what the schema needs."""


def check_sqlite() -> None:
    """Raises `SqliteTooOld`."""
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        needed = ".".join(map(str, SQLITE_NEEDED))
        raise SqliteTooOld(
            f"SQLite {needed} or newer is needed, and this Python has {sqlite3.sqlite_version}. Use another Python"
        )


class DatabaseLocked(Exception):
    """Another process has the database open; `pid` is its id, None if it is not a sidecar or could not be read."""

    def __init__(self, message: str, pid: str | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class LocksUnsupported(OSError):
    """The file system has no locks, so that a second process could not be kept out."""


class LockFile:
    """An operating system lock on a separate file, released when the process ends in any way.

    The database file itself must not be locked: closing a descriptor of it would release SQLite's own locks.
    Raises `DatabaseLocked` if another process has the lock, `LocksUnsupported`, another `OSError` if the file cannot be
    created.
    """

    def __init__(self, database: Path) -> None:
        """`database` is the real path of the database: two links to it must not be two locks."""
        self.path = database.with_name(database.name + ".lock")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock()
        except OSError as error:
            pid = os.read(self._file, 32).decode("ascii", "replace").strip()
            os.close(self._file)
            if error.errno not in HELD:
                raise LocksUnsupported(
                    f"the file system of {self.path.parent} has no locks ({error.strerror}), which keep a second "
                    "sidecar out. Choose a folder on a local disk with APP_DATA_DIR"
                ) from error
            message = f"another sidecar (process {pid or 'unknown'}) is using this database"
            raise DatabaseLocked(message, pid or "unknown") from None
        with contextlib.suppress(OSError):  # a full disk: the number only helps people
            os.ftruncate(self._file, 0)
            os.write(self._file, str(os.getpid()).encode())

    if sys.platform == "win32":

        def _lock(self) -> None:
            import msvcrt  # noqa: PLC0415 - exists on Windows only, where it has not been tested

            os.lseek(self._file, 1_000, os.SEEK_SET)  # a byte beyond the pid, so that the pid stays readable
            msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            os.lseek(self._file, 0, os.SEEK_SET)

    else:

        def _lock(self) -> None:
            import fcntl  # noqa: PLC0415 - does not exist on Windows

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Releases the lock."""
        os.close(self._file)


def open_connection(path: Path) -> sqlite3.Connection:
    """Opens the connection that writes, and sets its pragmas; creates the file and its folder if missing."""
    make_private_dir(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives -wal and -shm the same mode
    # isolation_level=None: the sqlite3 module must not begin or end transactions implicitly.
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    if path.stat().st_size == 0:
        # Must be set before the first table and before WAL; later SQLite ignores it silently.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # Without a limit the write-ahead log keeps the size of the largest transaction until the connection is closed.
    connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
    # FULL: acknowledged writes survive a power failure; the writes of a transaction share the cost of one flush.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Deleted credentials must not stay readable in the file.  Debian's SQLite has this on by default, others do not.
    connection.execute("PRAGMA secure_delete = ON")
    add_text_functions(connection)
    return connection


def add_text_functions(connection: sqlite3.Connection) -> None:
    """Adds the SQL function `has_terms(terms, text, …)`: whether each of the folded terms occurs in one of the texts.

    `terms` is a JSON array.
    """

    @lru_cache(maxsize=8)
    def parse(terms: str) -> list[str]:
        parsed: list[str] = from_json(terms)
        return parsed

    def has_terms(terms: str, *values: object) -> bool:
        texts = [folded(value) for value in values if isinstance(value, str)]
        return all(any(term in text for text in texts) for term in parse(terms))

    connection.create_function("has_terms", -1, has_terms, deterministic=True)


class Database:
    """The connection, and the transaction that the writes of a loop iteration share.

    `on_begin` is called when such a transaction begins; it must schedule a call of `commit`.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, on_begin: Callable[[], None]) -> None:
        self.path = path
        self._connection = connection
        self._on_begin = on_begin
        self._depth = 0
        self._is_first_block = False
        self._skip_wait = False
        self._rollback_error: sqlite3.Error | None = None

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Returns the first row of a query or of a RETURNING clause, or None if there is none."""
        first: Row | None = self._connection.execute(sql, parameters).fetchone()
        return first

    def value(self, sql: str, parameters: Parameters = ()) -> Any:
        """Returns the first column of the first row, or None if there is none."""
        row = self.row(sql, parameters)
        return None if row is None else row[0]

    def values(self, sql: str, parameters: Parameters = ()) -> list[Any]:
        return [row[0] for row in self.rows(sql, parameters)]

    def encoded(self, model: type[M], sql: str, parameters: Parameters = ()) -> Encoded[M] | None:
        """Returns the first row, which the statement encodes as the model's JSON; None if there is none."""
        row = self.row(sql, parameters)
        return None if row is None else Encoded(model, row[0].encode())

    def all_encoded(self, model: type[M], sql: str, parameters: Parameters = ()) -> list[Encoded[M]]:
        """Returns the rows, each of which the statement encodes as the model's JSON."""
        return [Encoded(model, row[0].encode()) for row in self.rows(sql, parameters)]

    def page(self, sql: str, parameters: Parameters, limit: int) -> tuple[list[Row], bool]:
        """Returns at most `limit` rows, fewer if their first columns exceed PAGE_BYTES, and whether more follow.

        The statement must select `limit + 1` rows; its first column is the row as JSON text.  The first row is always
        returned.
        """
        taken: list[Row] = []
        size = 0
        cursor = self._connection.execute(sql, parameters)
        for row in cursor:
            if len(taken) == limit or (taken and size + len(row[0]) > PAGE_BYTES):
                cursor.close()
                return taken, True
            taken.append(row)
            size += len(row[0])
        return taken, False

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs a statement that writes, within a `write` block; returns the rowid of the last inserted row."""
        return self._connection.execute(sql, parameters).lastrowid or 0

    def write(self) -> AbstractContextManager[None]:
        """Returns a context manager for writes that are made completely or not at all.

        The block shares the iteration's transaction with other blocks.  A nested block is part of the outer one: do
        not catch its exception and continue.  Do not await within a block: half of it would be committed.
        """
        return self  # a new object for each block would double its cost

    def __enter__(self) -> None:
        if self._depth == 0:
            self._is_first_block = self.begin()
        self._depth += 1

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._end(error)

    @contextmanager
    def write_or_log(self, failure: str) -> Iterator[None]:
        """Does as `write`, but logs an error of SQLite, with the message `failure`, instead of raising it."""
        try:
            with self:
                yield
        except sqlite3.Error:
            log.exception(failure)

    def begin(self) -> bool:
        """Begins a block.  Returns whether a transaction began with it.

        The first block of a transaction needs no savepoint: if it fails, the whole transaction is rolled back.
        """
        if self._connection.in_transaction:
            self._connection.execute("SAVEPOINT block")
            return False
        self._begin_immediate()
        self._on_begin()
        return True

    def _begin_immediate(self) -> None:
        """Takes the write lock.

        After a wait of BUSY_TIMEOUT_MS in vain, later writes do not wait until the lock could be taken once.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if not self._skip_wait:
                self._skip_wait = True
                self._connection.execute("PRAGMA busy_timeout = 0")
            raise
        if self._skip_wait:
            self._skip_wait = False
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

    def _end(self, error: BaseException | None) -> None:
        is_first = self._is_first_block
        if not self._connection.in_transaction:
            if not is_first and error is not None:
                # On a full disk SQLite rolls back the whole transaction, with the writes of earlier blocks.
                lost = sqlite3.OperationalError("the transaction was rolled back")
                self._rollback_error = error if isinstance(error, sqlite3.Error) else lost
        elif is_first and error is not None:
            self._connection.execute("ROLLBACK")
        elif not is_first:
            if error is not None:
                self._connection.execute("ROLLBACK TO block")
            self._connection.execute("RELEASE block")

    def commit(self) -> None:
        """Makes the writes durable.  Raises `sqlite3.Error` if they were rolled back instead."""
        error, self._rollback_error = self._rollback_error, None
        try:
            if error is not None:
                raise error
            if self._connection.in_transaction:
                self._connection.execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def freelist_count(self) -> int:
        return int(self.rows("PRAGMA freelist_count")[0][0])

    def page_size(self) -> int:
        """Returns the size of a page of the file, in bytes."""
        return int(self.rows("PRAGMA page_size")[0][0])

    def incremental_vacuum(self, pages: int) -> int:
        """Returns up to `pages` unused pages to the file system; returns how many, 0 within a transaction."""
        if self._connection.in_transaction:
            return 0
        before = self.freelist_count()
        # `execute` would step the pragma once, which frees a single page.
        self._connection.executescript(f"PRAGMA incremental_vacuum({int(pages)})")
        return before - self.freelist_count()

    def vacuum(self) -> None:
        """Rewrites the whole file and empties its log, so that no deleted data is left; not within a transaction."""
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def checkpoint(self) -> None:
        """Copies the write-ahead log into the file as far as readers permit; not within a transaction."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Closes the connection; SQLite copies the write-ahead log into the file and deletes it."""
        self._connection.close()


RESTORE_HINT: Final = "Run `sidecar restore`, which lists the backups, or call system.backups.restore."
CORRUPT: Final = "db_corrupt"
FAILURES: Final = (
    ("SQLITE_FULL", "disk_full", "Free some disk space. No acknowledged change is lost."),
    ("SQLITE_IOERR_SHMSIZE", "disk_full", "Free some disk space. No acknowledged change is lost."),
    ("SQLITE_IOERR", "disk_error", "Check the disk that holds the data folder, its free space and your quota."),
    ("SQLITE_BUSY", "db_busy", "Another program has locked the database: close that program, or try again."),
    ("SQLITE_READONLY", "db_readonly", "Make the data folder and the database file writable."),
    ("SQLITE_CORRUPT", CORRUPT, RESTORE_HINT),
    ("SQLITE_NOTADB", CORRUPT, RESTORE_HINT),
    ("ENOSPC", "disk_full", "Free some disk space. No acknowledged change is lost."),
    ("EDQUOT", "disk_full", "Free some disk space: your quota is used up. No acknowledged change is lost."),
    ("EIO", "disk_error", "Check the disk that holds the data folder."),
    ("EROFS", "db_readonly", "Make the data folder writable."),
    ("EACCES", "db_readonly", "Make the data folder writable."),
    ("EPERM", "db_readonly", "Make the data folder writable."),
)
"""The beginning of an error's name, its reason, and what the user can do."""


def is_damage(error: sqlite3.Error) -> bool:
    """Returns whether an error says that the file is damaged: a part of it may be readable nevertheless."""
    return (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def storage_error(error: sqlite3.Error | OSError) -> Storage:
    """Returns the error for the client: why a file of the data folder could not be read or written."""
    if isinstance(error, OSError):
        source, name = "errno", errno.errorcode.get(error.errno or 0, "")
    else:
        source, name = "sqlite", getattr(error, "sqlite_errorname", "") or ""
    for prefix, reason, hint in FAILURES:
        if name.startswith(prefix):
            retryable = None if reason != CORRUPT else False
            return Storage(hint=hint, retryable=retryable, details=[{"reason": reason, source: name}])
    return Storage(details=[{"reason": "db_error", source: name}])
