"""The tables `claude_sessions` and `claude_messages`.  Every change is one transaction with its notifications."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.claude.runs import MAX_TOOL_RULES, ClaudeUsage
from sidecar_protocol.claude.sessions import (
    ClaudeMessage,
    ClaudeMessageAdded,
    ClaudeSessionDeleted,
    ClaudeSessionUpdated,
    Session,
    SessionStatus,
)
from sidecar_protocol.claude.tasks import ClaudeTask
from sidecar_protocol.contract import Encoded, Unchanged
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.billing import RunUsage
from sidecar.claude.sessions.messages import UNSTORED, NewMessage, storable, title_of
from sidecar.claude.sessions.session_settings import NewSession, SessionUpdate, worktree_name
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.usage import UsageStore
from sidecar.clock import iso_now
from sidecar.runtime import Runtime
from sidecar.storage.database import Database, Row
from sidecar.storage.fulltext import FullTextIndex, SearchPlan, term_conditions
from sidecar.storage.paging import PagedList, row_json, row_object

SESSION_JSON: Final = row_json(
    Session, allowed_tools="json(allowed_tools_json)", tasks="json(tasks_json)", usage=row_object(ClaudeUsage)
)
MESSAGE_JSON: Final = row_json(
    ClaudeMessage,
    message_id="session_id || ':' || seq",
    raw="json(raw_json)",
    attachments="json(attachments_json)",
)
ATTACHED: Final = """
    (SELECT group_concat(' [Attached: ' || json_extract(value, '$.name') || ']', '')
    FROM json_each(attachments_json))
    """
NOT_STORED: Final = "a change of a Claude session could not be stored"
SEARCH: Final = "claude_messages_search"

_SESSIONS: Final = PagedList(
    Session, "claude_sessions", SESSION_JSON, {"update_number": int, "session_id": str}, descending=True
)
_MESSAGES: Final = PagedList(ClaudeMessage, "claude_messages", MESSAGE_JSON, {"seq": int})


@dataclass(frozen=True, slots=True)
class ProcessStart:
    """The columns that decide how the next process of a session begins."""

    claude_session_id: str | None = None
    worktree: str | None = None
    is_model_reset: bool = False


class SessionStore:
    """Every query of sessions and their messages."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.index = FullTextIndex(
            database, name=SEARCH, table="claude_messages", key="id", columns=("searchable_text",)
        )

    def get(self, session_id: str) -> Encoded[Session] | None:
        sql = f"SELECT {SESSION_JSON} FROM claude_sessions WHERE session_id = ?"
        return self._database.encoded(Session, sql, (session_id,))

    def page(self, limit: int, cursor: str | None) -> tuple[list[Encoded[Session]], str | None]:
        """Returns sessions, most recently updated first, and the cursor of the next page."""
        return _SESSIONS.page(self._database, limit, cursor)

    def id_of(self, claude_session_id: str) -> str | None:
        """Returns the id of the session that has this id in the CLI."""
        sql = "SELECT session_id FROM claude_sessions WHERE claude_session_id = ?"
        found: str | None = self._database.value(sql, (claude_session_id,))
        return found

    def limited(self) -> list[str]:
        return self._database.values("SELECT session_id FROM claude_sessions WHERE status = 'limited'")

    def has_acted(self, session_id: str, job_id: str) -> bool:
        """Returns whether Claude has answered anything or used a tool in a turn, also if that could not be stored."""
        acts = "(kind IN ('assistant_text', 'thinking', 'tool_use', 'tool_result') OR (kind = 'notice' AND text = ?))"
        sql = f"SELECT 1 FROM claude_messages WHERE session_id = ? AND job_id = ? AND {acts} LIMIT 1"
        return self._database.value(sql, (session_id, job_id, UNSTORED)) is not None

    def unfinished(self) -> list[str]:
        """Returns the ids of the sessions that are running or may have a live process."""
        return self._database.values(
            "SELECT session_id FROM claude_sessions WHERE has_process = 1 OR status = 'running'"
        )

    def process_start(self, session_id: str) -> ProcessStart:
        row = self._database.row(
            "SELECT claude_session_id, iif(needs_worktree, worktree, NULL), is_model_reset FROM claude_sessions"
            " WHERE session_id = ?",
            (session_id,),
        )
        return ProcessStart(row[0], row[1], bool(row[2])) if row is not None else ProcessStart()

    def first_prompt(self, session_id: str) -> str | None:
        sql = "SELECT text FROM claude_messages WHERE session_id = ? AND kind = 'user' ORDER BY seq LIMIT 1"
        prompt: str | None = self._database.value(sql, (session_id,))
        return prompt

    def prompt_position(self, session_id: str, job_id: str) -> int | None:
        """Returns the position of a turn's prompt."""
        sql = "SELECT seq FROM claude_messages WHERE session_id = ? AND job_id = ? AND kind = 'user'"
        seq: int | None = self._database.value(f"{sql} ORDER BY seq LIMIT 1", (session_id, job_id))
        return seq

    def said_before(self, session_id: str, job_id: str, after: int, limit: int) -> tuple[list[Row], int]:
        """Returns up to `limit` of the last messages after a position, without a turn's prompt, and the number of all.

        Columns: kind, the beginning of the text, the line of a tool's call.
        """
        source = """
            FROM claude_messages
            WHERE session_id = ? AND (job_id IS NOT ? OR kind <> 'user') AND seq > ?
                AND kind IN ('user', 'assistant_text', 'tool_use', 'tool_result')
                AND (raw_json IS NULL OR json_extract(raw_json, '$.parent_tool_use_id') IS NULL)
            """
        values = (session_id, job_id, after)
        columns = f"kind, substr(text, 1, 10000) || coalesce({ATTACHED}, ''), iif(kind = 'tool_use', raw_json, NULL)"
        newest = self._database.rows(f"SELECT {columns} {source} ORDER BY seq DESC LIMIT ?", (*values, limit))
        return newest, self._database.value(f"SELECT count(*) {source}", values)

    def messages(
        self, session_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[ClaudeMessage]], str | None]:
        """Returns messages of a session, oldest first, and the cursor of the next page."""
        return _MESSAGES.page(self._database, limit, cursor, equal={"session_id": session_id}, list_id=session_id)

    def last_position(self, session_id: str | None) -> int:
        """Returns the highest position of a message, or 0 if there are no messages.

        The position of a message is its `seq` in a session, and its `id` among the messages of all sessions.
        """
        if session_id is None:
            return self._database.value("SELECT max(id) FROM claude_messages") or 0
        return self._database.value("SELECT max(seq) FROM claude_messages WHERE session_id = ?", (session_id,)) or 0

    def search(
        self, plan: SearchPlan, session_id: str | None, kind: str | None, positions: range, limit: int
    ) -> tuple[list[Row], bool]:
        """Returns the newest messages at these positions that match, and whether there are more.

        Columns: searched text, position, message id, session id, session title, job id, seq, kind, created at.
        """
        position = "id" if session_id is None else "seq"
        conditions, parameters = term_conditions(("claude_messages.searchable_text",), plan.unindexed)
        conditions += [f"claude_messages.{position} >= ?", f"claude_messages.{position} < ?"]
        values: list[object] = [*parameters, positions.start, positions.stop]
        source = "claude_messages"
        if plan.match is not None:
            source = f"{SEARCH} CROSS JOIN claude_messages ON claude_messages.id = {SEARCH}.rowid"
            conditions += [f"{SEARCH} MATCH ?", f"{SEARCH}.rowid >= ?", f"{SEARCH}.rowid < ?"]
            values += [plan.match, positions.start, positions.stop]
        for column, value in (("claude_messages.session_id", session_id), ("kind", kind)):
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


