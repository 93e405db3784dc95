"""Restores the database from a backup, and clears up what lies beside a database before it is opened.

A restore has two steps, so that a kill at any moment loses nothing.  `stage` makes a checked copy of the backup beside
the database; `settle` puts it in place of the database, whose data remain under another name.  `settle` also runs at
every start, and completes what was interrupted.
"""

import contextlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import Final

from sidecar.paths import sync_folder
from sidecar.storage.backups import back_up, read_only, stamp
from sidecar.storage.database import DatabaseLocked
from sidecar.storage.identity import has_mark
from sidecar.storage.inspection import TOO_SLOW, Contents, DatabaseNewer, DatabaseUnusable, inspect, integrity

log = logging.getLogger(__name__)

COMPANIONS: Final = ("-wal", "-journal")
"""Files with writes that are not yet in the database file, as SQLite names them."""
CHECK_LIMIT_S: Final = 20.0
"""Time limit of the check whether a write-ahead log fits its database."""


COPY_CHECK_LIMIT_S: Final = 3_600.0
"""Time limit of the check of a backup, which must not be cut short: hundreds of gigabytes."""


class NotRestorable(Exception):
    """A file cannot replace the database; the message says why.  Nothing was changed."""


def stage(backup: Path, database: Path, known: Collection[str], now_ms: int) -> Path:
    """Makes a checked copy of a backup beside the database; returns the name under which the database will be kept.

    `known` are the names of the migrations.  Raises `NotRestorable`; `OSError` or `sqlite3.Error` if the disk refuses.
    """
    if not backup.is_file() or backup.stat().st_size == 0:
        raise NotRestorable(f"{backup} {'is empty' if backup.is_file() else 'does not exist'}")
    try:
        contents = inspect(backup, known, now_ms)
    except (DatabaseNewer, DatabaseUnusable, DatabaseLocked) as error:
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
        log.warning("%s was restored from a backup", database)
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
