"""System: the handshake, the end, and how the process is."""

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
Deadline = Annotated[int, Strict(), Field(ge=0, le=60_000, description="Milliseconds, at most a minute.")]


class ClientInfo(Input):
    """Who is calling; it goes into the log."""

    name: ShortText
    version: ShortText


class Capabilities(Input):
    """What the client wants to be spared."""

    opt_out: Annotated[list[ShortText], Field(max_length=100)] = []
    """Names of notifications that are not to be sent."""


class Resume(Input):
    """Where the client's knowledge of the events ends."""

    epoch: ShortText
    after_seq: Seq


class Secrets(Input):
    """What must never be in argv, the environment or a log."""

    key: EncryptionKey | None = None


class ServerInfo(Model):
    """Who answers."""

    name: str
    version: Annotated[str, MEASURED]
    pid: Annotated[int, MEASURED]


class Limits(Model):
    """What a client must not exceed."""

    max_message_bytes: int
    max_in_flight: int
    max_batch: int


class ResumeOutcome(StrEnum):
    """Whether the events that the client missed could be sent."""

    OK = "ok"
    """Nothing is missing: what was missed follows this answer, in order."""
    RESYNC = "resync"
    """Some are gone, or the database is another one: fetch snapshots."""


class EventWindow(Model):
    """What the event log holds."""

    epoch: OpaqueId
    """Another epoch is another database: forget every seq."""
    oldest_seq: Seq
    latest_seq: Seq
    resume: ResumeOutcome


class SecretsState(StrEnum):
    """How credentials are kept in the database."""

    PROTECTED = "protected"
    """Encrypted with the host's key."""
    UNPROTECTED = "unprotected"
    """Encrypted with a key that lies in a file beside the database: the host gave none."""
    LOCKED = "locked"
    """They were encrypted with a key of the host's, which it did not give this time: accounts wait for it."""
    KEY_MISMATCH = "key_mismatch"
    """They were encrypted with another key.  They are kept; an account can be connected anew with this one."""


class Initialized(Model):
    """The handshake's answer."""

    protocol_version: int
    server_info: ServerInfo
    limits: Limits
    events: EventWindow
    schema_hash: Annotated[str, MEASURED]
    schema_match: Flag | None
    """Whether the client was built against this very contract; null where it did not say."""
    secrets: SecretsState


class Drained(Model):
    """How the shutdown went."""

    drained: Flag
    """Whether every request was answered and every child ended within the deadline."""
    cancelled_requests: Count
    interrupted_jobs: Count


class HealthStatus(StrEnum):
    """How well something works."""

    OK = "ok"
    DEGRADED = "degraded"


class HealthCheck(Model):
    """One thing that was looked at."""

    name: str
    status: HealthStatus
    detail: str | None = None


class Health(Model):
    """Whether the sidecar can do its work."""

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
    """False before SQLite 3.51.3, whose fix needs two writing connections to matter; the sidecar has one."""


class OutboxStatus(Model):
    """What waits to be read by the host."""

    pending_bytes: Annotated[Count, MEASURED]
    latest_seq: Seq
    lagged: Flag
    """Whether durable events are being held back because the host reads too slowly."""


class SyncStatus(Model):
    """When a connector last synced."""

    connector: str
    last_sync_at: UtcTime | None


class Status(Model):
    """What the sidecar is doing."""

    version: Annotated[str, MEASURED]
    pid: Annotated[int, MEASURED]
    uptime_s: Annotated[float, MEASURED]
    queue: dict[str, int]
    """Jobs by status."""
    accounts: dict[str, int]
    """Accounts by service."""
    syncs: list[SyncStatus]
    database: DatabaseStatus
    outbox: OutboxStatus
    rss_bytes: Annotated[Count, MEASURED]
    requests: Count
    """Requests since the start."""


class ClaudeInstallation(Model):
    """The user's own Claude CLI, as found."""

    path: str | None
    version: str | None
    problem: str | None = None


class Diagnostics(Model):
    """What a bug report needs, with nothing secret in it."""

    version: Annotated[str, MEASURED]
    python: Annotated[str, MEASURED]
    platform: Annotated[str, MEASURED]
    status: Status
    health: Health
    integrity: str
    """`ok`, or what SQLite's quick check found."""
    claude: Annotated[ClaudeInstallation, MEASURED]
    settings: Annotated[dict[str, Any], MEASURED]
    log_tail: Annotated[list[str], MEASURED]
    """The last lines of the log, oldest first."""


