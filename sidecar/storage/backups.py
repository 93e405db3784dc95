"""The copies of the database in the folder `backups`: their names, their order, how they are made and rotated.

A name ends in the time of making.  Copies are in the order of these times, whatever else is in the names; a time in the
future was set by a wrong clock and counts as the oldest.
"""

import contextlib
import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from sidecar.clock import iso
from sidecar.paths import make_private_dir, publish
from sidecar.storage.identity import Rows, epochs, lost_backup, rows_of, set_mark

log = logging.getLogger(__name__)

FOLDER: Final = "backups"
BACKUPS_KEPT: Final = 3
PART: Final = ".part"
CLOCK_ERROR_MS: Final = 60_000
"""How far the clock may have been set back without making the copies of the last minute the oldest ones."""
_STAMP: Final = re.compile(r"(?:-before-(?P<migration>\d{4}\w*))?-(?P<at>\d{4}-\d\d-\d\dT\d{9}Z)(?:-\d+)?\.db")


class Backup(NamedTuple):
    """A file that a database can be restored from."""

    path: Path
    made_at_ms: int
    """The time in its name; the time of the last change if the user has put the file there."""
    before: str | None = None
    """The migration that it was made before."""
    is_ours: bool = True
    """Whether the sidecar made it, so that it may be rotated away."""


class Backups:
    """The copies of one database."""

    def __init__(self, folder: Path, stem: str) -> None:
        """`stem` is the name of the database without its suffix."""
        self.folder = folder
        self._stem = stem

    def all(self, now_ms: int) -> list[Backup]:
        """Returns the copies, newest first."""
        found = [backup_of(path, self._stem) for path in _databases(self.folder)]
        latest = now_ms + CLOCK_ERROR_MS
        return sorted(found, key=lambda one: (one.made_at_ms <= latest, one.made_at_ms, one.path.name), reverse=True)

    def newest(self, now_ms: int) -> Backup | None:
        """Returns the newest copy that the sidecar has made of a database of this name."""
        return next((one for one in self.all(now_ms) if one.is_ours), None)

    def new_path(self, now_ms: int, before: str | None = None) -> Path:
        """Returns an unused name for a copy that is made now, before a migration or without one.

        Deletes what a copy has left that was interrupted.
        """
        for left in self.folder.glob(f"*.db{PART}"):
            left.unlink(missing_ok=True)
        name = f"{self._stem}{f'-before-{before}' if before else ''}-{stamp(now_ms)}"
        number = 1
        while (path := self.folder / f"{name}{'' if number == 1 else f'-{number}'}.db").exists():
            number += 1
        return path

    def rotate(self, written: Path, live: set[str], *, keep: int, now_ms: int) -> None:
        """Deletes all but the newest `keep` copies of the kind of the one just written, which is always kept.

        Only copies of this database are counted and deleted, whose epochs are `live`: after a database was lost, the
        copies of it are all that is left, and so is a copy that cannot be read.
        """
        made = backup_of(written, self._stem)
        older = [
            one
            for one in self.all(now_ms)
            if one.path != written and one.is_ours and (one.before is None) == (made.before is None)
        ]
        for one in [one for one in older if epochs_of(one.path) & live][keep - 1 :]:
            try:
                one.path.unlink(missing_ok=True)
            except OSError as error:  # open in another program, on Windows
                log.warning("the old backup %s could not be deleted: %s", one.path, error)


def backup_of(path: Path, stem: str) -> Backup:
    """Parses the name of a copy."""
    found = _STAMP.fullmatch(path.name.removeprefix(stem)) if path.name.startswith(stem) else None
    if found is not None:
        at = found["at"]
        with contextlib.suppress(ValueError):  # a month of 13
            made = datetime.fromisoformat(f"{at[:13]}:{at[13:15]}:{at[15:17]}.{at[17:20]}+00:00")
            return Backup(path, round(made.timestamp() * 1000), found["migration"])
    return Backup(path, path.stat().st_mtime_ns // 1_000_000, is_ours=False)


def backups_of(database: Path) -> Backups:
    return Backups(database.parent / FOLDER, database.stem)


def lost_database(database: Path, rows: Rows) -> str | None:
    """Returns that a database was lost and a new one has taken its place; None if that is not so, or no longer matters.

    It matters until the backup that was the newest is restored, or moved away.
    """
    name = lost_backup(rows)
    if name is None or not (backups_of(database).folder / name).exists():
        return None
    return (
        f"{database.name} was missing or empty at a start, and a new one was created. Get the data back with `sidecar "
        f"restore {name}`, or move that file away to go on with the new database"
    )


def stamp(now_ms: int) -> str:
    """Returns a time as it can be in the name of a file: `2026-11-23T080000000Z`."""
    return iso(now_ms).replace(":", "").replace(".", "")


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Writes a compact copy of the database to `target`; raises FileExistsError if that exists.

    SQLite makes the copy: closing another descriptor of the file would release SQLite's locks.  The copy is renamed to
    `target` when it is complete and on the disk; a crash leaves a `.part` file.
    """
    make_private_dir(target.parent)
    part = part_of(target)
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM INTO accepts an empty file
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = FULL")
            set_mark(copy)
        with part.open("rb+") as file:  # VACUUM INTO does not flush (sqlite.org/lang_vacuum.html)
            os.fsync(file.fileno())
        publish(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def part_of(target: Path) -> Path:
    return target.with_name(target.name + PART)


def epochs_of(path: Path) -> set[str]:
    """Returns the epochs of a copy; none if it is older than the first epoch, or cannot be read."""
    try:
        with contextlib.closing(read_only(path)) as connection:
            return epochs(rows_of(connection))
    except (sqlite3.Error, ValueError):
        return set()


def read_only(path: Path) -> sqlite3.Connection:
    """Opens a database that no process writes, with the write-ahead log that is left beside it, if any."""
    return sqlite3.connect(f"{path.as_uri()}?{_uri_mode(path)}", uri=True, isolation_level=None)


def _uri_mode(path: Path) -> str:
    """Returns the URI parameters to read a file with; even a reader creates files next to it unless it is immutable."""
    if path.with_name(path.name + "-journal").exists():
        return "mode=rw"  # left by a crash during a write, which a read-only connection cannot roll back
    return "mode=ro" if path.with_name(path.name + "-wal").exists() else "mode=ro&immutable=1"


def _databases(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from (path for path in folder.iterdir() if path.suffix == ".db" and path.is_file())
