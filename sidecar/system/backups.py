"""The methods `system.backups.*`, and the notification that a database was lost."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sidecar_protocol.system.backups import (
    Backup,
    BackupList,
    BackupNotFound,
    BackupUnusable,
    DatabaseLost,
    RestoreBegun,
    SystemBackups,
)

from sidecar import exit_codes
from sidecar.paths import schema_dir
from sidecar.runtime import Runtime
from sidecar.storage.backups import backups_of, lost_database
from sidecar.storage.failures import storage_error
from sidecar.storage.identity import lost_backup, take_notice
from sidecar.storage.migrations import migration_files
from sidecar.storage.restore import NotRestorable, described, stage


class BackupsService(SystemBackups):
    """The backups of the database, which are read in threads."""

    def __init__(self, runtime: Runtime, end: Callable[[int], None]) -> None:
        """`end(exit_code)` ends the process once the open requests are answered."""
        self._database = runtime.database.path
        self._backups = backups_of(runtime.settings.database)
        self._clock = runtime.clock
        self._end = end

    async def list_backups(self) -> BackupList:
        return BackupList(backups=await asyncio.to_thread(self._list))

    def _list(self) -> list[Backup]:
        now_ms, known = self._clock.now_ms(), migration_files(schema_dir())
        return [Backup(**described(one, known, now_ms)) for one in self._backups.all(now_ms)]

    async def restore_backup(self, *, name: str) -> RestoreBegun:
        now_ms = self._clock.now_ms()
        found = [one.path for one in await asyncio.to_thread(self._backups.all, now_ms) if one.path.name == name]
        if not found:
            raise BackupNotFound
        try:
            kept = await asyncio.to_thread(self._stage, found[0], now_ms)
        except NotRestorable as error:
            raise BackupUnusable(f"{error}.") from error
        except (sqlite3.Error, OSError) as error:
            raise storage_error(error) from error
        self._end(exit_codes.OK)
        return RestoreBegun(name=name, kept_as=kept.name)

    def _stage(self, backup: Path, now_ms: int) -> Path:
        return stage(backup, self._database, migration_files(schema_dir()), now_ms)


def notify_of_lost_database(runtime: Runtime) -> None:
    """Notifies the client, once in the life of the database, that it has taken the place of a lost one."""
    rows = runtime.database.rows
    with runtime.database.write_or_log("the lost database could not be reported"):
        hint = lost_database(runtime.settings.database, rows)
        if hint is not None and take_notice(rows):
            runtime.notify(DatabaseLost(backup=lost_backup(rows) or "", hint=f"{hint}."))
