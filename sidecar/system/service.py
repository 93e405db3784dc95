"""The methods `system.*` and `rpc.discover`."""

import asyncio
import logging
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Awaitable
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pydantic_core import from_json, to_json
from sidecar_protocol.contract import Encoded
from sidecar_protocol.system.status import (
    ClaudeInstallation,
    DatabaseStatus,
    Diagnostics,
    Health,
    HealthCheck,
    HealthStatus,
    OpenRpc,
    OutboxStatus,
    Status,
    System,
)

from sidecar import __version__
from sidecar.logs import Logs
from sidecar.runtime import Program, Runtime
from sidecar.storage.backups import lost_database
from sidecar.storage.failures import RESTORE_HINT
from sidecar.storage.inspection import TOO_SLOW, applied_migrations
from sidecar.storage.inspection import integrity as check_integrity
from sidecar.storage.sync_state import SyncState
from sidecar.wire.in_flight import report_progress
from sidecar.wire.outbox import Outbox

log = logging.getLogger(__name__)
T = TypeVar("T")

LOW_DISK_BYTES: Final = 100 * 1024 * 1024
HEALTH_CACHE_S: Final = 0.25
"""How long a health report is reused: hosts may request it with every heartbeat, and it reads the disk."""
INTEGRITY_S: Final = 20.0
"""Time limit of the database check in `system.diagnostics`."""
WAL_RESET_FIXED: Final = (3, 51, 3)
"""The first SQLite version whose WAL cannot lose writes of two connections (sqlite.org/wal.html#walresetbug)."""


class FeaturesState(Protocol):
    """The state of the features."""

    def jobs_by_status(self) -> dict[str, int]: ...

    def account_counts(self) -> dict[str, int]: ...

    def work_problem(self) -> str | None:
        """Returns why no jobs are run at the moment; None if they are."""

    def secrets_problem(self) -> str | None:
        """Returns why stored credentials cannot be used; None if they can, and before the handshake."""

    def indexed(self) -> float | None:
        """Returns about which share of the texts can be searched by an index; None if one cannot be used."""

    def claude_program(self) -> Awaitable[Program]: ...


class ProcessMetrics(Protocol):
    """Measurements of the process."""

    @property
    def uptime_s(self) -> float: ...

    @property
    def requests(self) -> int:
        """The number of requests received."""

    @property
    def pending_bytes(self) -> int:
        """The size of the output that the host has not read."""


class SystemService(System):
    """The status of the process."""

    def __init__(
        self,
        runtime: Runtime,
        features: FeaturesState,
        process: ProcessMetrics,
        outbox: Outbox,
        logs: Logs,
        openrpc: Path,
    ) -> None:
        self._database = runtime.database
        self._settings = runtime.settings
        self._clock = runtime.clock
        self._sync_state = SyncState(runtime.database)
        self._features = features
        self._process = process
        self._outbox = outbox
        self._logs = logs
        self._openrpc = openrpc
        self._health: Encoded[Health] | None = None
        self._checked_at = 0.0

    async def discover(self) -> OpenRpc:
        return self._document.as_model()

    @cached_property
    def _document(self) -> Encoded[OpenRpc]:
        return Encoded(OpenRpc, to_json(from_json(self._openrpc.read_bytes())))

    async def health(self) -> Health:
        now = self._clock.monotonic()
        if self._health is None or now - self._checked_at >= HEALTH_CACHE_S:
            self._health, self._checked_at = Encoded(Health, self._check_health().json_bytes()), now
        return self._health.as_model()

    def _check_health(self) -> Health:
        dropped = self._logs.dropped
        lost = f"{dropped} log records were dropped because the log file did not accept them"
        problems = {
            "database": self._database_problem(),
            "disk": _disk_problem(self._database.path.parent),
            "worker": self._features.work_problem(),
            "secrets": self._features.secrets_problem(),
            "logs": lost if dropped else None,
        }
        degraded, ok = HealthStatus.DEGRADED, HealthStatus.OK
        return Health(
            status=degraded if any(problems.values()) else ok,
            version=__version__,
            checks=[HealthCheck(name=name, status=degraded if it else ok, detail=it) for name, it in problems.items()],
        )

    async def status(self) -> Status:
        return Status(
            version=__version__,
            pid=os.getpid(),
            uptime_s=round(self._process.uptime_s, 3),
            queue=self._features.jobs_by_status(),
            accounts=self._features.account_counts(),
            syncs=self._sync_state.last_syncs(),
            database=self._database_status(),
            outbox=OutboxStatus(
                pending_bytes=self._process.pending_bytes,
                latest_seq=self._outbox.log.window()[1],
                lagged=self._outbox.lagged,
            ),
            rss_bytes=_rss_bytes(),
            requests=self._process.requests,
        )

    async def diagnostics(self) -> Diagnostics:
        problems: list[str] = []
        report_progress("Looking for the Claude CLI", 0.1)
        claude = await _part("the Claude CLI", self._claude(), problems)
        report_progress("Checking the database", 0.4)
        integrity = await asyncio.to_thread(check_integrity, self._database.path, INTEGRITY_S)
        if integrity not in ("ok", TOO_SLOW):
            self._database.fault = self._database.fault or integrity
        return Diagnostics(
            version=__version__,
            python=sys.version.split()[0],
            platform=platform.platform(),
            problems=problems,
            status=await _part("the status", self.status(), problems),
            health=self._check_health(),
            integrity=integrity,
            claude=claude,
            settings=self._settings.public(),
            log_tail=self._logs.tail(),
        )

    async def _claude(self) -> ClaudeInstallation:
        found = await self._features.claude_program()
        return ClaudeInstallation(path=found.path, version=found.version, problem=found.problem)

    def _database_problem(self) -> str | None:
        if (moved := self._database.moved()) is not None:
            return moved
        try:
            fault = self._database.damage()
            lost = lost_database(self._settings.database, self._database.rows)
        except sqlite3.Error as error:
            fault, lost = str(error), None
        return lost if fault is None else f"the database is damaged or cannot be read ({fault}). {RESTORE_HINT}"

    def _database_status(self) -> DatabaseStatus:
        path = self._database.path
        wal = path.with_name(path.name + "-wal")
        return DatabaseStatus(
            path=str(path),
            size_bytes=_size(path),
            wal_bytes=_size(wal),
            migrations=applied_migrations(self._database.rows),
            sqlite_version=sqlite3.sqlite_version,
            indexed=self._features.indexed(),
            wal_reset_safe=sqlite3.sqlite_version_info >= WAL_RESET_FIXED,
        )


async def _part(name: str, collect: Awaitable[T], problems: list[str]) -> T | None:
    """Returns a part of a report; None if the database or the disk fails, which is added to the problems."""
    try:
        return await collect
    except (sqlite3.Error, OSError) as error:
        log.warning("%s could not be collected", name, exc_info=error)
        problems.append(f"{name[0].upper()}{name[1:]} could not be collected: {error}.")
        return None


def _disk_problem(folder: Path) -> str | None:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"the data folder cannot be read: {error.strerror}"
    return f"{free // 2**20} MiB free; work stops when the disk is full" if free < LOW_DISK_BYTES else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _rss_bytes() -> int:
    import psutil  # noqa: PLC0415 - takes 20 ms; only a status needs it

    rss: int = psutil.Process().memory_info().rss
    return rss
