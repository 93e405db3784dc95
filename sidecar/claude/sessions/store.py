"""Reads the tables `claude_sessions` and `claude_messages`.  SQLite encodes the rows as JSON."""

from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.sessions import ClaudeMessage, Session
from sidecar_protocol.contract import Encoded

from sidecar.storage.database import Database, Row
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, like_conditions
from sidecar.storage.paging import PagedList

SESSION_JSON: Final = """json_object(
    'session_id', session_id, 'claude_session_id', claude_session_id, 'forked_from', forked_from, 'title', title,
    'cwd', cwd, 'model', model, 'permission_mode', permission_mode, 'allowed_tools', json(allowed_tools_json),
    'system_prompt', system_prompt, 'status', status, 'created_at', created_at, 'updated_at', updated_at,
    'last_message_at', last_message_at, 'usage', json_object(
        'input_tokens', input_tokens, 'output_tokens', output_tokens,
        'cache_creation_input_tokens', cache_creation_input_tokens,
        'cache_read_input_tokens', cache_read_input_tokens),
    'total_cost_usd', total_cost_usd, 'version', version)"""

MESSAGE_JSON: Final = """json_object(
    'message_id', session_id || ':' || seq, 'session_id', session_id, 'job_id', job_id,
    'api_message_id', api_message_id, 'seq', seq, 'kind', kind, 'text', text, 'raw', json(raw_json),
    'created_at', created_at)"""

SEARCH: Final = "claude_messages_search"

_SESSIONS: Final = PagedList(
    Session, "claude_sessions", SESSION_JSON, {"updated_at": str, "session_id": str}, descending=True
)
_MESSAGES: Final = PagedList(ClaudeMessage, "claude_messages", MESSAGE_JSON, {"seq": int})


def search_index(database: Database) -> FullTextIndex:
    """Returns the full-text index of the messages."""
    return FullTextIndex(database, name=SEARCH, table="claude_messages", key="id", columns=("searchable_text",))


@dataclass(frozen=True, slots=True)
class SearchScope:
    """The messages to be searched: those of a session or all, of a kind or all.

    Their positions are their `seq` if the search is limited to a session, otherwise their `id`.
    """

    session_id: str | None
    kind: str | None


class SessionStore:
    """Every query of sessions and their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, session_id: str) -> Encoded[Session] | None:
        row = self._database.row(f"SELECT {SESSION_JSON} FROM claude_sessions WHERE session_id = ?", (session_id,))
        return None if row is None else Encoded(Session, row[0].encode())

    def page(self, limit: int, cursor: str | None) -> tuple[list[Encoded[Session]], str | None]:
        """Returns sessions, most recently updated first, and the cursor of the next page."""
        return _SESSIONS.page(self._database, limit, cursor)

    def id_of(self, claude_session_id: str) -> str | None:
        """Returns the id of the session that has this id in the CLI."""
        row = self._database.row(
            "SELECT session_id FROM claude_sessions WHERE claude_session_id = ?", (claude_session_id,)
        )
        return None if row is None else row[0]

    def resume_point(self, session_id: str) -> tuple[str | None, bool]:
        """Returns the CLI's session that the next process resumes, and whether it forks that session.

        The first turn of a session resumes none, or forks the session of its parent.
        """
        row = self._database.row(
            "SELECT claude_session_id, fork_claude_session_id FROM claude_sessions WHERE session_id = ?", (session_id,)
        )
        resumed, forked = row or (None, None)
        return resumed or forked, resumed is None and forked is not None

    def unfinished(self) -> list[str]:
        """Returns the ids of the sessions that are running or may have a live process."""
        rows = self._database.rows("SELECT session_id FROM claude_sessions WHERE has_process = 1 OR status = 'running'")
        return [row[0] for row in rows]

    def messages(
        self, session_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[ClaudeMessage]], str | None]:
        """Returns messages of a session, oldest first, and the cursor of the next page."""
        return _MESSAGES.page(self._database, limit, cursor, equal={"session_id": session_id}, list_id=session_id)

    def last_position(self, session_id: str | None) -> int:
        """Returns the highest position of a message (see `SearchScope`), or 0 if there are no messages."""
        if session_id is None:
            rows = self._database.rows("SELECT max(id) FROM claude_messages")
        else:
            rows = self._database.rows("SELECT max(seq) FROM claude_messages WHERE session_id = ?", (session_id,))
        return rows[0][0] or 0

    def search(self, plan: SearchPlan, scope: SearchScope, positions: range, limit: int) -> tuple[list[Row], bool]:
        """Returns the newest messages at these positions that match, and whether there are more.

        Columns: searched text, position, message id, session id, session title, job id, seq, kind, created at.
        """
        position = "id" if scope.session_id is None else "seq"
        conditions, parameters = like_conditions(("claude_messages.searchable_text",), plan.like)
        conditions += [f"claude_messages.{position} >= ?", f"claude_messages.{position} < ?"]
        values: list[object] = [*parameters, positions.start, positions.stop]
        source = "claude_messages"
        if plan.match is not None:
            source = f"{SEARCH} CROSS JOIN claude_messages ON claude_messages.id = {SEARCH}.rowid"
            conditions += [f"{SEARCH} MATCH ?", f"{SEARCH}.rowid >= ?", f"{SEARCH}.rowid < ?"]
            values += [plan.match, positions.start, positions.stop]
        for column, value in (("claude_messages.session_id", scope.session_id), ("kind", scope.kind)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        return self._database.page(
            f"""
            SELECT claude_messages.searchable_text, {position}, session_id || ':' || seq, session_id, title, job_id,
                seq, kind, claude_messages.created_at
            FROM {source} CROSS JOIN claude_sessions USING (session_id)
            WHERE {" AND ".join(conditions)}
            ORDER BY {position if plan.match is None else f"{SEARCH}.rowid"} DESC LIMIT ?
            """,
            (*values, limit + 1),
            limit,
        )
