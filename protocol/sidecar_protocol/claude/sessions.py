"""Claude: the user's own Claude Code CLI, as runs of one prompt and as conversations.  Both do their work in jobs.

Text comes twice: piece by piece as `claude.delta` while it is written, and whole in the job's result; a conversation
also has it whole as `claude.message_added`.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Ephemeral, JobPolicy, JobSpec, Model, Notification, Recovery, RpcError, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidCursor, PayloadTooLarge
from sidecar_protocol.scalars import (
    MEASURED,
    Count,
    Cursor,
    Flag,
    FolderPath,
    Limit,
    LongText,
    NextCursor,
    OpaqueId,
    Priority,
    Seconds,
    SessionId,
    ShortText,
    UtcTime,
    Uuid,
)

# No value may start with a dash, so that none of them can ever be read as a flag of the CLI.
ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]*$", max_length=200),
    Field(description="An alias (opus, sonnet) or a model's full name."),
]
ToolRule = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z][^\x00-\x1f]*$", max_length=500),
    Field(description="A tool that needs no approval: Read, Bash(git *), mcp__server__tool."),
]
MAX_TOOL_RULES = 100
ToolRules = Annotated[list[ToolRule], Field(max_length=MAX_TOOL_RULES)]
ResumedSession = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    Field(description="The session to go on with (UUID): `session_id` of an earlier run's result."),
]
# It travels in argv, and Windows allows 32,767 characters for the whole command line.
SystemPrompt = Annotated[
    str,
    StringConstraints(min_length=1, max_length=16_000, pattern=r"^[^\x00]*$"),
    Field(description="Added to the end of Claude Code's own system prompt."),
]
Turns = Annotated[int, Strict(), Field(ge=1, le=10_000, description="Model turns; a run that needs more fails.")]

TIMEOUT_S = 3_600.0
"""A run's time where the caller names none, and a turn's: longer than nearly all need, and every wait has a limit."""


class SessionNotFound(RpcError):
    """No Claude session has this id."""

    code = 4045


class PermissionMode(StrEnum):
    """What Claude may do without asking.

    In a turn it asks (`claude.permission_requested`); in a run nobody is asked, and what needs an answer is denied.
    """

    DEFAULT = "default"
    """Reads freely; everything else needs a rule in `allowed_tools` or in the user's settings, or an answer."""
    ACCEPT_EDITS = "acceptEdits"
    """Also edits files in its folder."""
    PLAN = "plan"
    """Reads and plans, changes nothing."""
    DONT_ASK = "dontAsk"
    """Whatever is not allowed beforehand is denied."""
    AUTO = "auto"
    """A classifier decides."""
    BYPASS_PERMISSIONS = "bypassPermissions"
    """Does everything.  The CLI refuses it to root."""


def session_lock(session_id: str) -> str:
    """The key by which the runs of one session wait for each other."""
    return f"claude:session:{session_id}"


class ClaudeUsage(Model):
    """Tokens of a run.  The four buckets do not overlap: `input_tokens` excludes both cache buckets."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0


class ClaudeAnswer(Model):
    """What one prompt came to."""

    text: str
    """The final answer, at most 2 MiB of UTF-8."""
    text_truncated: Flag = False
    """True where the answer was longer than that; the CLI's own record has it whole."""
    model: str | None
    usage: ClaudeUsage
    total_cost_usd: float | None = None
    """The CLI's own estimate, at list prices."""
    num_turns: Count | None = None
    duration_ms: Annotated[Count, MEASURED] | None = None
    stop_reason: str | None = None
    """The API's word: `end_turn`, `max_tokens`."""
    permission_denials: list[str] = []
    """Names of the tools that Claude wanted to use and was not allowed to, once per refused call."""


class ClaudeRunResult(ClaudeAnswer):
    """What a run came to."""

    session_id: OpaqueId | None
    """The CLI's own session: send it with the next prompt to go on with this conversation."""


class ClaudeTurnResult(ClaudeAnswer):
    """What a turn of a session came to.  Usage and cost are this turn's alone."""

    session_id: Uuid


class RunClaude(JobSpec):
    """Run a prompt through the user's own `claude` and wait for its answer."""

    type: ClassVar = "claude.run"
    result: ClassVar = ClaudeRunResult
    # What a run did to files and accounts cannot be taken back; the concurrency is a setting.
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT, concurrency=2)

    prompt: LongText
    cwd: FolderPath | None = None
    """Where Claude works; null: the home folder."""
    model: ModelName | None = None
    """Null: as the user's settings say."""
    session_id: ResumedSession | None = None
    allowed_tools: ToolRules = []
    permission_mode: PermissionMode | None = None
    """Null: as the user's settings say."""
    max_turns: Turns | None = None
    timeout_s: Seconds = TIMEOUT_S
    system_prompt: SystemPrompt | None = None
    """A resumed session keeps the one that it began with."""

    def lock_key(self) -> str | None:
        """Two CLIs that resume one session would both write its file."""
        return session_lock(self.session_id) if self.session_id is not None else None


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


class ClaudeDelta(Ephemeral):
    """Claude wrote more of a message.  Append-only: a gap between `offset` and what is known means text was lost."""

    name: ClassVar[str] = "claude.delta"
    key: ClassVar[tuple[str, ...]] = ("job_id", "message_id")
    appends: ClassVar[str | None] = "text"
    max_per_s: ClassVar[int] = 20
    session_id: Uuid
    """The session whose turn it is; in a run of one prompt, the CLI's own."""
    job_id: Uuid
    message_id: OpaqueId
    offset: Count
    """Where `text` begins in the message, in UTF-16 code units: JavaScript's `length` of what came before."""
    text: str


class Claude(Protocol):
    """Claude Code, run by the sidecar with the user's own installation and account."""

    @method("claude.spawn", raises=(PayloadTooLarge,), rest="POST /claude/spawn")
    async def spawn(
        self,
        *,
        prompt: LongText,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        session_id: ResumedSession | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - a declaration: the default is only ever read
        permission_mode: PermissionMode | None = None,
        max_turns: Turns | None = None,
        timeout_s: Seconds = TIMEOUT_S,
        system_prompt: SystemPrompt | None = None,
        priority: Priority = 0,
    ) -> Job:
        """Start a run as a job of type `claude.run`; its result is a `ClaudeRunResult`."""
        ...


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
    async def list(self, *, limit: Limit = 50, cursor: Cursor | None = None) -> SessionPage:
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
        self, *, session_id: SessionId, limit: Limit = 200, cursor: Cursor | None = None
    ) -> ClaudeMessagePage:
        """The messages of a session, oldest first."""
        ...
