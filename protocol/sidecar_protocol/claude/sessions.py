"""Conversations with the Claude Code CLI: sessions, their messages and their turns.  Each turn is a job.

Text is sent twice: in pieces as `claude.delta` while it is written, and whole as `claude.message_added`.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.claude.attachments import (
    ATTACHMENT_ERRORS,
    Attachment,
    PromptParts,
    PromptText,
)
from sidecar_protocol.claude.runs import (
    ClaudeAnswer,
    ClaudeSettings,
    ClaudeUsage,
    Effort,
    HubAccess,
    ModelName,
    PermissionMode,
    SystemPrompt,
    ToolRules,
    session_lock,
)
from sidecar_protocol.claude.tasks import ClaudeTask
from sidecar_protocol.claude.trust import FOLDER_ERRORS
from sidecar_protocol.contract import UNCHANGED, JobPolicy, JobSpec, Model, Notification, Recovery, RpcError, method
from sidecar_protocol.entities import Job
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge, QueueFull
from sidecar_protocol.job_errors import ClaudeErrorKind, SessionErrorKind, TurnErrorKind
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    DEFAULT_LINES_LIMIT,
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
    live,
)

SteerId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
MessageId = Annotated[
    str, StringConstraints(min_length=1, max_length=200), Field(description="The `message_id` of a message.")
]


class SessionNotFound(RpcError):
    """No Claude session has this id."""

    code = 4045


class ClaudeTurnResult(ClaudeAnswer):
    """The result of a turn.  Usage and cost are those of this turn."""

    session_id: Uuid
    answered_by: Uuid | None = None
    """The turn that has read the prompt while it was running and given this answer; it has the usage and the cost."""


class TakeTurn(JobSpec):
    """Sends the next prompt of a session; the result is the answer.  The turns of a session run one after another."""

    type: ClassVar = "claude.turn"
    result: ClassVar = ClaudeTurnResult
    # As RunClaude, with which it shares one limit.
    policy: ClassVar = JobPolicy(recovery=Recovery.INTERRUPT, concurrency=2)
    errors: ClassVar = (ClaudeErrorKind, SessionErrorKind, TurnErrorKind)
    checked: ClassVar = True

    session_id: SessionId
    prompt: PromptText
    """Without the images and files that were sent with it."""
    timeout_s: Seconds | None = None
    """Null for one hour.  The time during which a permission request is open does not count."""
    wait_for_limit: Flag | None = None
    """Null for the setting of the session."""
    steer: SteerId | None = None
    """Set by `claude.sessions.send` if the prompt was offered to the running turn."""
    is_own: Flag = False
    """Whether Claude has begun the turn by itself, for example one that it had scheduled; it has no prompt."""

    def lock_key(self) -> str:
        """Returns the session's lock."""
        return session_lock(self.session_id)


class SendWhen(StrEnum):
    """When Claude is to read a prompt."""

    NEXT = "next"
    """Claude reads it in a turn of its own, after the turns of the session that are running or queued."""
    NOW = "now"
    """Claude reads it in the running turn, after its next use of a tool.

    If no turn is running, if other prompts are queued, or for a command such as `/clear`, as `next`: `steer` in the
    returned job's payload is then null.  Otherwise `claude.message_added` says when Claude has read it, and the job
    succeeds with the turn's answer.  If the turn ends before Claude has read the prompt, it is the next turn.
    """


class SessionStatus(StrEnum):
    """The status of a session."""

    IDLE = "idle"
    """No turn is running."""
    RUNNING = "running"
    """A turn is running, or only its background tasks are (`tasks`)."""
    WAITING = "waiting"
    """Permission requests are open: `claude.permissions.list` with status `open` returns them."""
    LIMITED = "limited"
    """Claude's usage limit was reached.  The turn goes on by itself at `resumes_at`, and later prompts wait for it;
    `claude.sessions.interrupt` cancels it, `jobs.retry` continues it now."""
    INTERRUPTED = "interrupted"
    """The last turn was cancelled, or the sidecar ended during it.  The next prompt continues the session."""


