"""Search over the messages of all sessions with Claude."""

from typing import ClassVar, Protocol

from sidecar_protocol.claude.sessions import MessageKind, SessionNotFound
from sidecar_protocol.contract import Cited, Model, ToolUse, method
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import (
    DEFAULT_LIMIT,
    Count,
    Cursor,
    ForeignText,
    Limit,
    NextCursor,
    OpaqueId,
    SearchText,
    SessionId,
    UtcTime,
    Uuid,
)


class MessageHit(Model):
    """A message that matches a search."""

    shown: ClassVar = ("created_at", "snippet", "kind", "session_id", "session_title")
    cited: ClassVar = Cited("message", ("session_id", "message_id"), title="session_title", at="created_at")
    message_id: OpaqueId
    session_id: Uuid
    session_title: ForeignText | None
    job_id: Uuid | None
    seq: Count
    """Position in the session, from 1."""
    kind: MessageKind
    created_at: UtcTime
    snippet: ForeignText
    """The text around the first match, as one line of plain text; an ellipsis marks omitted text."""
    highlights: list[Highlight]
    """The search terms found in `snippet`."""


class MessageHits(Model):
    """Matching messages, newest first."""

    hits: list[MessageHit]
    next_cursor: NextCursor | None = None
    """Null once all messages were searched.  A page can be short or empty although others follow."""


class ClaudeSearch(Protocol):
    """Search over the messages of all sessions."""

    @method("claude.messages.search", raises=(SessionNotFound, InvalidCursor), tool=ToolUse.READ)
    async def search_messages(
        self,
        *,
        query: SearchText,
        session_id: SessionId | None = None,
        kind: MessageKind | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> MessageHits:
        """Finds messages that contain all words of `query`, newest first.

        Parts of words match; "words in quotes" are matched as one phrase.  The search covers the first 32,768
        characters of a message, and the inputs of tools.
        """
        ...
