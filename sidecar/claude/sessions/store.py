"""The tables `claude_sessions` and `claude_messages`.  SQLite encodes the rows as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.claude.sessions import ClaudeMessage, Session
from sidecar_protocol.contract import Encoded

from sidecar.claude.sessions.messages import NewMessage
from sidecar.claude.stream import RunUsage
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

_SESSIONS: Final = PagedList(
    Session, "claude_sessions", SESSION_JSON, {"updated_at": str, "session_id": str}, descending=True
)
_MESSAGES: Final = PagedList(ClaudeMessage, "claude_messages", MESSAGE_JSON, {"seq": int})


SEARCH: Final = "claude_messages_search"


def search_index(database: Database) -> FullTextIndex:
    """Returns the full-text index of the messages."""
    return FullTextIndex(database, name=SEARCH, table="claude_messages", key="id", columns=("searchable_text",))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to be created."""

    title: str | None = None
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    allowed_tools: Sequence[str] = ()
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUpdate:
    """The settings of a session to be changed: those that are not None."""

    title: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    allowed_tools: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class SearchWindow:
    """The messages that one search statement examines: those with low <= position < high.

    A position is the `seq` of a message if the search is limited to a session, otherwise its `id`.
    """

    session_id: str | None
    kind: str | None
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The CLI's session that the next process resumes, or else the one that it forks; the first turn has neither."""

    claude_session_id: str | None
    fork_claude_session_id: str | None


