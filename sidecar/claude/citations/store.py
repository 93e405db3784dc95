"""The tables of the rows that came into conversations, and of what answers cite; and `claude.citations`."""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic_core import from_json, to_json
from sidecar_protocol.claude.citations import MAX_CITATIONS, Citation, CitationList, Citations, CitedRow

from sidecar.claude.citations.finding import find_citations
from sidecar.claude.gate.store import RUNS_KEPT_S, Owner
from sidecar.clock import Clock, iso, iso_now
from sidecar.hub.rows import Row
from sidecar.storage.database import Database
from sidecar.text import well_formed

log = logging.getLogger(__name__)

MAX_ROWS: Final = 100_000
"""Rows of one conversation that get a number; a context window has room for a tenth of it."""
MAX_ANSWERS: Final = 10_000
TITLE_CHARS: Final = 1_000


class CitationStore:
    """Every statement about the rows of conversations and what answers cite."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def number(self, owner: Owner, rows: Iterable[Row], after_seq: int) -> list[int | None]:
        """Returns the numbers of rows in a conversation, the same for a row that it has; stores those that are new."""
        with self._database.write():
            oldest = iso(self._clock.now_ms() - RUNS_KEPT_S * 1000)
            self._database.execute("DELETE FROM claude_rows WHERE session_id IS NULL AND created_at < ?", (oldest,))
            return [self._number(owner, row, after_seq) for row in rows]

    def _number(self, owner: Owner, row: Row, after_seq: int) -> int | None:
        values = {
            "owner_id": owner.owner_id,
            "session_id": owner.session_id,
            "after_seq": after_seq,
            "kind": row.kind,
            "ids_json": to_json(row.ids).decode(),
            "title": None if row.title is None else well_formed(row.title[:TITLE_CHARS]),
            "at": row.at,
            "url": row.url,
            "now": iso_now(self._clock),
            "limit": MAX_ROWS,
        }
        number: int | None = self._database.value(
            """
            INSERT INTO claude_rows
                (owner_id, number, session_id, after_seq, kind, ids_json, title, at, url, created_at)
            SELECT :owner_id, last + 1, :session_id, :after_seq, :kind, :ids_json, :title, :at, :url, :now
            FROM (SELECT coalesce(max(number), 0) AS last FROM claude_rows WHERE owner_id = :owner_id)
            WHERE last < :limit OR EXISTS (SELECT 1 FROM claude_rows
                WHERE owner_id = :owner_id AND kind = :kind AND ids_json = :ids_json)
            ON CONFLICT (owner_id, kind, ids_json)
                DO UPDATE SET title = excluded.title, at = excluded.at, url = excluded.url
            RETURNING number
            """,
            values,
        )
        return number

    def forget(self, job_id: str) -> None:
        """Deletes the rows of a run that is repeated from its beginning, and what it has cited."""
        with self._database.write():
            self._database.execute("DELETE FROM claude_rows WHERE owner_id = ?", (job_id,))
            self._database.execute("DELETE FROM claude_citations WHERE job_id = ?", (job_id,))

    def copy(self, owner: Owner, earlier_ids: Iterable[str]) -> None:
        """Copies the rows of earlier runs to one, or to a session, that goes on with their conversation."""
        with self._database.write():
            for one in earlier_ids:
                self._copy(owner, one, 2**53)

    def copy_to_fork(self, session_id: str, fork_id: str, last: int) -> None:
        """Copies the rows that came in up to a message; call it in the transaction that creates the fork."""
        self._copy(Owner(session_id=fork_id), session_id, last)

    def _copy(self, owner: Owner, from_id: str, last: int) -> None:
        self._database.execute(
            """
            INSERT INTO claude_rows
                (owner_id, number, session_id, after_seq, kind, ids_json, title, at, url, created_at)
            SELECT :owner_id, number, :session_id, iif(session_id IS NULL, 0, after_seq), kind, ids_json, title, at,
                url, created_at
            FROM claude_rows WHERE owner_id = :from_id AND after_seq < :last
            ON CONFLICT DO NOTHING
            """,
            {"owner_id": owner.owner_id, "session_id": owner.session_id, "from_id": from_id, "last": last},
        )

    def find(self, owner: Owner, text: str) -> list[Citation]:
        """Returns what an answer cites; nothing if the rows cannot be read, which is logged."""
        found = find_citations(text, MAX_CITATIONS)
        if not found:
            return []
        try:
            rows = self._rows(owner.owner_id, {one.number for one in found})
        except sqlite3.Error:
            log.exception("the rows that an answer cites could not be read")
            return []
        return [
            Citation(
                number=one.number,
                start=one.start,
                end=one.end,
                row=(row := rows.get(one.number)),
                sentence=one.sentence if row is None else None,
            )
            for one in found
        ]

    def _rows(self, owner_id: str, numbers: Iterable[int]) -> dict[int, CitedRow]:
        found = self._database.rows(
            """
            SELECT number, kind, ids_json, title, at, url FROM claude_rows
            WHERE owner_id = ? AND number IN (SELECT value FROM json_each(?))
            """,
            (owner_id, to_json(sorted(numbers)).decode()),
        )
        return {
            number: CitedRow(kind=kind, title=title, at=at, url=url, **from_json(ids))
            for number, kind, ids, title, at, url in found
        }

    def store(self, owner: Owner, job_id: str, citations: Sequence[Citation]) -> None:
        """Stores what the answer of a run or a turn cites."""
        with self._database.write():
            answer_id = self._database.value(
                """
                INSERT INTO claude_citations (job_id, session_id, citations_json) VALUES (?, ?, ?)
                ON CONFLICT (job_id) DO UPDATE SET citations_json = excluded.citations_json RETURNING answer_id
                """,
                (job_id, owner.session_id, to_json(citations).decode()),
            )
            self._database.execute("DELETE FROM claude_citations WHERE answer_id <= ?", (answer_id - MAX_ANSWERS,))

    def of_job(self, job_id: str) -> CitationList:
        sql = "SELECT citations_json FROM claude_citations WHERE job_id = ?"
        stored: str | None = self._database.value(sql, (job_id,))
        return CitationList(citations=[] if stored is None else from_json(stored))


class CitationsService(Citations):
    """Implements `Citations`."""

    def __init__(self, store: CitationStore) -> None:
        self._store = store

    async def list_citations(self, *, job_id: str) -> CitationList:
        return self._store.of_job(job_id)
