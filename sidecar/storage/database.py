"""The SQLite connection: opens the database, and groups the writes of one event-loop iteration into a transaction."""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from pydantic_core import from_json
from sidecar_protocol.contract import Encoded, Model

from sidecar.paths import make_private, make_private_dir
from sidecar.storage.failures import is_damage
from sidecar.text import folded

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS: Final = 2_000
"""How long a write waits for another program's lock (a database browser's); the event loop is blocked meanwhile."""
WAL_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Four times the size at which SQLite starts to reuse the write-ahead log (1,000 pages of 4 KiB)."""
CACHE_KIB: Final = 8 * 1024
"""Largest size of SQLite's page cache: a page of a large feed reads more than the 2 MiB that are the default."""
PAGE_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of the rows of a list page, well below the maximum size of a message."""

SQLITE_NEEDED: Final = (3, 37)
"""STRICT tables came with it; pyproject.toml and README.md name it too."""
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


class DatabaseMoved(sqlite3.OperationalError):
    """The database is no longer at its path, so that what is written could not be found again."""

    sqlite_errorname = "SQLITE_READONLY_DBMOVED"


def open_connection(path: Path) -> sqlite3.Connection:
    """Opens the connection that writes, and sets its pragmas; creates the file and its folder if missing."""
    make_private_dir(path.parent)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    # SQLite gives new ones of -wal and -shm the mode of the database.
    make_private(*(Path(f"{path.resolve()}{suffix}") for suffix in ("", "-wal", "-shm", "-journal")))
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
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
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


def _identity(path: Path) -> tuple[int, int] | None:
    """Returns what distinguishes a file from another of the same name; None if there is none."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


class _Refusal:
    """Takes the place of the connection in a block that could not begin."""

    in_transaction = False

    def __init__(self, error: sqlite3.Error) -> None:
        self._error = error

    def execute(self, *_: object) -> None:
        """Raises the error of the beginning."""
        raise self._error


class Database:
    """The connection, and the transaction that the writes of a loop iteration share.

    `on_begin` is called when such a transaction begins; it must schedule a call of `commit`.
    """

    is_read_only = False
    """Whether only another process writes it."""

    def __init__(
        self, connection: sqlite3.Connection, path: Path, on_begin: Callable[[], None], *, watched: Sequence[Path] = ()
    ) -> None:
        """`watched` are the files that must stay where they are: commits are refused once one does not."""
        self.path = path
        self.fault: str | None = None
        """The first damage that a statement has met; None if there was none."""
        self._watched = {file: _identity(file) for file in watched}
        self._connection = connection
        self._on_begin = on_begin
        self._depth = 0
        self._is_first_block = False
        self._skip_wait = False
        self._rollback_error: sqlite3.Error | None = None
        self._unseen_changes = 0

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def moved(self) -> str | None:
        """Returns which file of the database was moved or deleted since it was opened; None if none was."""
        for path, opened in self._watched.items():
            if _identity(path) != opened:
                return f"{path} was moved, deleted or replaced while the sidecar was running"
        return None

    def damage(self) -> str | None:
        """Returns what is known to be damaged; looks at the beginning of each table."""
        tables = self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0")
        for (table,) in tables if self.fault is None else ():
            self.rows(f'SELECT 1 FROM "{table}" NOT INDEXED LIMIT 1')
        return self.fault

    def revision(self) -> tuple[int, int]:
        """Returns a value that changes when rows change without a statement for them.

        That is by a rollback, by VACUUM, which may change rowids, or by another program.
        """
        return self._unseen_changes, self.value("PRAGMA data_version")

    def _note(self, error: sqlite3.Error) -> None:
        if self.fault is None and is_damage(error):
            self.fault = str(error)

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            self._note(error)
            raise

    def row(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Returns the first row of a query or of a RETURNING clause, or None if there is none."""
        try:
            first: Row | None = self._connection.execute(sql, parameters).fetchone()
        except sqlite3.DatabaseError as error:
            self._note(error)
            raise
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
        return None if row is None else Encoded(model, row[0])

    def all_encoded(self, model: type[M], sql: str, parameters: Parameters = ()) -> list[Encoded[M]]:
        """Returns the rows, each of which the statement encodes as the model's JSON."""
        return [Encoded(model, row[0]) for row in self.rows(sql, parameters)]

    def page(self, sql: str, parameters: Parameters, limit: int) -> tuple[list[Row], bool]:
        """Returns at most `limit` rows, fewer if their first columns exceed PAGE_BYTES, and whether more follow.

        The statement must select `limit + 1` rows; its first column is the row as JSON text.  The first row is always
        returned.
        """
        taken: list[Row] = []
        size = 0
        try:
            cursor = self._connection.execute(sql, parameters)
            for row in cursor:
                size += len(row[0])
                if len(taken) == limit or (size > PAGE_BYTES and taken):
                    cursor.close()
                    return taken, True
                taken.append(row)
        except sqlite3.DatabaseError as error:
            self._note(error)
            raise
        return taken, False

    def execute(self, sql: str, parameters: Parameters = ()) -> int:
        """Runs a statement that writes, within a `write` block; returns the rowid of the last inserted row."""
        try:
            return self._connection.execute(sql, parameters).lastrowid or 0
        except sqlite3.DatabaseError as error:
            self._note(error)
            raise

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
        """Does as `write`, but logs an error of SQLite, with the message `failure`, instead of raising it.

        If no transaction can begin, the first statement of the block raises that error.  A nested block raises its
        errors: what the outer one writes afterwards would be made without it, or outside of any transaction.
        """
        try:
            with ExitStack() as block:
                try:
                    block.enter_context(self)
                except sqlite3.Error as error:  # a context manager cannot leave out its block
                    block.enter_context(self._refusing(error))
                yield
        except sqlite3.Error:
            if self._depth:
                raise
            log.exception(failure)

    @contextmanager
    def _refusing(self, error: sqlite3.Error) -> Iterator[None]:
        connection, self._connection = self._connection, cast("sqlite3.Connection", _Refusal(error))
        try:
            yield
        finally:
            self._connection = connection

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
        self._unseen_changes += error is not None
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
                if self._watched and (problem := self.moved()) is not None:
                    raise DatabaseMoved(problem)
                self._connection.execute("COMMIT")
        except sqlite3.Error as failure:
            self._note(failure)
            self._unseen_changes += 1
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
        self._unseen_changes += 1  # it may give rows new rowids
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def checkpoint(self) -> None:
        """Copies the write-ahead log into the file as far as readers permit; not within a transaction."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Closes the connection; SQLite copies the write-ahead log into the file and deletes it.

        The log stays if the database was moved: SQLite deletes it by its name, which may be another database's now.
        """
        if self.moved() is None:
            self._connection.close()