class OpenRpc(Model):
    """The OpenRPC 1.4 document of this very sidecar."""

    model_config = ConfigDict(extra="allow")
    openrpc: str


class BackupResult(Model):
    """A finished backup."""

    path: str
    size_bytes: Annotated[Count, MEASURED]
    duration_ms: Annotated[Count, MEASURED]


class BackUpDatabase(JobSpec):
    """Write a compact copy of the whole database, while work goes on."""

    type: ClassVar = "maintenance.backup"
    result: ClassVar = BackupResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)

    keep: Annotated[int, Strict(), Field(ge=1, le=100)] = 3
    """How many of these copies to keep; the oldest go."""


class PruneResult(Model):
    """What was forgotten."""

    jobs: Count
    events: Count
    """Of the event log."""


class PruneHistory(JobSpec):
    """Forget finished jobs with their logs, and old events, by age and by size."""

    type: ClassVar = "maintenance.prune"
    result: ClassVar = PruneResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)

    keep_days: Annotated[int, Strict(), Field(ge=1, le=3_650)] = 30
    """How long a finished job is remembered."""
    max_bytes: Annotated[int, Strict(), Field(ge=1_000_000)] = 256 * 1024 * 1024
    """What finished jobs and their logs may take; the oldest go first."""


class VacuumResult(Model):
    """What was given back to the disk."""

    freed_bytes: Annotated[Count, MEASURED]


class VacuumDatabase(JobSpec):
    """Give the pages that deleted rows have left back to the disk."""

    type: ClassVar = "maintenance.vacuum"
    result: ClassVar = VacuumResult
    policy: ClassVar = JobPolicy(max_attempts=3, recovery=Recovery.REQUEUE, timeout_s=3_600, concurrency=1)


class ProcessState(StrEnum):
    """Where the process is in its life."""

    READY = "ready"
    DRAINING = "draining"
    DEGRADED = "degraded"


class SystemState(Ephemeral):
    """The process is ready, draining or degraded."""

    name: ClassVar[str] = "system.state"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 10
    state: ProcessState


class ProgressKind(StrEnum):
    """Which end of a request's work this is."""

    BEGIN = "begin"
    REPORT = "report"
    END = "end"


class ProgressValue(Model):
    """How far a request is."""

    kind: ProgressKind
    message: str | None = None
    fraction: float | None = None


class RequestProgress(Ephemeral):
    """A request that carried `_meta.progress_token` got further.  Never sent after its answer."""

    name: ClassVar[str] = "$/progress"
    key: ClassVar[tuple[str, ...]] = ("token",)
    max_per_s: ClassVar[int] = 20
    token: RequestId
    value: ProgressValue


class Lifecycle(Protocol):
    """The handshake and the end."""

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
        """Shake hands.  Notifications start after the answer; on another protocol_version the client decides."""
        ...

    @method("initialized")
    async def initialized(self) -> None:
        """Accepted, not needed."""
        ...

    @method("shutdown", waits=True)
    async def shutdown(self, *, deadline_ms: Deadline = 5_000) -> Drained:
        """Finish what is in flight, stop the children, keep the state.  Then send exit, or close stdin."""
        ...

    @method("exit", before_initialize=True)
    async def exit(self) -> None:
        """End the process: with 0 after shutdown, otherwise after the same drain."""
        ...

    @method("$/cancelRequest")
    async def cancel_request(self, *, id: RequestId) -> None:
        """Give a request up.  It is still answered: with -32800, or normally if it was faster."""
        ...


class System(Protocol):
    """How the process is."""

    @method("rpc.discover", before_initialize=True)
    async def discover(self) -> OpenRpc:
        """The contract as an OpenRPC document."""
        ...

    @method("system.health", rest="GET /health", before_initialize=True)
    async def health(self) -> Health:
        """Whether the sidecar can do its work.  Cheap: ask as often as you like."""
        ...

    @method("system.status", rest="GET /status")
    async def status(self) -> Status:
        """What the sidecar is doing."""
        ...

    @method("system.diagnostics", waits=True)
    async def diagnostics(self) -> Diagnostics:
        """What a bug report needs: status, integrity, the Claude CLI, settings and the log's tail, redacted."""
        ...
