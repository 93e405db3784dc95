"""The handshake, the shutdown, and the state of the process."""

from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, Input, Model, method
from sidecar_protocol.errors import InvalidRequest, Unauthorized
from sidecar_protocol.scalars import (
    MEASURED,
    WHOLE,
    Count,
    EncryptionKey,
    Flag,
    Integer,
    OpaqueId,
    Seq,
    ShortText,
    Token,
)

RequestId = Annotated[
    Annotated[int, Strict(), WHOLE] | Annotated[str, StringConstraints(max_length=128)],
    Field(description="A request's id."),
]
ProcessId = Annotated[
    int,
    Field(strict=True, ge=1, le=2**32, description="A process id.", json_schema_extra={"format": "measured"}),
    WHOLE,
]
Deadline = Annotated[int, Field(strict=True, ge=0, le=60_000, description="Milliseconds, at most 60,000."), WHOLE]


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


class ProcessState(StrEnum):
    """The state of the process."""

    READY = "ready"
    DRAINING = "draining"


class SystemState(Ephemeral):
    """The state of the process changed."""

    name: ClassVar[str] = "system.state"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 10
    state: ProcessState


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
