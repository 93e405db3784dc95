"""Conversations with the Claude Code CLI: sessions, their messages and turns.  Each turn is a job.

Text arrives twice: in pieces as `claude.delta` while it is written, and complete as `claude.message_added`.
"""

from enum import StrEnum
from typing import Any, ClassVar, Protocol

from sidecar_protocol.claude.runs import (
    ClaudeAnswer,
    ClaudeUsage,
    ModelName,
    PermissionMode,
    SystemPrompt,
    ToolRules,
    session_lock,
)
from sidecar_protocol.contract import JobPolicy, JobSpec, Model, Notification, Recovery, RpcError, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidCursor, PayloadTooLarge
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    DEFAULT_LINES_LIMIT,
    Count,
    Cursor,
    FolderPath,
    Limit,
    LongText,
    NextCursor,
    OpaqueId,
    Priority,
    SessionId,
    ShortText,
    UtcTime,
    Uuid,
)


class SessionNotFound(RpcError):
    """No Claude session has this id."""

    code = 4045


class ClaudeTurnResult(ClaudeAnswer):
    """What a turn of a session came to.  Usage and cost are this turn's alone."""

    session_id: Uuid


class TakeTurn(JobSpec):
    """Ask the next thing in a session and wait for the answer; the turns of one session run one after another."""

    type: ClassVar = "claude.turn"
    result: ClassVar = ClaudeTurnResult
    # See RunClaude; both share one limit.
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT, concurrency=2)

    session_id: SessionId
    prompt: LongText

    def lock_key(self) -> str:
        """The session."""
        return session_lock(self.session_id)


class SessionStatus(StrEnum):
    """What a session is doing."""

    IDLE = "idle"
    """Waits for the next prompt."""
    RUNNING = "running"
    """A turn runs."""
    WAITING = "waiting"
    """Claude asks something: `claude.permissions.list` with status `open` has it."""
    INTERRUPTED = "interrupted"
    """The last turn was stopped before its end, by somebody or because the sidecar ended; the next one goes on."""


class Session(Model):
    """A conversation with Claude, kept by the sidecar.  Its turns are jobs of type `claude.turn`."""

    session_id: Uuid
    claude_session_id: OpaqueId | None
    """The CLI's own id of it; null before the first turn.  `claude.spawn` refuses it: use `claude.sessions.send`."""
    forked_from: str | None
    """The session that it branched off."""
    title: str | None
    """The first prompt's first line where none was given."""
    cwd: str | None
    """Where Claude works; null: the home folder."""
    model: str | None
    permission_mode: PermissionMode | None
    allowed_tools: list[str]
    system_prompt: str | None
    status: SessionStatus
    created_at: UtcTime
    updated_at: UtcTime
    last_message_at: UtcTime | None
    usage: ClaudeUsage
    """Over all turns, each message counted once.  A fork begins at nothing."""
    total_cost_usd: float
    """The CLI's own estimate, at list prices, over all turns."""
    version: Count
    """Rises with every change: of two snapshots the higher is the newer."""


class SessionPage(Model):
    """Sessions, the last changed first."""

    sessions: list[Session]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class SessionDeleted(Model):
    """The session that is gone."""

    session_id: Uuid


class MessageKind(StrEnum):
    """What a message is."""

    USER = "user"
    """A prompt."""
    ASSISTANT_TEXT = "assistant_text"
    THINKING = "thinking"
    TOOL_USE = "tool_use"
    """Claude uses a tool; `text` is the tool's name, its input is in `raw`."""
    TOOL_RESULT = "tool_result"
    ERROR = "error"
    """Why a turn failed."""
    RAW = "raw"
    """Something else that the CLI said, perhaps of a kind that did not exist when this was written."""


class ClaudeMessage(Model):
    """One finished item of a session."""

    message_id: OpaqueId
    session_id: Uuid
    job_id: Uuid | None
    """The turn that it came in."""
    api_message_id: OpaqueId | None
    """Under this `message_id` its text came as `claude.delta`.  Several items can be of one API message."""
    seq: Count
    """Its place in the session, from 1 on, without gaps."""
    kind: MessageKind
    text: str
    """At most 2 MiB of UTF-8."""
    raw: Any = None
    """The line as the CLI sent it; null for what the CLI did not send; {truncated, bytes} for one over 64 KiB."""
    created_at: UtcTime


class ClaudeMessagePage(Model):
    """Messages, oldest first."""

    messages: list[ClaudeMessage]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ClaudeMessageAdded(Notification):
    """A session has one more finished item."""

    name: ClassVar[str] = "claude.message_added"
    session_id: Uuid
    job_id: Uuid | None
    message: ClaudeMessage


class ClaudeSessionUpdated(Notification):
    """A session was created or changed."""

    name: ClassVar[str] = "claude.session_updated"
    session: Session


class ClaudeSessionDeleted(Notification):
    """A session is gone, with its messages."""

    name: ClassVar[str] = "claude.session_deleted"
    session_id: Uuid


class Sessions(Protocol):
    """Conversations with Claude: kept for good, and gone on with after a restart."""

    @method("claude.sessions.create", rest="POST /claude/session")
    async def create(
        self,
        *,
        title: ShortText | None = None,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - a declaration: the default is only ever read
        system_prompt: SystemPrompt | None = None,
    ) -> Session:
        """A new session.  Nothing is started before its first turn."""
        ...

    @method("claude.sessions.list", raises=(InvalidCursor,))
    async def list(self, *, limit: Limit = DEFAULT_LIMIT, cursor: Cursor | None = None) -> SessionPage:
        """Sessions, the last changed first; one that changes while pages are read moves to the front."""
        ...

    @method("claude.sessions.get", raises=(SessionNotFound,))
    async def get(self, *, session_id: SessionId) -> Session:
        """One session as it stands."""
        ...

    @method("claude.sessions.update", raises=(SessionNotFound,))
    async def update(
        self,
        *,
        session_id: SessionId,
        title: ShortText | None = None,
        model: ModelName | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules | None = None,
    ) -> Session:
        """Change what is given.  A turn that runs takes on the model and the mode, the next one everything."""
        ...

    @method("claude.sessions.delete", raises=(SessionNotFound,))
    async def delete(self, *, session_id: SessionId) -> SessionDeleted:
        """Delete a session and its messages, and cancel its turns.  The CLI's own record of it stays where it is."""
        ...

    @method("claude.sessions.send", raises=(SessionNotFound, PayloadTooLarge))
    async def send(self, *, session_id: SessionId, prompt: LongText, priority: Priority = 0) -> Job:
        """Queue a turn as a job of type `claude.turn`; its result is a `ClaudeTurnResult`."""
        ...

    @method("claude.sessions.interrupt", raises=(SessionNotFound,))
    async def interrupt(self, *, session_id: SessionId) -> Session:
        """Cancel the turn that runs; queued ones follow.  `claude.session_updated` tells when it has ended."""
        ...

    @method("claude.sessions.fork", raises=(SessionNotFound,))
    async def fork(self, *, session_id: SessionId, title: ShortText | None = None) -> Session:
        """A new session with the same settings and the same past; from here on each goes its own way."""
        ...

    @method("claude.messages.list", raises=(SessionNotFound, InvalidCursor))
    async def list_messages(
        self, *, session_id: SessionId, limit: Limit = DEFAULT_LINES_LIMIT, cursor: Cursor | None = None
    ) -> ClaudeMessagePage:
        """The messages of a session, oldest first."""
        ...
