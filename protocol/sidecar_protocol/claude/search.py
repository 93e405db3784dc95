"""Search over the messages of all sessions with Claude."""

from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from sidecar_protocol.claude.sessions import MessageKind, SessionNotFound
from sidecar_protocol.contract import Model, method
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import DEFAULT_LIMIT, Count, Cursor, Limit, NextCursor, OpaqueId, SessionId, UtcTime, Uuid

MessageQuery = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r'[^\s"\x00]'),
    Field(description='Words or parts of words, all of which must occur; a "phrase in quotes" must occur as it is.'),
]


class MessageHit(Model):
    """A message that matches a search."""

    message_id: OpaqueId
    session_id: Uuid
    session_title: str | None
    job_id: Uuid | None
    seq: Count
    """Position in the session, from 1."""
    kind: MessageKind
    created_at: UtcTime
    snippet: str
    """The text around the first match, as one line of plain text; an ellipsis marks omitted text."""
    highlights: list[Highlight]
    """The search terms found in `snippet`; may be empty for terms that match only by Unicode case folding."""


class MessageHits(Model):
    """Matching messages, newest first."""

    hits: list[MessageHit]
    next_cursor: NextCursor | None = None
    """Null once all messages were searched.  A page can be short or empty although others follow."""


class ClaudeSearch(Protocol):
    """Search over the messages of all sessions."""

    @method("claude.messages.search", raises=(SessionNotFound, InvalidCursor))
    async def search_messages(
        self,
        *,
        query: MessageQuery,
        session_id: SessionId | None = None,
        kind: MessageKind | None = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor | None = None,
    ) -> MessageHits:
        """Finds messages by parts of their text, newest first.  The search ignores case.

        It covers the first 32,768 characters of a message, and the inputs of tools.
        """
        ...
