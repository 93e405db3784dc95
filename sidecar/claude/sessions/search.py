"""Search over the messages, newest first, until a page is full or its time is up.

What the index does not know (the kind, terms of two characters, the session) is filtered window by window.  FTS5 itself
cannot be interrupted: a phrase of frequent words that occurs nowhere takes 1 us per message in the database (measured).
"""

from typing import Final

from sidecar_protocol.claude.search import ClaudeSearch, MessageHit, MessageHits
from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import DEFAULT_LIMIT, SearchText, SessionId

from sidecar.claude.sessions.journal import SessionStore
from sidecar.clock import Clock
from sidecar.storage.database import Row
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, search_terms, snippet
from sidecar.storage.paging import decode_cursor, encode_cursor

INDEXED_WINDOW: Final = 4_000
"""Messages in the first window if hits of the index are filtered: 4 ms if all of them are hits."""
SCANNED_WINDOW: Final = 200
"""Messages in the first window without the index: reading and folding their texts takes a few milliseconds."""
PAGE_S: Final = 0.02
"""Time limit of a page, in seconds: the event loop is blocked meanwhile."""
FAST_S: Final = PAGE_S / 10
"""After a window that took less, the next one is twice as large; in seconds."""
HIT_FIELDS: Final = ("message_id", "session_id", "session_title", "job_id", "seq", "kind", "created_at")


class SearchService(ClaudeSearch):
    """Implements `ClaudeSearch`."""

    def __init__(self, store: SessionStore, index: FullTextIndex, clock: Clock) -> None:
        self._store = store
        self._index = index
        self._clock = clock

    async def search_messages(
        self,
        *,
        query: SearchText,
        session_id: SessionId | None = None,
        kind: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> MessageHits:
        if session_id is not None and self._store.get(session_id) is None:
            raise SessionNotFound
        terms = search_terms(query)
        if not terms:
            return MessageHits(hits=[])
        cursor_scope = session_id or ""  # positions in one session are not valid in another
        high = self._store.last_position(session_id) + 1 if cursor is None else _position(cursor, cursor_scope)
        rows, position = self._search(terms, session_id, kind, high, limit)
        hits = [_hit(row, terms) for row in rows]
        return MessageHits(hits=hits, next_cursor=None if position is None else encode_cursor(position, cursor_scope))

    def _search(
        self, terms: list[str], session_id: str | None, kind: str | None, high: int, limit: int
    ) -> tuple[list[Row], int | None]:
        """Returns matches below the position `high`, and the position below which to continue, None at the end."""
        deadline = (now := self._clock.monotonic()) + PAGE_S
        found: list[Row] = []
        scale = 1

        def search_window(plan: SearchPlan) -> tuple[list[Row], bool, int]:
            """Returns the matches in a window, whether it has more, and the position where it begins."""
            low = 0
            if plan.match is None:
                low = max(0, high - scale * SCANNED_WINDOW)
            elif plan.unindexed or kind is not None:
                low = max(0, high - scale * INDEXED_WINDOW)
            return *self._store.search(plan, session_id, kind, range(low, high), limit - len(found)), low

        while high > 0 and now < deadline:
            if session_id is not None:  # the index covers all sessions: reading the texts of one is cheaper
                rows, has_more, high = search_window(SearchPlan(None, tuple(terms)))
            else:
                rows, has_more, high = self._index.search(terms, search_window)
            found += rows
            if has_more:
                return found, found[-1][1]
            before, now = now, self._clock.monotonic()
            scale *= 2 if now - before < FAST_S else 1
        return found, high or None


def _position(cursor: str, scope: str) -> int:
    position, cursor_scope = decode_cursor(cursor, int, str)
    if cursor_scope != scope:
        raise InvalidCursor
    return int(position)


def _hit(row: Row, terms: list[str]) -> MessageHit:
    text, _, *values = row
    excerpt = snippet(text, terms)
    return MessageHit(
        **dict(zip(HIT_FIELDS, values, strict=True)),
        snippet=excerpt.text,
        highlights=[Highlight(start=start, end=end) for start, end in excerpt.highlights],
    )
