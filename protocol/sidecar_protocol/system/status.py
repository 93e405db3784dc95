"""Health, status and diagnostics of the process."""

from enum import StrEnum
from typing import Annotated, Any, Protocol

from pydantic import ConfigDict

from sidecar_protocol.contract import Model, method
from sidecar_protocol.scalars import JOB_STATUSES, MEASURED, Count, Flag, Fraction, Seq, UtcTime


class HealthStatus(StrEnum):
    """The result of a health check."""

    OK = "ok"
    DEGRADED = "degraded"


class HealthCheck(Model):
    """One health check."""

    name: str
    status: HealthStatus
    detail: str | None = None


class Health(Model):
    """The health of the sidecar."""

    status: HealthStatus
    version: Annotated[str, MEASURED]
    checks: list[HealthCheck]


class DatabaseStatus(Model):
    """The database file."""

    path: str
    size_bytes: Annotated[Count, MEASURED]
    wal_bytes: Annotated[Count, MEASURED]
    migrations: Annotated[list[str], MEASURED]
    indexed: Annotated[Fraction | None, MEASURED]
    """About which share of an old database's texts has been indexed; until it is 1, searches are slower, but complete.

    Null if texts cannot be indexed."""
    sqlite_version: Annotated[str, MEASURED]
    wal_reset_safe: Annotated[Flag, MEASURED]
    """Whether SQLite has the fix of its WAL-reset bug (3.51.3).  The bug needs two writers; the sidecar has one."""


class OutboxStatus(Model):
    """The state of outgoing notifications."""

    pending_bytes: Annotated[Count, MEASURED]
    latest_seq: Seq
    lagged: Flag
    """Whether durable events are held back because the client reads too slowly."""


class SyncStatus(Model):
    """The time of a connector's last sync."""

    connector: str
    last_sync_at: UtcTime | None


class Status(Model):
    """The status of the sidecar."""

    version: Annotated[str, MEASURED]
    pid: Annotated[int, MEASURED]
    uptime_s: Annotated[float, MEASURED]
    queue: Annotated[dict[str, int], JOB_STATUSES]
    """Number of jobs by status."""
    accounts: dict[str, int]
    """Number of accounts by service."""
    syncs: list[SyncStatus]
    database: DatabaseStatus
    outbox: OutboxStatus
    rss_bytes: Annotated[Count, MEASURED]
    requests: Annotated[Count, MEASURED]
    """Number of requests since the start."""


class ClaudeInstallation(Model):
    """The installation of the Claude CLI that was found."""

    path: str | None
    version: str | None
    problem: str | None = None


class Diagnostics(Model):
    """Information for a bug report, without secrets.  A part that could not be collected is null."""

    version: Annotated[str, MEASURED]
    python: Annotated[str, MEASURED]
    platform: Annotated[str, MEASURED]
    problems: list[str]
    """Why parts are missing, one sentence each."""
    status: Status | None
    health: Health
    integrity: str
    """`ok`, or the problems that SQLite's quick check found."""
    claude: Annotated[ClaudeInstallation, MEASURED] | None
    settings: Annotated[dict[str, Any], MEASURED]
    log_tail: Annotated[list[str], MEASURED]
    """The last lines of the log, oldest first."""


class OpenRpc(Model):
    """The OpenRPC 1.4 document of this sidecar."""

    model_config = ConfigDict(extra="allow")
    openrpc: str


class System(Protocol):
    """The status of the process."""

    @method("rpc.discover", before_initialize=True)
    async def discover(self) -> OpenRpc:
        """Returns the contract as an OpenRPC document."""
        ...

    @method("system.health", rest="GET /health", before_initialize=True)
    async def health(self) -> Health:
        """Checks whether the sidecar works.  Cheap enough for a heartbeat."""
        ...

    @method("system.status", rest="GET /status")
    async def status(self) -> Status:
        """Returns the status of the sidecar."""
        ...

    @method("system.diagnostics", waits=True)
    async def diagnostics(self) -> Diagnostics:
        """Collects information for a bug report: status, database check, Claude CLI, settings and the end of the log.

        Secrets are redacted.
        """
        ...
