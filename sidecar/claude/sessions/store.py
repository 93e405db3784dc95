"""The tables `claude_sessions` and `claude_messages`.  Rows leave as JSON that SQLite made, which `Session` and
`ClaudeMessage` describe.
"""

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

_SESSIONS: Final = PagedList(
    Session, "claude_sessions", SESSION_JSON, {"updated_at": str, "session_id": str}, descending=True
)
_MESSAGES: Final = PagedList(ClaudeMessage, "claude_messages", MESSAGE_JSON, {"seq": int})


SEARCH: Final = "claude_messages_search"


def search_index(database: Database) -> FullTextIndex:
    """The index of what was said."""
    return FullTextIndex(database, name=SEARCH, table="claude_messages", key="id", columns=("searchable_text",))


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session is made from; `allowed_tools` is JSON."""

    session_id: str
    title: str | None = None
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    allowed_tools: str = "[]"
    system_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What of a session's settings changes; `allowed_tools` is JSON, None stays as it is."""

    title: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    allowed_tools: str | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What a message is made from; `raw` is JSON."""

    session_id: str
    job_id: str | None
    kind: str
    text: str
    api_message_id: str | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What a turn adds to its session."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cost_usd: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the messages to be searched: positions from `low` on and below `high`, which are `seq` in a session and
    `id` among all.
    """

    session_id: str | None
    kind: str | None
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where the CLI takes a session up: its own session, or the one to branch off; neither: it begins anew."""

    claude_session_id: str | None
    fork_claude_session_id: str | None


class ClaudeStore:
    """Every statement about sessions and their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, new: NewSession, now: str) -> Encoded[Session]:
        """A new session."""
        made = self._session(
            f"""
            INSERT INTO claude_sessions (session_id, title, cwd, model, permission_mode, allowed_tools_json,
                                         system_prompt, created_at, updated_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            RETURNING {SESSION_JSON}
            """,
            new.session_id, new.title, new.cwd, new.model, new.permission_mode, new.allowed_tools, new.system_prompt,
            now, now,
        )  # fmt: skip
        assert made is not None  # an INSERT returns its row
        return made

    def fork(self, parent_id: str, session_id: str, title: str | None, now: str) -> Encoded[Session] | None:
        """A session with another's settings and messages; None where there is no such other."""
        made = self._session(
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
        return made

    def get(self, session_id: str) -> Encoded[Session] | None:
        """One session."""
        return self._session(f"SELECT {SESSION_JSON} FROM claude_sessions WHERE session_id = ?", session_id)

    def page(self, limit: int, cursor: str | None) -> tuple[list[Encoded[Session]], str | None]:
        """Sessions, the last changed first, and the cursor of the next page."""
        return _SESSIONS.page(self._database, limit, cursor)

    def delete(self, session_id: str) -> bool:
        """Delete a session with its messages; whether there was one."""
        row = self._database.row("DELETE FROM claude_sessions WHERE session_id = ? RETURNING 1", (session_id,))
        return row is not None

    def begin(self, session_id: str, title: str, now: str) -> Encoded[Session] | None:
        """A turn begins: a process may be there from now on, and a session without a title gets one."""
        return self._session(
            f"""
            UPDATE claude_sessions SET
                status = 'running', has_process = 1, title = coalesce(title, ?), updated_at = ?, version = version + 1
            WHERE session_id = ?
            RETURNING {SESSION_JSON}
            """,
            title, now, session_id,
        )  # fmt: skip

    def owner_of(self, claude_session_id: str) -> str | None:
        """The session that has this one of the CLI's; None where none has."""
        row = self._database.row(
            "SELECT session_id FROM claude_sessions WHERE claude_session_id = ?", (claude_session_id,)
        )
        return None if row is None else str(row[0])

    def resume_point(self, session_id: str) -> ResumePoint:
        """Where the CLI takes the session up."""
        row = self._database.row(
            "SELECT claude_session_id, fork_claude_session_id FROM claude_sessions WHERE session_id = ?", (session_id,)
        )
        return ResumePoint(None, None) if row is None else ResumePoint(*row)

    def learn(self, session_id: str, claude_session_id: str, now: str) -> Encoded[Session] | None:
        """The CLI's id of the session; None where it is known already."""
        return self._session(
            f"""
            UPDATE claude_sessions SET claude_session_id = ?, updated_at = ?, version = version + 1
            WHERE session_id = ? AND claude_session_id IS NOT ?
            RETURNING {SESSION_JSON}
            """,
            claude_session_id, now, session_id, claude_session_id,
        )  # fmt: skip

    def end(self, session_id: str, status: str, spent: Spending, now: str) -> Encoded[Session] | None:
        """A turn has ended."""
        return self._session(
            f"""
            UPDATE claude_sessions SET
                status = ?, updated_at = ?, version = version + 1, input_tokens = input_tokens + ?,
                output_tokens = output_tokens + ?,
                cache_creation_input_tokens = cache_creation_input_tokens + ?,
                cache_read_input_tokens = cache_read_input_tokens + ?, total_cost_usd = total_cost_usd + ?
            WHERE session_id = ?
            RETURNING {SESSION_JSON}
            """,
            status, now, spent.input_tokens, spent.output_tokens, spent.cache_creation_input_tokens,
            spent.cache_read_input_tokens, spent.cost_usd, session_id,
        )  # fmt: skip

    def process_ended(self, session_id: str) -> None:
        """Nothing of the session's process is left."""
        self._database.execute("UPDATE claude_sessions SET has_process = 0 WHERE session_id = ?", (session_id,))

    def open_sessions(self) -> list[str]:
        """The sessions that run, or of which a process may be alive."""
        rows = self._database.rows("SELECT session_id FROM claude_sessions WHERE has_process = 1 OR status = 'running'")
        return [row[0] for row in rows]

    def set_status(self, session_id: str, status: str, now: str) -> Encoded[Session] | None:
        """What a session does now; None where it is gone."""
        return self._session(
            f"""
            UPDATE claude_sessions SET status = ?, updated_at = ?, version = version + 1 WHERE session_id = ?
            RETURNING {SESSION_JSON}
            """,
            status, now, session_id,
        )  # fmt: skip

    def allowed_tools(self, session_id: str) -> list[str]:
        """What a session may use without asking."""
        rows = self._database.rows(
            """
            SELECT rule.value FROM claude_sessions, json_each(allowed_tools_json) AS rule
            WHERE session_id = ? ORDER BY rule.key
            """,
            (session_id,),
        )
        return [row[0] for row in rows]

    def update(self, session_id: str, changed: Changed, now: str) -> Encoded[Session] | None:
        """Change what is not None; None where the session is gone."""
        return self._session(
            f"""
            UPDATE claude_sessions SET
                title = coalesce(?, title), model = coalesce(?, model),
                permission_mode = coalesce(?, permission_mode),
                allowed_tools_json = coalesce(?, allowed_tools_json), updated_at = ?, version = version + 1
            WHERE session_id = ?
            RETURNING {SESSION_JSON}
            """,
            changed.title, changed.model, changed.permission_mode, changed.allowed_tools, now, session_id,
        )  # fmt: skip

    def interrupt_running(self, asking: str, now: str) -> list[Encoded[Session]]:
        """End the turns of a dead process; `asking` is a JSON array of the sessions that have questions open."""
        rows = self._database.rows(
            f"""
            UPDATE claude_sessions SET
                status = iif(session_id IN (SELECT value FROM json_each(:asking)), 'waiting', 'interrupted'),
                updated_at = :now, version = version + 1
            WHERE status = 'running'
                OR status = 'waiting' AND session_id NOT IN (SELECT value FROM json_each(:asking))
            RETURNING {SESSION_JSON}
            """,
            {"asking": asking, "now": now},
        )
        return [Encoded(Session, row[0].encode()) for row in rows]

    def add(self, new: NewMessage, now: str) -> Encoded[ClaudeMessage] | None:
        """The next message of a session; None where the session is gone."""
        row = self._database.row(
            f"""
            INSERT INTO claude_messages (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at)
            SELECT session_id,
                coalesce((SELECT max(seq) FROM claude_messages WHERE session_id = claude_sessions.session_id), 0) + 1,
                ?, ?, ?, ?, ?, ?
            FROM claude_sessions WHERE session_id = ?
            RETURNING {MESSAGE_JSON}
            """,
            (new.job_id, new.api_message_id, new.kind, new.text, new.raw, now, new.session_id),
        )
        self._database.execute(
            "UPDATE claude_sessions SET last_message_at = ? WHERE session_id = ?", (now, new.session_id)
        )
        return None if row is None else Encoded(ClaudeMessage, row[0].encode())

    def messages(
        self, session_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[ClaudeMessage]], str | None]:
        """Messages of a session, oldest first, and the cursor of the next page."""
        return _MESSAGES.page(self._database, limit, cursor, equal={"session_id": session_id}, list_id=session_id)

    def last_position(self, session_id: str | None) -> int:
        """The highest position of a message, see `Stretch`; 0 where there is none."""
        if session_id is None:
            row = self._database.row("SELECT max(id) FROM claude_messages")
        else:
            row = self._database.row("SELECT max(seq) FROM claude_messages WHERE session_id = ?", (session_id,))
        return row[0] or 0 if row is not None else 0

    def search(self, plan: SearchPlan, stretch: Stretch, limit: int) -> tuple[list[Row], bool]:
        """The newest messages of a stretch that a plan finds, and whether there are more.

        Each is: searched text, position, message id, session id, session title, job id, seq, kind, created at.
        """
        position = "id" if stretch.session_id is None else "seq"
        conditions, parameters = like_conditions(("claude_messages.searchable_text",), plan.like)
        conditions += [f"claude_messages.{position} >= ?", f"claude_messages.{position} < ?"]
        values: list[object] = [*parameters, stretch.low, stretch.high]
        source = "claude_messages"
        if plan.match is not None:
            source = f"{SEARCH} CROSS JOIN claude_messages ON claude_messages.id = {SEARCH}.rowid"
            conditions += [f"{SEARCH} MATCH ?", f"{SEARCH}.rowid >= ?", f"{SEARCH}.rowid < ?"]
            values += [plan.match, stretch.low, stretch.high]
        for column, value in (("claude_messages.session_id", stretch.session_id), ("kind", stretch.kind)):
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

    def _session(self, sql: str, *positional: object, **named: object) -> Encoded[Session] | None:
        row = self._database.row(sql, named or positional)
        return None if row is None else Encoded(Session, row[0].encode())