class Session(Model):
    """A conversation with Claude that the sidecar stores.  Its turns are jobs of type `claude.turn`."""

    shown: ClassVar = ("updated_at", "title", "status", "session_id", "total_cost_usd", "cwd", "model")
    session_id: Uuid
    claude_session_id: OpaqueId | None
    """The conversation's id in the CLI; null before the first turn and after `/clear`.  `claude.spawn` refuses it."""
    forked_from: str | None
    """The session that it was forked from."""
    title: str | None
    """The first line of the first prompt, unless another title was set."""
    cwd: str | None
    """Claude's working directory; null for the home folder."""
    worktree: str | None
    """The name of the git worktree that Claude works in, or null; `cwd` is its folder after the first turn."""
    model: str | None
    """Null for the model in the user's Claude settings.  `/model` in a prompt changes it."""
    effort: str | None
    """Null for the effort in the user's Claude settings."""
    permission_mode: PermissionMode | None
    """Null for the mode in the user's Claude settings."""
    allowed_tools: list[str]
    system_prompt: str | None
    settings: ClaudeSettings
    wait_for_limit: Flag
    """Whether a turn that reaches Claude's usage limit goes on by itself when the limit resets; otherwise it fails."""
    hub: HubAccess
    exposed_at: UtcTime | None
    """When texts that others wrote first came in from the hub; from then on, tools ask (`claude.exposures.list`)."""
    status: Annotated[SessionStatus, live(SessionStatus.RUNNING, SessionStatus.WAITING, SessionStatus.LIMITED)]
    resumes_at: UtcTime | None
    """When the turn of a `limited` session goes on."""
    tasks: list[ClaudeTask]
    """The live tasks of its turn, oldest first.  While there are background tasks, the turn goes on."""
    created_at: UtcTime
    updated_at: UtcTime
    last_message_at: UtcTime | None
    usage: ClaudeUsage
    """Sum over all turns.  A fork starts at zero."""
    total_cost_usd: float
    """Sum over all turns: the CLI's estimate, at list prices."""
    version: Count
    """Incremented by every change: of two snapshots, the higher is newer."""


class SessionPage(Model):
    """Sessions, most recently updated first."""

    sessions: list[Session]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class SessionDeleted(Model):
    """The deleted session."""

    session_id: Uuid


class MessageKind(StrEnum):
    """The kind of a message."""

    USER = "user"
    """A prompt."""
    ASSISTANT_TEXT = "assistant_text"
    THINKING = "thinking"
    TOOL_USE = "tool_use"
    """Claude calls a tool; `text` is the tool's name, and `raw` contains its input."""
    TOOL_RESULT = "tool_result"
    ERROR = "error"
    """The reason why a turn failed."""
    CLEARED = "cleared"
    """The conversation was cleared, as by `/clear`: Claude no longer knows the messages before."""
    NOTICE = "notice"
    """Something that happened to the session: a background task ended, a hook failed, the conversation was compacted,
    or it goes on in a new one."""
    RAW = "raw"
    """Other output of the CLI, such as types of a newer release.  Lines that only report its state are left out."""


class ClaudeMessage(Model):
    """A complete message of a session."""

    shown: ClassVar = ("created_at", "kind", "text")
    message_id: OpaqueId
    session_id: Uuid
    job_id: Uuid | None
    """The turn that it belongs to."""
    api_message_id: OpaqueId | None
    """The `message_id` of its `claude.delta` notifications.  Several messages can be parts of one API message."""
    seq: Count
    """Position in the session, from 1, without gaps."""
    kind: MessageKind
    text: str
    """At most 2 MiB of UTF-8; empty for thinking that the API has redacted."""
    parent: str | None = None
    """The id of the call that started the subagent which the message is from: the block's `id` in a message of kind
    `tool_use`.  Null for the user and Claude itself."""
    agent: str | None = None
    """The type of that subagent, for example `general-purpose`; null if the CLI has not named it."""
    raw: Any = None
    """The CLI's line; null if the message is not from the CLI; {truncated, bytes} if the line has over 64 KiB."""
    attachments: list[Attachment] = []
    """The images and files of a prompt."""
    created_at: UtcTime


class ClaudeMessagePage(Model):
    """Messages, oldest first."""

    messages: list[ClaudeMessage]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ClaudeMessageAdded(Notification):
    """A message was added to a session."""

    name: ClassVar[str] = "claude.message_added"
    key: ClassVar[tuple[str, ...]] = ("session_id",)
    session_id: Uuid
    job_id: Uuid | None
    message: ClaudeMessage


class ClaudeSessionUpdated(Notification):
    """A session was created or updated."""

    name: ClassVar[str] = "claude.session_updated"
    key: ClassVar[tuple[str, ...]] = ("session.session_id",)
    session: Session


class ClaudeSessionDeleted(Notification):
    """A session was deleted with its messages."""

    name: ClassVar[str] = "claude.session_deleted"
    key: ClassVar[tuple[str, ...]] = ("session_id",)
    session_id: Uuid


