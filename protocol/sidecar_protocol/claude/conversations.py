"""Conversations that were begun in a terminal: the records of the user's own Claude Code."""

from typing import Annotated, ClassVar, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.claude.sessions import Session
from sidecar_protocol.contract import Model, RpcError, method
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    Count,
    Cursor,
    FolderPath,
    Limit,
    NextCursor,
    OpaqueId,
    UtcTime,
    Uuid,
)

ConversationId = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    Field(description="The `claude_session_id` of a conversation (UUID)."),
]


class ConversationNotFound(RpcError):
    """Claude Code has no record of this conversation."""

    code = 4101


class ClaudeConversation(Model):
    """A conversation that Claude Code has recorded."""

    shown: ClassVar = ("updated_at", "title", "claude_session_id", "cwd", "bytes")
    claude_session_id: OpaqueId
    title: str | None
    """Its title in Claude Code, or the first line of its first prompt."""
    cwd: str | None
    """The folder in which it began."""
    updated_at: UtcTime
    bytes: Count
    """Size of the record."""
    session_id: Uuid | None
    """The session that is in this conversation, if there is one."""


class ClaudeConversationPage(Model):
    """Conversations, most recently updated first."""

    conversations: list[ClaudeConversation]
    next_cursor: NextCursor | None = None
    """Null on the last page."""


class Conversations(Protocol):
    """Conversations begun in a terminal, which sessions can go on with."""

    @method("claude.conversations.list", raises=(InvalidCursor,), waits=True)
    async def list(
        self, *, cwd: FolderPath | None = None, limit: Limit = DEFAULT_LIMIT, cursor: Cursor | None = None
    ) -> ClaudeConversationPage:
        """Returns the conversations that began in a folder, or all, most recently updated first.

        Those of sessions and runs are among them.  A page may have fewer than `limit`.
        """
        ...

    @method("claude.conversations.take", raises=(ConversationNotFound,), waits=True)
    async def take(self, *, claude_session_id: ConversationId) -> Session:
        """Creates a session with a conversation's messages, which goes on with it; nothing of the record is changed.

        If a session is in this conversation already, adds to it what was said in a terminal since, and returns it.
        """
        ...
