"""The handshake, the shutdown, and the status of the process."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import ConfigDict, Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, Input, JobPolicy, JobSpec, Model, Recovery, method
from sidecar_protocol.errors import InvalidRequest, Unauthorized
from sidecar_protocol.scalars import (
    MEASURED,
    Count,
    EncryptionKey,
    Flag,
    Integer,
    OpaqueId,
    Seq,
    ShortText,
    Token,
    UtcTime,
)

RequestId = Annotated[
    Annotated[int, Strict()] | Annotated[str, StringConstraints(max_length=128)], Field(description="A request's id.")
]
ProcessId = Annotated[
    int, Strict(), Field(ge=1, le=2**32, description="A process id.", json_schema_extra={"format": "measured"})
]
Deadline = Annotated[int, Strict(), Field(ge=0, le=60_000, description="Milliseconds, at most 60,000.")]


class ClientInfo(Input):
    """The name and version of the client, written to the log."""

    name: ShortText
    version: ShortText


class Capabilities(Input):
    """Optional behaviour that the client requests."""

    opt_out: Annotated[list[ShortText], Field(max_length=100)] = []
    """Names of notifications not to send."""


class Resume(Input):
    """The last event that the client has processed."""

    epoch: ShortText
    after_seq: Seq


class Secrets(Input):
    """Secrets, which must not be passed in arguments or environment variables."""

    key: EncryptionKey | None = None


class ServerInfo(Model):
    """The name and version of the sidecar, and its process id."""

    name: str
    version: Annotated[str, MEASURED]
    pid: Annotated[int, MEASURED]


class Limits(Model):
    """Limits for the client."""

    max_message_bytes: int
    max_in_flight: int
    max_batch: int


class ResumeOutcome(StrEnum):
    """Whether the client can resume from its last event."""

    OK = "ok"
    """Missed events follow this response, in order."""
    RESYNC = "resync"
    """Missed events were pruned, or this is another database: load the lists again."""


class EventWindow(Model):
    """The range of the event log."""

    epoch: OpaqueId
    """Identifies the database.  Discard every known seq if it changes."""
    oldest_seq: Seq
    latest_seq: Seq
    resume: ResumeOutcome


class SecretsState(StrEnum):
    """How credentials are stored in the database."""

    PROTECTED = "protected"
    """Encrypted with the client's key."""
    UNPROTECTED = "unprotected"
    """Encrypted with a key from a file next to the database, because the client passed none."""
    LOCKED = "locked"
    """Encrypted with the client's key, which was not passed this time.  Accounts are not synced without it."""
    KEY_MISMATCH = "key_mismatch"
    """Encrypted with another key.  Accounts must be connected again; the old credentials are not deleted."""


class Initialized(Model):
    """The result of the handshake."""

    protocol_version: int
    server_info: ServerInfo
    limits: Limits
    events: EventWindow
    schema_hash: Annotated[str, MEASURED]
    schema_match: Flag | None
    """Whether the client was built from the same contract; null if it did not pass its `schema_hash`."""
    secrets: SecretsState


class Drained(Model):
    """The result of the shutdown."""

    drained: Flag
    """Whether all requests were answered and all child processes ended within the deadline."""
    cancelled_requests: Count
    interrupted_jobs: Count


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
    queue: dict[str, int]
    """Number of jobs by status."""
    accounts: dict[str, int]
    """Number of accounts by service."""
    syncs: list[SyncStatus]
    database: DatabaseStatus
    outbox: OutboxStatus
    rss_bytes: Annotated[Count, MEASURED]
    requests: Count
    """Number of requests since the start."""


class ClaudeInstallation(Model):
    """The installation of the Claude CLI that was found."""

    path: str | None
    version: str | None
    problem: str | None = None


class Diagnostics(Model):
    """Information for a bug report, without secrets."""

    version: Annotated[str, MEASURED]
    python: Annotated[str, MEASURED]
    platform: Annotated[str, MEASURED]
    status: Status
    health: Health
    integrity: str
    """`ok`, or the problems that SQLite's quick check found."""
    claude: Annotated[ClaudeInstallation, MEASURED]
    settings: Annotated[dict[str, Any], MEASURED]
    log_tail: Annotated[list[str], MEASURED]
    """The last lines of the log, oldest first."""