class Sessions(Protocol):
    """Conversations with Claude that are stored and continue after a restart."""

    @method("claude.sessions.create", raises=(InvalidParams, *FOLDER_ERRORS), rest="POST /claude/session", waits=True)
    async def create(
        self,
        *,
        title: ShortText | None = None,
        cwd: FolderPath | None = None,
        model: ModelName | None = None,
        effort: Effort | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: ToolRules = [],  # noqa: B006 - a declaration: the default is only ever read
        system_prompt: SystemPrompt | None = None,
        worktree: Flag = False,
        settings: ClaudeSettings = ClaudeSettings.ALL,
        trust: Flag = False,
        wait_for_limit: Flag = True,
        hub: HubAccess = HubAccess.READ,
    ) -> Session:
        """Creates a session.  No process is started before its first turn.

        `trust` trusts the folder from now on; ask the user first.

        With `worktree`, the first turn creates a git worktree of the repository at `cwd`, where Claude then works, on a
        branch of its own.  It remains when the session is deleted.
        """
        ...

    @method("claude.sessions.list", raises=(InvalidCursor,))
    async def list(self, *, limit: Limit = DEFAULT_LIMIT, cursor: Cursor | None = None) -> SessionPage:
        """Returns sessions, most recently updated first; an update moves a session to the first page."""
        ...

    @method("claude.sessions.get", raises=(SessionNotFound,))
    async def get(self, *, session_id: SessionId) -> Session:
        """Returns a session."""
        ...

    @method("claude.sessions.update", raises=(SessionNotFound, InvalidParams, *FOLDER_ERRORS), waits=True)
    async def update(
        self,
        *,
        session_id: SessionId,
        title: ShortText | None = UNCHANGED,
        cwd: FolderPath | None = UNCHANGED,
        model: ModelName | None = UNCHANGED,
        effort: Effort | None = UNCHANGED,
        permission_mode: PermissionMode | None = UNCHANGED,
        allowed_tools: ToolRules | None = None,
        settings: ClaudeSettings | None = None,
        trust: Flag = False,
        wait_for_limit: Flag | None = None,
        hub: HubAccess | None = None,
    ) -> Session:
        """Changes the given settings; null resets title, cwd, model, effort and mode to what a new session has.

        A running turn adopts a new model, effort and mode; the rest, and what is reset, applies from the next turn on.
        A new `cwd` is for a project that was moved: the conversation goes on there.  `trust` trusts the folder.
        """
        ...

    @method("claude.sessions.delete", raises=(SessionNotFound,))
    async def delete(self, *, session_id: SessionId) -> SessionDeleted:
        """Deletes a session with its messages and cancels its turns.  The CLI's own transcript is not deleted."""
        ...

    @method(
        "claude.sessions.send",
        raises=(
            SessionNotFound,
            PayloadTooLarge,
            InvalidParams,
            *ATTACHMENT_ERRORS,
            QueueFull,
        ),
        waits=True,
        job=TakeTurn.type,
    )
    async def send(
        self,
        *,
        session_id: SessionId,
        prompt: LongText | None = None,
        content: PromptParts = [],  # noqa: B006 - a declaration: the default is only ever read
        when: SendWhen = SendWhen.NEXT,
        priority: Priority = 0,
        timeout_s: Seconds | None = None,
        wait_for_limit: Flag | None = None,
    ) -> Job:
        """Queues a turn as a job of type `claude.turn`; the job's result is a `ClaudeTurnResult`.

        The prompt is the text `prompt`, or `content`: texts, images and files in order, whose files are copied now.

        The turn goes on until the tasks that Claude runs in the background have ended, at most for `timeout_s` (null
        for one hour).
        """
        ...

    @method("claude.sessions.interrupt", raises=(SessionNotFound,))
    async def interrupt(self, *, session_id: SessionId) -> Session:
        """Cancels the turn that is running or waits for a usage limit; queued turns run next.

        Of an idle session, it stops what Claude has scheduled (`tasks` of kind `schedule`).

        `claude.session_updated` is sent when it has ended.
        """
        ...

    @method("claude.sessions.fork", raises=(SessionNotFound,))
    async def fork(
        self, *, session_id: SessionId, title: ShortText | None = None, message_id: MessageId | None = None
    ) -> Session:
        """Creates a session with the settings and messages of another, up to `message_id` if it is given.

        Its Claude knows these messages and nothing that is said in the other session later.  Files are not changed.
        """
        ...

    @method("claude.messages.list", raises=(SessionNotFound, InvalidCursor))
    async def list_messages(
        self, *, session_id: SessionId, limit: Limit = DEFAULT_LINES_LIMIT, cursor: Cursor | None = None
    ) -> ClaudeMessagePage:
        """Returns the messages of a session, oldest first."""
        ...
