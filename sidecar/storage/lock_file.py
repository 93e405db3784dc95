"""The lock that keeps a second process away from the database."""

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final

HELD: Final = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""The errors of a lock that another process has: flock with the first two, Windows with the last two."""


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
        # Not through a link: the file is emptied, and in a shared folder the link could be another user's.
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
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
