"""Permission requests: during a turn, Claude asks to use a tool, to choose between options, or to approve a plan.

A request is stored before it is sent, so it survives a reload of the client.  It also survives the end of the sidecar:
its turn is interrupted, the request stays open, and its response starts a new turn.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.contract import Model, Notification, RpcError, method
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    WHOLE,
    Count,
    Cursor,
    Flag,
    JsonObject,
    Limit,
    NextCursor,
    OpaqueId,
    SessionId,
    UtcTime,
    Uuid,
)

PermissionId = Annotated[str, StringConstraints(min_length=1, max_length=128)]
SuggestionIndexes = Annotated[
    list[Annotated[int, Strict(), Field(ge=0, lt=20), WHOLE]],
    Field(max_length=20, description="Positions in the `suggestions` of the request, from 0."),
]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class PermissionNotFound(RpcError):
    """No permission request has this id."""

    code = 4046


class PermissionAlreadyResolved(RpcError):
    """The permission request was already answered or cancelled."""

    code = 4092


class PermissionKind(StrEnum):
    """The kind of a permission request."""

    TOOL = "tool"
    """Permission to use a tool with this input."""
    QUESTION = "question"
    """Questions to the user.  `input` is that of Claude's tool AskUserQuestion: {questions: [{question, header,
    options: [{label, description}], multiSelect}]}."""
    PLAN = "plan"
    """Approval of a plan: `input.plan`, in Markdown.  Allowing it ends the permission mode `plan`."""


class PermissionStatus(StrEnum):
    """The status of a permission request."""

    OPEN = "open"
    """Waits for a response."""
    ALLOWED = "allowed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    """The turn ended, Claude withdrew the request, or the session continued without a response."""


class PermissionDecision(StrEnum):
    """The decision about a permission request."""

    ALLOW = "allow"
    DENY = "deny"


class PermissionSuggestion(Model):
    """A change that Claude Code suggests with a request, so that it need not request the same again."""

    type: str
    """Claude Code's word: addRules, addDirectories, setMode; others in later releases."""
    behavior: str | None = None
    """The effect of the rules: allow, deny or ask."""
    rules: list[str] = []
    directories: list[str] = []
    """Folders to which Claude gets access."""
    mode: PermissionMode | None = None


class PermissionRequest(Model):
    """A permission request that Claude waits for."""

    shown: ClassVar = ("created_at", "tool_name", "status", "input", "message", "request_id", "session_id")
    request_id: OpaqueId
    session_id: Uuid
    job_id: Uuid
    """The turn that sent it."""
    kind: PermissionKind
    tool_name: str
    """Bash, Edit, AskUserQuestion, mcp__server__tool."""
    tool_use_id: OpaqueId | None
    """The id of the call: `raw.message.content[].id` of the message of kind `tool_use`."""
    description: str | None
    """Claude's description of the call."""
    input: dict[str, Any]
    """The whole input of the tool, an object of at most 1 MiB.  A response applies to exactly this input."""
    blocked_path: str | None
    """The file or folder to which Claude has no access without permission."""
    rules: list[str]
    """The rules that `remember` adds to the session's `allowed_tools`; empty if `remember` is not possible."""
    decision_reason: str | None = None
    """Claude Code's reason why it needs permission: a path outside of the folder, a hook's words."""
    decision_reason_type: str | None = None
    """Claude Code's word for the reason: workingDir, hook, rule, subcommandResults."""
    parent: str | None = None
    """The id of the call that started the subagent which requests it, as in `ClaudeMessage`; null for Claude itself."""
    agent: str | None = None
    """The type of that subagent."""
    suggestions: list[PermissionSuggestion] = []
    """All that Claude Code suggests to allow, at most 20; but never the mode bypassPermissions."""
    suggested_mode: PermissionMode | None
    """A mode that would allow the call: `claude.sessions.update` sets it, even during the turn."""
    status: PermissionStatus
    turn_ended: Flag
    """True if the turn has ended and the request is still open: a response starts a new turn, `resumed_by`."""
    message: str | None
    """The message of the denial, or the reason of the cancellation."""
    updated_input: dict[str, Any] | None
    """The input that was allowed instead of `input`; null if that was not changed."""
    remembered: list[str]
    """The rules that the response added to the session."""
    applied: list[Count] = []
    """The positions of the suggestions that the response applied."""
    resumed_by: str | None
    """The job id of the turn that continues with the response."""
    created_at: UtcTime
    resolved_at: UtcTime | None
    version: Count
    """Incremented by every change: of two snapshots, the higher is newer."""


class PermissionPage(Model):
    """Permission requests, newest first."""

    requests: list[PermissionRequest]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ClaudePermissionRequested(Notification):
    """Claude requests permission and waits.  Sent again when the turn ends and the request stays open."""

    name: ClassVar[str] = "claude.permission_requested"
    key: ClassVar[tuple[str, ...]] = ("request.request_id",)
    request: PermissionRequest


class ClaudePermissionResolved(Notification):
    """A permission request was answered or cancelled: close its dialog."""

    name: ClassVar[str] = "claude.permission_resolved"
    key: ClassVar[tuple[str, ...]] = ("request.request_id",)
    request: PermissionRequest


class Permissions(Protocol):
    """Permission requests of Claude, and the responses to them."""

    @method("claude.permissions.list", raises=(InvalidCursor,))
    async def list(
        self,
        *,
        session_id: SessionId | None = None,
        status: PermissionStatus | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> PermissionPage:
        """Returns requests, newest first: of each session, the open ones and the last 200 closed ones."""
        ...

    @method(
        "claude.permissions.respond",
        raises=(PermissionNotFound, PermissionAlreadyResolved, InvalidParams, PayloadTooLarge),
    )
    async def respond(
        self,
        *,
        request_id: PermissionId,
        decision: PermissionDecision,
        updated_input: JsonObject | None = None,
        message: Reason | None = None,
        remember: Flag = False,
        suggestions: SuggestionIndexes = [],  # noqa: B006 - a declaration: the default is only ever read
    ) -> PermissionRequest:
        """Responds to a request.  Claude receives the response once it is stored.

        With the decision allow, `updated_input` replaces the tool's input; for a request of kind `question` it must be
        the input with `answers` added: {question: label}.  `remember` adds `rules` to the session's `allowed_tools`.
        `suggestions` applies those of the request at these positions until the session's process ends (an idle one does
        after three minutes); a mode remains.  They take a turn that has not ended.
        With the decision deny, `message` is the reason that Claude receives.
        """
        ...
