"""The methods `system.*` and `rpc.discover`."""

import asyncio
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Awaitable
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

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
from sidecar.storage.inspection import applied_migrations
from sidecar.storage.inspection import integrity as check_integrity
from sidecar.storage.sync_state import SyncState
from sidecar.wire.in_flight import report_progress
from sidecar.wire.outbox import Outbox

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
        free = shutil.disk_usage(self._database.path.parent).free
        work, dropped = self._features.work_problem(), self._logs.dropped
        lost = f"{dropped} log records were dropped because the log file did not accept them"
        problems = {
            "database": self._database_problem(),
            "disk": f"{free // 2**20} MiB free; work stops when the disk is full" if free < LOW_DISK_BYTES else None,
            "worker": f"no jobs are run: {work}" if work else None,
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
        report_progress("Looking for the Claude CLI", 0.1)
        claude = await self._features.claude_program()
        report_progress("Checking the database", 0.4)
        integrity = await asyncio.to_thread(check_integrity, self._database.path, INTEGRITY_S)
        return Diagnostics(
            version=__version__,
            python=sys.version.split()[0],
            platform=platform.platform(),
            status=await self.status(),
            health=self._check_health(),
            integrity=integrity,
            claude=ClaudeInstallation(path=claude.path, version=claude.version, problem=claude.problem),
            settings=self._settings.public(),
            log_tail=self._logs.tail(),
        )

    def _database_problem(self) -> str | None:
        try:
            self._database.row("SELECT 1 FROM sqlite_master LIMIT 1")
        except sqlite3.Error as error:
            return type(error).__name__
        return lost_database(self._settings.database, self._database.rows)

    def _database_status(self) -> DatabaseStatus:
        path = self._database.path
        wal = path.with_name(path.name + "-wal")
        return DatabaseStatus(
            path=str(path),
            size_bytes=path.stat().st_size,
            wal_bytes=wal.stat().st_size if wal.exists() else 0,
            migrations=applied_migrations(self._database.rows),
            sqlite_version=sqlite3.sqlite_version,
            wal_reset_safe=sqlite3.sqlite_version_info >= WAL_RESET_FIXED,
        )


def _rss_bytes() -> int:
    import psutil  # noqa: PLC0415 - takes 20 ms; only a status needs it

    rss: int = psutil.Process().memory_info().rss
    return rss
