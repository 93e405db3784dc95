"""`system.*` and `rpc.discover`: how the process is."""

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Final, Protocol

from pydantic_core import from_json, to_json
from sidecar_protocol.contract import Encoded
from sidecar_protocol.system.lifecycle import SecretsState
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
from sidecar.storage.migrations import applied_names, quick_check
from sidecar.storage.sync_state import SyncState
from sidecar.wire.in_flight import report_progress

LOW_DISK_BYTES: Final = 100 * 1024 * 1024
HEALTH_FRESH_S: Final = 0.25
"""A host may ask for the health with every heartbeat; looking at the disk each time would make that dear."""
INTEGRITY_S: Final = 20.0
SECRETS_TROUBLE: Final = {
    SecretsState.LOCKED: "stored credentials wait for the key that they were encrypted with: pass initialize.secrets",
    SecretsState.KEY_MISMATCH: "stored credentials were encrypted with another key: bring it back, or connect anew",
}
WAL_RESET_FIXED: Final = (3, 51, 3)
"""sqlite.org/wal.html#walresetbug: two connections that write or checkpoint at once may lose a write before this."""


class FeaturesState(Protocol):
    """The state of the features."""

    def jobs_by_status(self) -> dict[str, int]: ...

    def account_counts(self) -> dict[str, int]: ...

    def work_trouble(self) -> str | None:
        """Why no jobs are run at the moment; None if they are."""

    def secrets_state(self) -> SecretsState | None:
        """How the stored credentials are protected; None before the handshake."""

    def claude_program(self) -> Awaitable[Program]: ...


class WireState(Protocol):
    """The state of the connection to the host."""

    @property
    def requests(self) -> int:
        """Requests received so far."""

    def outbox_status(self) -> OutboxStatus: ...


class SystemService(System):
    """The state of the process."""

    def __init__(self, runtime: Runtime, features: FeaturesState, wire: WireState, logs: Logs, openrpc: Path) -> None:
        self._database = runtime.database
        self._settings = runtime.settings
        self._clock = runtime.clock
        self._sync_state = SyncState(runtime.database)
        self._features = features
        self._wire = wire
        self._logs = logs
        self._openrpc = openrpc
        self._started = runtime.clock.monotonic()
        self._document: bytes | None = None
        self._health: Encoded[Health] | None = None
        self._looked_at = 0.0

    async def discover(self) -> OpenRpc:
        if self._document is None:
            self._document = to_json(from_json(self._openrpc.read_bytes()))
        return Encoded(OpenRpc, self._document).as_model()

    async def health(self) -> Health:
        now = self._clock.monotonic()
        if self._health is None or now - self._looked_at >= HEALTH_FRESH_S:
            self._health, self._looked_at = Encoded(Health, self._look().json_bytes()), now
        return self._health.as_model()

    def _look(self) -> Health:
        checks = [
            self._check_database(),
            self._check_disk(),
            self._check_worker(),
            self._check_secrets(),
            self._check_logs(),
        ]
        degraded = any(check.status is HealthStatus.DEGRADED for check in checks)
        return Health(status=HealthStatus.DEGRADED if degraded else HealthStatus.OK, version=__version__, checks=checks)

    async def status(self) -> Status:
        return Status(
            version=__version__,
            pid=os.getpid(),
            uptime_s=round(self._clock.monotonic() - self._started, 3),
            queue=self._features.jobs_by_status(),
            accounts=self._features.account_counts(),
            syncs=self._sync_state.last_syncs(),
            database=self._database_status(),
            outbox=self._wire.outbox_status(),
            rss_bytes=_rss_bytes(),
            requests=self._wire.requests,
        )

    async def diagnostics(self) -> Diagnostics:
        report_progress("Looking for the Claude CLI", 0.1)
        claude = await self._features.claude_program()
        report_progress("Checking the database", 0.4)
        integrity = await quick_check(self._database.path, INTEGRITY_S)
        return Diagnostics(
            version=__version__,
            python=sys.version.split()[0],
            platform=platform.platform(),
            status=await self.status(),
            health=self._look(),
            integrity=integrity,
            claude=ClaudeInstallation(path=claude.path, version=claude.version, problem=claude.problem),
            settings=self._settings.public(),
            log_tail=self._logs.tail(),
        )

    def _check_database(self) -> HealthCheck:
        try:
            self._database.row("SELECT 1 FROM sqlite_master LIMIT 1")
        except sqlite3.Error as error:
            return HealthCheck(name="database", status=HealthStatus.DEGRADED, detail=type(error).__name__)
        return HealthCheck(name="database", status=HealthStatus.OK)

    def _check_disk(self) -> HealthCheck:
        free = shutil.disk_usage(self._database.path.parent).free
        if free < LOW_DISK_BYTES:
            detail = f"{free // (1024 * 1024)} MiB free; work stops when the disk is full"
            return HealthCheck(name="disk", status=HealthStatus.DEGRADED, detail=detail)
        return HealthCheck(name="disk", status=HealthStatus.OK)

    def _check_worker(self) -> HealthCheck:
        if trouble := self._features.work_trouble():
            return HealthCheck(name="worker", status=HealthStatus.DEGRADED, detail=f"no jobs are taken: {trouble}")
        return HealthCheck(name="worker", status=HealthStatus.OK)

    def _check_secrets(self) -> HealthCheck:
        state = self._features.secrets_state()
        trouble = SECRETS_TROUBLE.get(state) if state is not None else None
        status = HealthStatus.OK if trouble is None else HealthStatus.DEGRADED
        return HealthCheck(name="secrets", status=status, detail=trouble)

    def _check_logs(self) -> HealthCheck:
        if dropped := self._logs.dropped:
            detail = f"{dropped} records were dropped: stderr or the log file is not taking them"
            return HealthCheck(name="logs", status=HealthStatus.DEGRADED, detail=detail)
        return HealthCheck(name="logs", status=HealthStatus.OK)

    def _database_status(self) -> DatabaseStatus:
        path = self._database.path
        wal = path.with_name(path.name + "-wal")
        return DatabaseStatus(
            path=str(path),
            size_bytes=path.stat().st_size,
            wal_bytes=wal.stat().st_size if wal.exists() else 0,
            migrations=applied_names(self._database),
            sqlite_version=sqlite3.sqlite_version,
            wal_reset_safe=sqlite3.sqlite_version_info >= WAL_RESET_FIXED,
        )


def _rss_bytes() -> int:
    import psutil  # noqa: PLC0415 - 20 ms that a start does not need

    rss: int = psutil.Process().memory_info().rss
    return rss