class SessionJournal:
    """Changes sessions.  Methods that return a session return None if it does not exist.

    What a turn reports is logged and lost if it cannot be stored, since the turn's answer is worth more: such methods
    do not raise.  The others raise `sqlite3.Error`.
    """

    def __init__(self, runtime: Runtime, store: SessionStore, usage: UsageStore, status: StatusJournal) -> None:
        self.store = store
        self._runtime = runtime
        self._database = runtime.database
        self._usage = usage
        self._status = status

    def create(self, new: NewSession) -> Encoded[Session]:
        self._status.check_effort(new.effort, new.model)
        session_id = self._runtime.new_id()
        (session,) = self.change(
            """
            INSERT INTO claude_sessions (session_id, title, cwd, model, effort, permission_mode, allowed_tools_json,
                                         system_prompt, worktree, needs_worktree, settings, wait_for_limit, hub,
                                         created_at, updated_at, update_number)
            VALUES (:session_id, :title, :cwd, :model, :effort, :permission_mode, :allowed_tools_json, :system_prompt,
                    :worktree, :worktree IS NOT NULL, :settings, :wait_for_limit, :hub, :now, :now, :update_number)
            """,
            **_columns(asdict(new)) | {"worktree": worktree_name(session_id) if new.worktree else None},
            session_id=session_id,
        )
        return session

    def copy(self, parent_id: str, session_id: str, title: str | None, last: int) -> Encoded[Session] | None:
        """Creates a session with the settings of another, and its messages up to the position `last`."""
        values = {"parent_id": parent_id, "session_id": session_id, "last": last}
        with self._database.write():
            sessions = self.change(
                """
                INSERT INTO claude_sessions (session_id, forked_from, title, cwd, model, is_model_reset,
                    effort, permission_mode, allowed_tools_json, system_prompt, settings, wait_for_limit, hub, worktree,
                    exposed_at, needs_worktree, created_at, updated_at, update_number, last_message_at)
                SELECT :session_id, session_id, coalesce(:title, title), cwd, model, is_model_reset,
                    effort, permission_mode, allowed_tools_json, system_prompt, settings, wait_for_limit, hub,
                    iif(needs_worktree, :worktree, worktree), exposed_at, needs_worktree, :now, :now, :update_number,
                    (SELECT created_at FROM claude_messages WHERE session_id = :parent_id AND seq = :last)
                FROM claude_sessions WHERE session_id = :parent_id
                """,
                **values,
                title=title,
                worktree=worktree_name(session_id),
            )
            self._database.execute(
                """
                INSERT INTO claude_messages
                    (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at, attachments_json)
                SELECT :session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at, attachments_json
                FROM claude_messages WHERE session_id = :parent_id AND seq <= :last
                """,
                values,
            )
            self.store.index.update()
        return next(iter(sessions), None)

    def update(self, session_id: str, update: SessionUpdate) -> Encoded[Session] | None:
        changes = {name: value for name, value in asdict(update).items() if not isinstance(value, Unchanged)}
        if "title" in changes and changes["title"] is None and (prompt := self.store.first_prompt(session_id)):
            changes["title"] = title_of(prompt)
        if changes.get("effort") is not None and (known := self.store.get(session_id)) is not None:
            self._status.check_effort(changes["effort"], {"model": known.load().model, **changes}["model"])
        if "model" in changes:
            changes["is_model_reset"] = changes["model"] is None
        if "cwd" in changes:
            changes["needs_worktree"] = False
        columns = _columns(changes)
        return self.assign(session_id, *(f"{column} = :{column}" for column in columns), **columns)

    def allow_tools(self, session_id: str, rules: Sequence[str]) -> None:
        """Adds rules to `allowed_tools`.  Raises `InvalidParams` if the session would have too many."""
        session = self.store.get(session_id)
        known = [] if session is None else session.load().allowed_tools
        tools = [*known, *(rule for rule in rules if rule not in known)]
        if len(tools) > MAX_TOOL_RULES:
            problem = f"the session has {len(known)} rules and can have {MAX_TOOL_RULES}"
            raise InvalidParams(details=[{"path": "remember", "message": problem}])
        self.update(session_id, SessionUpdate(allowed_tools=tools))

    def delete(self, session_id: str) -> bool:
        """Deletes a session with its messages.  Returns whether it existed."""
        with self._database.write():
            row = self._database.row("DELETE FROM claude_sessions WHERE session_id = ? RETURNING 1", (session_id,))
            if row is not None:
                self._runtime.notify(ClaudeSessionDeleted(session_id=session_id))
            return row is not None

    def set_status(self, session_id: str, status: SessionStatus) -> Encoded[Session] | None:
        return self.assign(session_id, "status = :status", "resumes_at = NULL", status=status)

    def begin_turn(
        self, session_id: str, job_id: str, prompt: NewMessage, *, has_prompt: bool
    ) -> Encoded[Session] | None:
        """Begins a turn; `has_prompt` if an earlier attempt has stored the prompt.  A process may exist from now on."""
        with self._database.write():
            sql = _update_sql("status = 'running', resumes_at = NULL, has_process = 1, title = coalesce(title, :title)")
            for session in self._execute(sql, session_id=session_id, title=prompt.title):
                if not has_prompt:  # its notification precedes the session's
                    self._add_message(session_id, job_id, prompt)
                self._notify(session)
                return session
            return None

    def add_message(self, session_id: str, job_id: str | None, new: NewMessage) -> int | None:
        """Adds a message, and returns its position; None if the session does not exist."""
        added = None
        with self._database.write_or_log(NOT_STORED):
            added = self._add_message(session_id, job_id, new)
        return added  # noqa: RET504 - None after an error that was logged

    def follow(self, session_id: str, update: SessionUpdate) -> None:
        """Stores settings that the CLI has changed to."""
        with self._database.write_or_log(NOT_STORED):
            self.update(session_id, update)

    def set_tasks(self, session_id: str, tasks: Sequence[ClaudeTask]) -> None:
        """Stores the live tasks of a session's turn."""
        with self._database.write_or_log(NOT_STORED):
            tasks_json = to_json(tasks).decode()
            self.assign(session_id, "tasks_json = :tasks_json", tasks_json=tasks_json)

    def end_turn(
        self, session_id: str, job_id: str, status: SessionStatus, usage: RunUsage, resumes_at: str | None = None
    ) -> None:
        """Ends a turn, within the transaction that stores its job's outcome."""
        spent = {**usage.tokens.model_dump(), "total_cost_usd": usage.cost_usd or 0.0}
        changes = ["status = :status", "resumes_at = :resumes_at", "tasks_json = '[]'"]
        changes += [f"{column} = {column} + :{column}" for column in spent]
        with self._database.write():
            self._usage.add(job_id, session_id, usage)
            self.assign(session_id, *changes, status=status, resumes_at=resumes_at, **spent)

    def process_ended(self, session_id: str) -> None:
        """If this cannot be stored, the next start of the sidecar looks for the process in vain."""
        with self._database.write_or_log(NOT_STORED):
            self._database.execute("UPDATE claude_sessions SET has_process = 0 WHERE session_id = ?", (session_id,))

    def recover(self, waiting: Sequence[str]) -> None:
        """Interrupts all sessions after their processes were killed; those `waiting` have open permission requests."""
        with self._database.write():
            self._database.execute("UPDATE claude_sessions SET has_process = 0, tasks_json = '[]' WHERE has_process")
            self.change(
                """
                UPDATE claude_sessions SET tasks_json = '[]',
                    status = iif(session_id IN (SELECT value FROM json_each(:waiting)), 'waiting', 'interrupted'),
                    updated_at = :now, update_number = :update_number, version = version + 1
                WHERE status = 'running'
                    OR status = 'waiting' AND session_id NOT IN (SELECT value FROM json_each(:waiting))
                """,
                waiting=to_json(waiting).decode(),
            )

    def assign(self, session_id: str, *assignments: str, **values: object) -> Encoded[Session] | None:
        """Assigns columns of a session, as in `title = :title`, and notifies the client."""
        return next(iter(self.change(_update_sql(*assignments), session_id=session_id, **values)), None)

    def change(self, sql: str, **values: object) -> list[Encoded[Session]]:
        """Runs a statement, and notifies the client of the sessions that it has changed.

        `now` and `update_number` are parameters of it.  Sessions are listed by the number: `now` may go back.
        """
        with self._database.write():
            sessions = self._execute(sql, **values)
            for session in sessions:
                self._notify(session)
            return sessions

    def _add_message(self, session_id: str, job_id: str | None, new: NewMessage) -> int | None:
        now = new.created_at or iso_now(self._runtime.clock)
        added = self._database.encoded(
            ClaudeMessage,
            f"""
            INSERT INTO claude_messages
                (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at, attachments_json)
            SELECT session_id,
                coalesce((SELECT max(seq) FROM claude_messages WHERE session_id = claude_sessions.session_id), 0) + 1,
                ?, ?, ?, ?, ?, ?, ?
            FROM claude_sessions WHERE session_id = ?
            RETURNING {MESSAGE_JSON}
            """,
            (job_id, new.api_message_id, new.kind, storable(new.text), new.raw, now, new.attachments_json, session_id),
        )
        if added is None:
            return None
        sql = "UPDATE claude_sessions SET last_message_at = ? WHERE session_id = ?"
        self._database.execute(sql, (now, session_id))
        self.store.index.update()
        self._runtime.notify(ClaudeMessageAdded(session_id=session_id, job_id=job_id, message=added.as_model()))
        return self.store.last_position(session_id)

    def _execute(self, sql: str, **values: object) -> list[Encoded[Session]]:
        values["now"] = iso_now(self._runtime.clock)
        values["update_number"] = self._database.value(
            "SELECT coalesce(max(update_number), 0) + 1 FROM claude_sessions"
        )
        return self._database.all_encoded(Session, f"{sql} RETURNING {SESSION_JSON}", values)

    def _notify(self, session: Encoded[Session]) -> None:
        self._runtime.notify(ClaudeSessionUpdated(session=session.as_model()))


def _update_sql(*assignments: str) -> str:
    changes = ", ".join([*assignments, "updated_at = :now", "update_number = :update_number", "version = version + 1"])
    return f"UPDATE claude_sessions SET {changes} WHERE session_id = :session_id"


def _columns(settings: dict[str, object]) -> dict[str, object]:
    """Returns settings as columns of the table."""
    if "allowed_tools" in settings:
        settings["allowed_tools_json"] = to_json(settings.pop("allowed_tools")).decode()
    return settings
