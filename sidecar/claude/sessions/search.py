"""Search over the messages: newest first, until a page is full or enough time was spent on it.

The index gives its hits newest first, so that a page costs what its hits cost.  What it cannot tell (a kind, a term of
two characters, the messages of one session) is looked at message by message, in stretches: a page that runs out of time
says where the next one goes on.  What stays is that FTS5 looks for a first hit through its whole lists: for a phrase of
frequent words that is nowhere this takes 1 us for each message there is (measured).
"""

from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.search import ClaudeSearch, MessageHit, MessageHits, MessageQuery
from sidecar_protocol.claude.sessions import SessionNotFound
from sidecar_protocol.entities import Highlight
from sidecar_protocol.errors import InvalidCursor
from sidecar_protocol.scalars import DEFAULT_LIMIT, SessionId

from sidecar.claude.sessions.store import SearchWindow, SessionStore
from sidecar.clock import Clock
from sidecar.storage.database import Row
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, search_terms, snippet
from sidecar.storage.paging import decode_cursor, encode_cursor

INDEXED_WINDOW: Final = 4_000
"""Messages in the first look at hits of the index, some of which are not wanted: 4 ms if it hits all of them."""
SCANNED_WINDOW: Final = 500
"""Messages in the first look without it, whose texts are read: 1 ms as they usually are."""
PAGE_S: Final = 0.02
"""Nothing else is answered meanwhile."""
CHEAP_S: Final = PAGE_S / 10
"""After a look that took less than this, the next one takes twice as many."""


class SearchService(ClaudeSearch):
    """Implements `ClaudeSearch`."""

    def __init__(self, store: SessionStore, index: FullTextIndex, clock: Clock) -> None:
        self._store = store
        self._index = index
        self._clock = clock

    async def search_messages(
        self,
        *,
        query: MessageQuery,
        session_id: SessionId | None = None,
        kind: str | None = None,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
    ) -> MessageHits:
        if session_id is not None and self._store.get(session_id) is None:
            raise SessionNotFound
        wanted = _Wanted(search_terms(query), session_id, kind)
        # A position means nothing in another session, or among all messages.
        scope = session_id or ""
        high = self._store.last_position(session_id) + 1 if cursor is None else _position(cursor, scope)
        rows, position = self._look(wanted, high, limit)
        hits = [_hit(row, wanted.terms) for row in rows]
        return MessageHits(hits=hits, next_cursor=None if position is None else encode_cursor(position, scope))

    def _look(self, wanted: "_Wanted", high: int, limit: int) -> tuple[list[Row], int | None]:
        """What was found below `high`, and the position below which to go on; None: there is nothing more."""
        until = (now := self._clock.monotonic()) + PAGE_S
        found: list[Row] = []
        times = 1
        while high > 0 and now < until:
            rows, more, high = self._step(wanted, high, times, limit - len(found))
            found += rows
            if more:
                return found, found[-1][1]
            before, now = now, self._clock.monotonic()
            times *= 2 if now - before < CHEAP_S else 1
        return found, high or None

    def _step(self, wanted: "_Wanted", high: int, times: int, room: int) -> tuple[list[Row], bool, int]:
        """One stretch, so many times as long as the first: what is in it, whether more is, and where it begins."""

        def run(plan: SearchPlan) -> tuple[list[Row], bool, int]:
            low = 0
            if plan.match is None:
                low = max(0, high - times * SCANNED_WINDOW)
            elif plan.like or wanted.kind is not None:
                low = max(0, high - times * INDEXED_WINDOW)
            return *self._store.search(plan, SearchWindow(wanted.session_id, wanted.kind, low, high), room), low

        if wanted.session_id is not None:  # the index knows of all sessions: reading the texts of one is cheaper
            return run(SearchPlan(None, tuple(wanted.terms)))
        return self._index.search(wanted.terms, run)


@dataclass(frozen=True, slots=True)
class _Wanted:
    terms: list[str]
    session_id: str | None
    kind: str | None


def _position(cursor: str, scope: str) -> int:
    position, its_scope = decode_cursor(cursor, int, str)
    if its_scope != scope:
        raise InvalidCursor
    return int(position)


def _hit(row: Row, terms: list[str]) -> MessageHit:
    text, _, message_id, session_id, title, job_id, seq, kind, created_at = row
    shown = snippet(text, terms)
    return MessageHit(
        message_id=message_id,
        session_id=session_id,
        session_title=title,
        job_id=job_id,
        seq=seq,
        kind=kind,
        created_at=created_at,
        snippet=shown.text,
        marks=[Highlight(start=start, end=end) for start, end in shown.highlights],
    )
