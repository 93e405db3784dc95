"""Restores the database from a backup, and clears up what lies beside a database before it is opened.

A restore has two steps, so that a kill at any moment loses nothing.  `stage` makes a checked copy of the backup beside
the database; `settle` puts it in place of the database, whose data remain under another name.  `settle` also runs at
every start, and completes what was interrupted.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from sidecar.clock import iso
from sidecar.paths import sync_folder
from sidecar.storage.backups import Backup, back_up, backup_of, read_only, stamp
from sidecar.storage.identity import has_mark
from sidecar.storage.inspection import (
    TOO_SLOW,
    Contents,
    DatabaseNewer,
    DatabaseUnusable,
    has_magic,
    inspect,
    integrity,
)
from sidecar.storage.lock_file import DatabaseLocked

log = logging.getLogger(__name__)

COMPANIONS: Final = ("-wal", "-journal")
"""Files with writes that are not yet in the database file, as SQLite names them."""
KNOWN_TABLES: Final = {
    "jobs": "jobs",
    "sessions": "claude_sessions",
    "calendar_accounts": "calendar_accounts",
    "atlassian_accounts": "atlassian_accounts",
    "activities": "activity_events",
}
"""Counted in a list of backups, and their tables."""
CHECK_LIMIT_S: Final = 20.0
"""Time limit of the check whether a write-ahead log fits its database."""


COPY_CHECK_LIMIT_S: Final = 3_600.0
"""Time limit of the check of a backup, which must not be cut short: hundreds of gigabytes."""


class NotRestorable(Exception):
    """A file cannot replace the database, for the reason in the message.  Nothing was changed."""


def stage(backup: Path, database: Path, known: Collection[str], now_ms: int) -> Path:
    """Makes a checked copy of a backup beside the database; returns the name under which the database will be kept.

    `known` are the names of the migrations.  Raises `NotRestorable`; `OSError` or `sqlite3.Error` if the disk refuses.
    """
    if not backup.is_file() or backup.stat().st_size == 0:
        raise NotRestorable(f"{backup} {'is empty' if backup.is_file() else 'does not exist'}")
    try:
        contents = inspect(backup, known, now_ms)
    except DatabaseUnusable as error:
        raise NotRestorable(error.reason) from error
    except (DatabaseNewer, DatabaseLocked) as error:
        raise NotRestorable(str(error)) from error
    if contents == Contents(has_tables=False):
        raise NotRestorable(f"{backup} has no tables")
    if (problem := integrity(backup, COPY_CHECK_LIMIT_S)) != "ok":
        raise NotRestorable(f"{backup} is damaged: {problem}")
    for left in _staged(database):
        left.unlink()
    staged = database.with_name(f"{database.name}.restore-{stamp(now_ms)}")
    with contextlib.closing(read_only(backup)) as connection:
        back_up(connection, staged)
    if (problem := integrity(staged, COPY_CHECK_LIMIT_S)) != "ok":
        staged.unlink()
        raise NotRestorable(f"the copy of {backup} is damaged ({problem}): check the disk")
    return _kept(database, staged)


def settle(database: Path, now_ms: int) -> None:
    """Completes a staged restore, and sets aside a write-ahead log of another file.  Call it before opening, locked."""
    for staged in _staged(database):
        _replace(database, staged, _kept(database, staged))
        log.info("%s was restored from a backup", database)
    for suffix in COMPANIONS:
        companion = _beside(database, suffix)
        if companion.exists() and companion.stat().st_size > 0 and _is_foreign(database, companion):
            aside = companion.with_name(f"{companion.name}.unused-{stamp(now_ms)}")
            companion.replace(aside)
            _beside(database, "-shm").unlink(missing_ok=True)
            log.warning("%s is not of this database and was renamed to %s", companion, aside.name)


def _replace(database: Path, staged: Path, kept: Path) -> None:
    """Renames the database with the writes beside it, then the staged copy; can be repeated after a kill."""
    if database.exists():
        kept = _unused(kept)
    for suffix in ("", *COMPANIONS):
        if (file := _beside(database, suffix)).exists():
            file.replace(_beside(kept, suffix))
    _beside(database, "-shm").unlink(missing_ok=True)
    staged.replace(database)
    sync_folder(database.parent)


def _is_foreign(database: Path, companion: Path) -> bool:
    """Whether the writes in a file beside the database were made to another file.

    SQLite cannot tell: it would write them into the database.  A copy that was never opened has none of its own, nor
    has a file that is new or empty.  A file that was changed after its write-ahead log was either copied here, or a
    checkpoint has written to it; which of the two is shown by a check with the log and one without it.
    """
    if not database.exists() or database.stat().st_size == 0 or has_mark(database):
        return True
    if not has_magic(database):  # it will be refused, and nothing is changed
        return False
    if companion.name.endswith("-journal") or database.stat().st_ctime_ns <= companion.stat().st_mtime_ns:
        return False
    with_writes = integrity(database, CHECK_LIMIT_S)
    return with_writes not in ("ok", TOO_SLOW) and integrity(database, CHECK_LIMIT_S, immutable=True) == "ok"


def _staged(database: Path) -> list[Path]:
    return sorted(database.parent.glob(f"{_escaped(database.name)}.restore-*Z"))


def _kept(database: Path, staged: Path) -> Path:
    return database.with_name(f"{database.stem}-replaced-{staged.name.rpartition('.restore-')[2]}.db")


def _unused(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in name)


def replaced_files(database: Path) -> list[Backup]:
    """Returns the databases that a restore has replaced, newest first."""
    real = database.resolve()
    found = real.parent.glob(f"{_escaped(real.stem)}-replaced-*.db")
    return sorted((backup_of(path, real.stem) for path in found), key=lambda one: one.made_at_ms, reverse=True)


def described(backup: Backup, known: Collection[str], now_ms: int) -> dict[str, Any]:
    """Returns a backup's name, made_at, size_bytes, purpose, contents, and why it cannot be used."""
    contents: dict[str, int] = {}
    problem = None
    try:
        inspect(backup.path, known, now_ms)
        with contextlib.closing(read_only(backup.path)) as connection:
            contents = counts(connection)
    except DatabaseUnusable as error:
        problem = error.reason.removeprefix(f"{backup.path} ")
    except (DatabaseNewer, DatabaseLocked, sqlite3.Error) as error:
        problem = str(error)
    return {
        "name": backup.path.name,
        "made_at": iso(backup.made_at_ms),
        "size_bytes": backup.path.stat().st_size,
        "before_migration": backup.before,
        "contents": contents,
        "problem": problem,
    }


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """Returns the number of rows of the tables that people know, for those that a copy has."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    return {
        what: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for what, table in KNOWN_TABLES.items()
        if table in tables
    }
