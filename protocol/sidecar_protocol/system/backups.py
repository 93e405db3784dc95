"""Backups of the database, and the way back to one."""

from typing import Annotated, ClassVar, Protocol

from pydantic import StringConstraints

from sidecar_protocol.contract import Model, Notification, RpcError, method
from sidecar_protocol.scalars import MEASURED, Count, UtcTime

BackupName = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class BackupNotFound(RpcError):
    """No backup has this name."""

    code = 4040


class BackupUnusable(RpcError):
    """The backup cannot replace the database; nothing was changed."""

    code = 4229


class Backup(Model):
    """A copy of the database."""

    shown: ClassVar = ("made_at", "name", "size_bytes", "problem", "before_migration")
    name: str
    made_at: UtcTime
    size_bytes: Annotated[Count, MEASURED]
    before_migration: str | None = None
    """The migration that it was made before; null for a daily copy."""
    contents: dict[str, int]
    """Number of rows by kind, such as `jobs`."""
    problem: str | None = None
    """Why it cannot be restored; null if it can."""


class BackupList(Model):
    """The copies in the folder `backups`, newest first."""

    backups: list[Backup]


class RestoreBegun(Model):
    """A restore that the next start completes."""

    name: str
    kept_as: str
    """The file beside the database under which the present one will be kept."""


class DatabaseLost(Notification):
    """The database was missing or empty at a start, and a new one has taken its place although backups exist.

    Sent once.  `system.health` is `degraded` until the backup is restored or moved away.
    """

    name: ClassVar[str] = "system.database_lost"
    key: ClassVar[tuple[str, ...]] = ()
    backup: str
    """The name of the newest backup."""
    hint: str
    """Advice for the user."""


class SystemBackups(Protocol):
    """The backups of the database; the job `maintenance.backup` makes one."""

    @method("system.backups.list", waits=True)
    async def list_backups(self) -> BackupList:
        """Returns the backups with what they contain."""
        ...

    @method("system.backups.restore", raises=(BackupNotFound, BackupUnusable), waits=True)
    async def restore_backup(self, *, name: BackupName) -> RestoreBegun:
        """Checks a backup, then ends the process with exit code 0; the next start puts it in place of the database.

        Start the sidecar again when it has ended.  Nothing is deleted: the present database is kept under another
        name.  If the sidecar does not start, run `sidecar restore` instead.
        """
        ...
