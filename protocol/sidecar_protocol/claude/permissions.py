"""What Claude asks during a turn: may it use a tool, which of these answers, is the plan good.

A question is stored before it is told, so it outlives a reload of the renderer.  It also outlives the sidecar: the turn
that asked is then interrupted, the question stays open, and its answer begins a new turn that goes on.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import StringConstraints

from sidecar_protocol.claude.runs import PermissionMode
from sidecar_protocol.contract import Model, Notification, RpcError, method
from sidecar_protocol.errors import InvalidCursor, InvalidParams, PayloadTooLarge
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
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
Reason = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]


class PermissionNotFound(RpcError):
    """Claude has asked nothing under this id."""

    code = 4046


class PermissionAlreadyResolved(RpcError):
    """The question is answered already, or no answer is wanted any more; the first answer counts."""

    code = 4092


class PermissionKind(StrEnum):
    """What is asked."""

    TOOL = "tool"
    """May Claude use this tool with this input?"""
    QUESTION = "question"
    """Which of these answers?  `input` is that of Claude's AskUserQuestion: {questions: [{question, header, options:
    [{label, description}], multiSelect}]}."""
    PLAN = "plan"
    """Is this plan good?  `input.plan` is it, in Markdown.  To allow it ends the permission mode `plan`."""


class PermissionStatus(StrEnum):
    """What became of a question."""

    OPEN = "open"
    """Waits for an answer."""
    ALLOWED = "allowed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    """No answer is wanted any more: the turn has ended, Claude took it back, or the conversation went on without."""


class PermissionDecision(StrEnum):
    """An answer."""

    ALLOW = "allow"
    DENY = "deny"


class PermissionRequest(Model):
    """Something that Claude asks and waits for."""

    request_id: OpaqueId
    session_id: Uuid
    job_id: Uuid
    """The turn that asks."""
    kind: PermissionKind
    tool_name: str
    """Bash, Edit, AskUserQuestion, mcp__server__tool."""
    tool_use_id: OpaqueId | None
    """The call that it is about: `raw.message.content[].id` of the message of kind `tool_use`."""
    description: str | None
    """Claude's own words for it."""
    input: Any
    """The tool's whole input, an object of at most 1 MiB.  An answer is about exactly this."""
    blocked_path: str | None
    """The file or folder that is out of bounds without an answer."""
    rules: list[str]
    """What `remember` would add to the session's `allowed_tools`; empty where there is nothing to remember."""
    suggested_mode: PermissionMode | None
    """A mode in which the like is not asked: `claude.sessions.update` sets it, in the running turn too."""
    status: PermissionStatus
    turn_ended: Flag
    """True once the turn that asked is gone and the question is kept: an answer begins a new turn, `resumed_by`."""
    message: str | None
    """What Claude was told with the denial, or why no answer is wanted any more."""
    updated_input: Any
    """The input that was allowed in place of `input`; null: as it was."""
    remembered: list[str]
    """The rules that the answer added to the session."""
    resumed_by: str | None
    """The job of the turn that goes on with the answer."""
    created_at: UtcTime
    resolved_at: UtcTime | None
    version: Count
    """Rises with every change: of two snapshots the higher is the newer."""


class PermissionPage(Model):
    """Questions, the newest first."""

    requests: list[PermissionRequest]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class ClaudePermissionRequested(Notification):
    """Claude asks something and waits.  It is told again when the turn is gone but the question is kept."""

    name: ClassVar[str] = "claude.permission_requested"
    request: PermissionRequest


class ClaudePermissionResolved(Notification):
    """A question is closed, whichever way: take its dialog away."""

    name: ClassVar[str] = "claude.permission_resolved"
    request: PermissionRequest


class Permissions(Protocol):
    """What Claude asks, and the answers."""

    @method("claude.permissions.list", raises=(InvalidCursor,))
    async def list(
        self,
        *,
        session_id: SessionId | None = None,
        status: PermissionStatus | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> PermissionPage:
        """Questions, the newest first; of each session the open ones and the last 200 closed ones are known."""
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
    ) -> PermissionRequest:
        """Answer.  Claude is told once the answer is stored.

        `updated_input` (with allow) replaces the tool's input.  A question is answered by its input with `answers`
        added: {question: label}.  `message` (with deny) tells Claude why, or what to do instead.  `remember` (with
        allow) adds `rules` to the session, so that the like is not asked again.
        """
        ...
