"""Failures of the database and the disk, in the contract's terms."""

import errno
import sqlite3
from typing import Final

from sidecar_protocol.errors import Storage

RESTORE_HINT: Final = "Run `sidecar restore`, which lists the backups, or call system.backups.restore."
CORRUPT: Final = "db_corrupt"
FAILURES: Final = (
    ("SQLITE_FULL", "disk_full", "Free some disk space. No acknowledged change is lost."),
    ("SQLITE_IOERR_SHMSIZE", "disk_full", "Free some disk space. No acknowledged change is lost."),
    ("SQLITE_IOERR", "disk_error", "Check the disk that holds the data folder, its free space and your quota."),
    ("SQLITE_BUSY", "db_busy", "Another program has locked the database: close that program, or try again."),
    ("SQLITE_READONLY_DBMOVED", "db_moved", "Put the data folder back. The sidecar ends, and can be started again."),
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
    """Returns whether an error means that the file is damaged: a part of it may be readable nevertheless."""
    return (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def may_pass(error: sqlite3.Error) -> bool:
    """Returns whether a write may succeed later: it was refused for the disk, the file or another program.

    Otherwise it was refused for what was written, such as a value that breaks a constraint.
    """
    is_of_statement = getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR"
    return (isinstance(error, sqlite3.OperationalError) and not is_of_statement) or is_damage(error)


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