class OpenRpc(Model):
    """The OpenRPC 1.4 document of this sidecar."""

    model_config = ConfigDict(extra="allow")
    openrpc: str


class BackupResult(Model):
    """The result of a backup."""

    path: str
    size_bytes: Annotated[Count, MEASURED]
    duration_ms: Annotated[Count, MEASURED]


class BackUpDatabase(JobSpec):
    """Writes a compact copy of the database without interrupting other work."""

    type: ClassVar = "maintenance.backup"
    result: ClassVar = BackupResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)

    keep: Annotated[int, Strict(), Field(ge=1, le=100)] = 3
    """Number of copies to keep; older ones are deleted."""


class PruneResult(Model):
    """The result of pruning."""

    jobs: Count
    """Number of deleted jobs."""
    events: Count
    """Number of entries deleted from the event log."""


class PruneHistory(JobSpec):
    """Deletes finished jobs with their logs, and entries of the event log, by age and by size."""

    type: ClassVar = "maintenance.prune"
    result: ClassVar = PruneResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)

    keep_days: Annotated[int, Strict(), Field(ge=1, le=3_650)] = 30
    """Age in days after which a finished job is deleted."""
    max_bytes: Annotated[int, Strict(), Field(ge=1_000_000)] = 256 * 1024 * 1024
    """Maximum size of finished jobs and their logs; the oldest are deleted first."""


class VacuumResult(Model):
    """The result of a vacuum."""

    freed_bytes: Annotated[Count, MEASURED]


class VacuumDatabase(JobSpec):
    """Returns the space of deleted rows to the file system."""

    type: ClassVar = "maintenance.vacuum"
    result: ClassVar = VacuumResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)


class ProcessState(StrEnum):
    """The state of the process."""

    READY = "ready"
    DRAINING = "draining"
    DEGRADED = "degraded"


class SystemState(Ephemeral):
    """The state of the process changed."""

    name: ClassVar[str] = "system.state"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 10
    state: ProcessState


class ProgressKind(StrEnum):
    """The position of a progress report."""

    BEGIN = "begin"
    REPORT = "report"
    END = "end"


class ProgressValue(Model):
    """The progress of a request."""

    kind: ProgressKind
    message: str | None = None
    fraction: float | None = None


class RequestProgress(Ephemeral):
    """Progress of a request with a `_meta.progress_token`.  Never sent after its response."""

    name: ClassVar[str] = "$/progress"
    key: ClassVar[tuple[str, ...]] = ("token",)
    max_per_s: ClassVar[int] = 20
    token: RequestId
    value: ProgressValue


class Lifecycle(Protocol):
    """The handshake and the shutdown."""

    @method("initialize", raises=(InvalidRequest, Unauthorized), before_initialize=True)
    async def initialize(
        self,
        *,
        protocol_version: Integer,
        client_info: ClientInfo,
        process_id: ProcessId | None = None,
        capabilities: Capabilities | None = None,
        resume: Resume | None = None,
        schema_hash: ShortText | None = None,
        token: Token | None = None,
        secrets: Secrets | None = None,
    ) -> Initialized:
        """Performs the handshake.  Notifications are sent after the response.

        If the response has another `protocol_version`, the client decides whether to continue.
        """
        ...

    @method("initialized")
    async def initialized(self) -> None:
        """Optional; accepted for LSP-style clients."""
        ...

    @method("shutdown", waits=True)
    async def shutdown(self, *, deadline_ms: Deadline = 5_000) -> Drained:
        """Finishes open requests, stops child processes and saves the state.  Then send exit, or close stdin."""
        ...

    @method("exit", before_initialize=True)
    async def exit(self) -> None:
        """Ends the process with exit code 0, after a shutdown if there was none."""
        ...

    @method("$/cancelRequest")
    async def cancel_request(self, *, id: RequestId) -> None:
        """Cancels a request.  It is still answered: with the error -32800, or with its result if it has finished."""
        ...


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