class SessionStore:
    """Every statement about sessions and their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, session_id: str, new: NewSession, now: str) -> Encoded[Session]:
        session = self._session(
            f"""
            INSERT INTO claude_sessions (session_id, title, cwd, model, permission_mode, allowed_tools_json,
                                         system_prompt, created_at, updated_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            RETURNING {SESSION_JSON}
            """,
            session_id, new.title, new.cwd, new.model, new.permission_mode, _json_array(new.allowed_tools),
            new.system_prompt, now, now,
        )  # fmt: skip
        assert session is not None  # an INSERT returns its row
        return session

    def fork(self, parent_id: str, session_id: str, title: str | None, now: str) -> Encoded[Session] | None:
        """Creates a session with the settings and messages of another; returns None if that does not exist."""
        session = self._session(
            f"""
            INSERT INTO claude_sessions (session_id, fork_claude_session_id, forked_from, title, cwd, model,
                permission_mode, allowed_tools_json, system_prompt, created_at, updated_at, last_message_at)
            SELECT :session_id, coalesce(claude_session_id, fork_claude_session_id), session_id,
                coalesce(:title, title), cwd, model,
                permission_mode, allowed_tools_json, system_prompt, :now, :now, last_message_at
            FROM claude_sessions WHERE session_id = :parent_id
            RETURNING {SESSION_JSON}
            """,
            session_id=session_id, title=title, parent_id=parent_id, now=now,
        )  # fmt: skip
        self._database.execute(
            """
            INSERT INTO claude_messages (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at)
            SELECT ?, seq, job_id, api_message_id, kind, text, raw_json, created_at
            FROM claude_messages WHERE session_id = ?
            """,
            (session_id, parent_id),
        )
        return session

    def get(self, session_id: str) -> Encoded[Session] | None:
        return self._session(f"SELECT {SESSION_JSON} FROM claude_sessions WHERE session_id = ?", session_id)

    def page(self, limit: int, cursor: str | None) -> tuple[list[Encoded[Session]], str | None]:
        """Returns sessions, most recently updated first, and the cursor of the next page."""
        return _SESSIONS.page(self._database, limit, cursor)

    def delete(self, session_id: str) -> bool:
        """Deletes a session with its messages; returns whether it existed."""
        row = self._database.row("DELETE FROM claude_sessions WHERE session_id = ? RETURNING 1", (session_id,))
        return row is not None

    def id_of(self, claude_session_id: str) -> str | None:
        """Returns the id of the session that has this id in the CLI."""
        row = self._database.row(
            "SELECT session_id FROM claude_sessions WHERE claude_session_id = ?", (claude_session_id,)
        )
        return None if row is None else str(row[0])

    def resume_point(self, session_id: str) -> ResumePoint:
        row = self._database.row(
            "SELECT claude_session_id, fork_claude_session_id FROM claude_sessions WHERE session_id = ?", (session_id,)
        )
        return ResumePoint(None, None) if row is None else ResumePoint(*row)

    def allowed_tools(self, session_id: str) -> list[str]:
        rows = self._database.rows(
            """
            SELECT rule.value FROM claude_sessions, json_each(allowed_tools_json) AS rule
            WHERE session_id = ? ORDER BY rule.key
            """,
            (session_id,),
        )
        return [row[0] for row in rows]

    def unfinished(self) -> list[str]:
        """Returns the ids of the sessions that are running or may have a live process."""
        rows = self._database.rows("SELECT session_id FROM claude_sessions WHERE has_process = 1 OR status = 'running'")
        return [row[0] for row in rows]

    def update(self, session_id: str, update: SessionUpdate, now: str) -> Encoded[Session] | None:
        """Changes settings.  Like the methods below, returns None if the session does not exist."""
        return self._update(
            session_id,
            now,
            "title = coalesce(?, title), model = coalesce(?, model), permission_mode = coalesce(?, permission_mode),"
            " allowed_tools_json = coalesce(?, allowed_tools_json)",
            update.title, update.model, update.permission_mode,
            None if update.allowed_tools is None else _json_array(update.allowed_tools),
        )  # fmt: skip

    def begin_turn(self, session_id: str, title: str, now: str) -> Encoded[Session] | None:
        """Sets the status, and the title if the session has none; a process may exist from now on."""
        return self._update(session_id, now, "status = 'running', has_process = 1, title = coalesce(title, ?)", title)

    def set_claude_session_id(self, session_id: str, claude_session_id: str, now: str) -> Encoded[Session] | None:
        """Stores the session's id in the CLI; returns None if it is stored already."""
        return self._update(
            session_id, now, "claude_session_id = ?", claude_session_id, unless=("claude_session_id", claude_session_id)
        )

    def set_status(self, session_id: str, status: str, now: str) -> Encoded[Session] | None:
        return self._update(session_id, now, "status = ?", status)

    def end_turn(self, session_id: str, status: str, usage: RunUsage, now: str) -> Encoded[Session] | None:
        """Sets the status and adds the turn's usage."""
        spent = {**usage.tokens.model_dump(), "total_cost_usd": usage.cost_usd or 0.0}
        sums = ", ".join(f"{column} = {column} + ?" for column in spent)
        return self._update(session_id, now, f"status = ?, {sums}", status, *spent.values())

    def clear_process(self, session_id: str) -> None:
        """Stores that no process of the session is left."""
        self._database.execute("UPDATE claude_sessions SET has_process = 0 WHERE session_id = ?", (session_id,))

    def interrupt_running(self, waiting: Iterable[str], now: str) -> list[Encoded[Session]]:
        """Ends the turns of a dead process; the sessions `waiting` have open permission requests."""
        rows = self._database.rows(
            f"""
            UPDATE claude_sessions SET
                status = iif(session_id IN (SELECT value FROM json_each(:waiting)), 'waiting', 'interrupted'),
                updated_at = :now, version = version + 1
            WHERE status = 'running'
                OR status = 'waiting' AND session_id NOT IN (SELECT value FROM json_each(:waiting))
            RETURNING {SESSION_JSON}
            """,
            {"waiting": _json_array(waiting), "now": now},
        )
        return [Encoded(Session, row[0].encode()) for row in rows]

    def add_message(self, session_id: str, job_id: str, new: NewMessage, now: str) -> Encoded[ClaudeMessage] | None:
        row = self._database.row(
            f"""
            INSERT INTO claude_messages (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at)
            SELECT session_id,
                coalesce((SELECT max(seq) FROM claude_messages WHERE session_id = claude_sessions.session_id), 0) + 1,
                ?, ?, ?, ?, ?, ?
            FROM claude_sessions WHERE session_id = ?
            RETURNING {MESSAGE_JSON}
            """,
            (job_id, new.api_message_id, new.kind, new.text, new.raw, now, session_id),
        )
        self._database.execute("UPDATE claude_sessions SET last_message_at = ? WHERE session_id = ?", (now, session_id))
        return None if row is None else Encoded(ClaudeMessage, row[0].encode())

    def messages(
        self, session_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[ClaudeMessage]], str | None]:
        """Returns messages of a session, oldest first, and the cursor of the next page."""
        return _MESSAGES.page(self._database, limit, cursor, equal={"session_id": session_id}, list_id=session_id)

    def last_position(self, session_id: str | None) -> int:
        """Returns the highest position of a message (see `SearchWindow`), or 0 if there are no messages."""
        if session_id is None:
            row = self._database.row("SELECT max(id) FROM claude_messages")
        else:
            row = self._database.row("SELECT max(seq) FROM claude_messages WHERE session_id = ?", (session_id,))
        return row[0] or 0 if row is not None else 0

    def search(self, plan: SearchPlan, window: SearchWindow, limit: int) -> tuple[list[Row], bool]:
        """Returns the newest messages of a window that match, and whether there are more.

        Columns: searched text, position, message id, session id, session title, job id, seq, kind, created at.
        """
        position = "id" if window.session_id is None else "seq"
        conditions, parameters = like_conditions(("claude_messages.searchable_text",), plan.like)
        conditions += [f"claude_messages.{position} >= ?", f"claude_messages.{position} < ?"]
        values: list[object] = [*parameters, window.low, window.high]
        source = "claude_messages"
        if plan.match is not None:
            source = f"{SEARCH} CROSS JOIN claude_messages ON claude_messages.id = {SEARCH}.rowid"
            conditions += [f"{SEARCH} MATCH ?", f"{SEARCH}.rowid >= ?", f"{SEARCH}.rowid < ?"]
            values += [plan.match, window.low, window.high]
        for column, value in (("claude_messages.session_id", window.session_id), ("kind", window.kind)):
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

    def _update(
        self, session_id: str, now: str, assignments: str, *values: object, unless: tuple[str, object] | None = None
    ) -> Encoded[Session] | None:
        """Updates a session, unless this column has this value."""
        condition, unchanged = ("", ()) if unless is None else (f"AND {unless[0]} IS NOT ?", unless[1:])
        return self._session(
            f"""
            UPDATE claude_sessions SET {assignments}, updated_at = ?, version = version + 1
            WHERE session_id = ? {condition}
            RETURNING {SESSION_JSON}
            """,
            *values, now, session_id, *unchanged,
        )  # fmt: skip

    def _session(self, sql: str, *positional: object, **named: object) -> Encoded[Session] | None:
        row = self._database.row(sql, named or positional)
        return None if row is None else Encoded(Session, row[0].encode())


def _json_array(items: Iterable[str]) -> str:
    return to_json(list(items)).decode()
