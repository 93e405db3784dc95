"""Search over everything that was said in the sessions with Claude."""

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
    Field(description='Words that must all be there, or parts of words; "words in quotes" as they stand.'),
]


class MessageHit(Model):
    """A message that was found."""

    message_id: OpaqueId
    session_id: Uuid
    session_title: str | None
    job_id: Uuid | None
    seq: Count
    """Its place in the session: `claude.messages.list` with `after` one less begins with it."""
    kind: MessageKind
    created_at: UtcTime
    snippet: str
    """The text around the first hit, in one line; cut off parts are marked by an ellipsis.  It is plain text."""
    marks: list[Highlight]
    """Where the words stand in it; empty where they are too far apart or spelt in another case."""


class MessageHits(Model):
    """What was found, the newest first."""

    hits: list[MessageHit]
    next_cursor: NextCursor | None = None
    """Null when everything was looked through.  A page can be short, even empty, and others follow."""


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
        """Find messages by parts of their text, the newest first; of a longer one the first 32,768 characters count.

        What a tool was given is searched too.  Upper and lower case are the same.
        """
        ...
