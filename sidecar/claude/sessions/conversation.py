"""The CLI's conversation behind a session: which one it is, and where in it the session's messages are.

The CLI changes the conversation of a process (`/clear`), and deletes its records after `cleanupPeriodDays`.
"""

from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.sessions import MessageKind, Session
from sidecar_protocol.contract import Encoded
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.sessions.handover import Handover, hand_over
from sidecar.claude.sessions.journal import NOT_STORED, SessionJournal, SessionUpdate, worktree_name
from sidecar.claude.sessions.messages import NewMessage
from sidecar.runtime import Runtime

CLEARED: Final = "The conversation was cleared: Claude no longer knows the messages above."


@dataclass(frozen=True, slots=True)
class Conversation:
    """How the next process of a session begins.

    It resumes `resumed`, or with `is_fork` a copy of it up to the record `resume_at`; with None it begins a new
    conversation.  `worktree` is the git worktree that it creates.
    """

    resumed: str | None = None
    is_fork: bool = False
    resume_at: str | None = None
    worktree: str | None = None
    is_model_reset: bool = False


LEFT: Final = (
    "claude_session_id = NULL",
    "fork_claude_session_id = NULL",
    "fork_claude_uuid = NULL",
    "record_bytes = NULL",
)
"""Assignments of a session that leaves its conversation."""


class ConversationJournal:
    """Changes the CLI's conversation of a session.  What a turn reports is logged and lost if it cannot be stored."""

    def __init__(self, runtime: Runtime, sessions: SessionJournal) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._sessions = sessions

    def current(self, session_id: str) -> Conversation:
        row = self._database.row(
            """
            SELECT claude_session_id, fork_claude_session_id, fork_claude_uuid, iif(needs_worktree, worktree, NULL),
                is_model_reset
            FROM claude_sessions WHERE session_id = ?
            """,
            (session_id,),
        )
        if row is None:
            return Conversation()
        own, forked, uuid, worktree, is_model_reset = row
        is_fork = own is None and forked is not None
        return Conversation(own or forked, is_fork, uuid if is_fork else None, worktree, bool(is_model_reset))

    def fork(self, parent_id: str, title: str | None, message_id: str | None) -> Encoded[Session] | None:
        """Creates a session with the settings and the messages of another, up to `message_id`, and returns it.

        Raises `InvalidParams` if the message is not one of the session.
        """
        last = self._position(parent_id, message_id)
        session_id = self._runtime.new_id()
        values = {"parent_id": parent_id, "session_id": session_id, "last": last}
        with self._database.write():
            place = self._database.row(
                """
                SELECT claude_session_id, claude_uuid FROM (
                    SELECT seq,
                        coalesce(claude_session_id, json_extract(raw_json, '$.session_id')) AS claude_session_id,
                        coalesce(claude_uuid, json_extract(raw_json, '$.uuid')) AS claude_uuid
                    FROM claude_messages
                    WHERE session_id = ? AND seq <= ? AND seq > ? AND kind IN
                        ('user', 'assistant_text', 'thinking', 'tool_use', 'tool_result', 'error')
                        AND (raw_json IS NULL OR json_extract(raw_json, '$.parent_tool_use_id') IS NULL)
                )
                WHERE claude_session_id IS NOT NULL AND claude_uuid IS NOT NULL ORDER BY seq DESC LIMIT 1
                """,
                (parent_id, last, self._cleared_before(parent_id, last)),
            )
            conversation, uuid = place or (None, None)
            sessions = self._sessions.change(
                """
                INSERT INTO claude_sessions (session_id, fork_claude_session_id, fork_claude_uuid, forked_from, title,
                    cwd, model, is_model_reset, permission_mode, allowed_tools_json, system_prompt, worktree,
                    needs_worktree, created_at, updated_at, update_number, last_message_at)
                SELECT :session_id, :conversation, :uuid, session_id, coalesce(:title, title),
                    cwd, model, is_model_reset, permission_mode, allowed_tools_json, system_prompt,
                    iif(needs_worktree, :worktree, worktree), needs_worktree, :now, :now, :update_number,
                    (SELECT created_at FROM claude_messages WHERE session_id = :parent_id AND seq = :last)
                FROM claude_sessions WHERE session_id = :parent_id
                """,
                **values,
                conversation=conversation,
                uuid=uuid,
                title=title,
                worktree=worktree_name(session_id),
            )
            self._database.execute(
                """
                INSERT INTO claude_messages (session_id, seq, job_id, api_message_id, kind, text, raw_json,
                    claude_session_id, claude_uuid, created_at)
                SELECT :session_id, seq, job_id, api_message_id, kind, text, raw_json, claude_session_id, claude_uuid,
                    created_at
                FROM claude_messages WHERE session_id = :parent_id AND seq <= :last
                """,
                values,
            )
        return next(iter(sessions), None)

    def sent(self, session_id: str, job_id: str, claude_uuid: str, claude_session_id: str | None) -> None:
        """Stores the id under which the CLI records a turn's prompt."""
        with self._database.write_or_log(NOT_STORED):
            self._database.execute(
                "UPDATE claude_messages SET claude_uuid = ?, claude_session_id = ?"
                " WHERE session_id = ? AND job_id = ? AND kind = 'user'",
                (claude_uuid, claude_session_id, session_id, job_id),
            )

    def follow(self, session_id: str, job_id: str, claude_session_id: str) -> None:
        """Stores the id of the conversation that a turn is in."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.assign(
                session_id, "claude_session_id = :claude_id", "record_bytes = NULL", claude_id=claude_session_id
            )
            self._database.execute(
                "UPDATE claude_messages SET claude_session_id = ?"
                " WHERE session_id = ? AND job_id = ? AND kind = 'user' AND claude_session_id IS NULL",
                (claude_session_id, session_id, job_id),
            )

    def clear(self, session_id: str, job_id: str, raw: str) -> None:
        """Leaves the conversation for a new one that knows none of the messages so far."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.assign(session_id, *LEFT)
            self._sessions.add_message(session_id, job_id, NewMessage(MessageKind.CLEARED, CLEARED, raw=raw))

    def begin_anew(self, session_id: str) -> None:
        """Leaves a conversation of which the CLI has no record: the next process begins a new one."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.assign(session_id, *LEFT, "has_process = 1")

    def hand_over(self, session_id: str, job_id: str) -> Handover | None:
        """Returns what Claude is told of the messages before a turn's, if it or a tool of it said any of them."""
        source = """
            FROM claude_messages
            WHERE session_id = ? AND seq > ? AND job_id IS NOT ?
                AND kind IN ('user', 'assistant_text', 'tool_use', 'tool_result')
                AND (raw_json IS NULL OR json_extract(raw_json, '$.parent_tool_use_id') IS NULL)
            """
        last = self._sessions.store.last_position(session_id)
        values = (session_id, self._cleared_before(session_id, last), job_id)
        rows = self._database.rows(
            "SELECT kind, substr(text, 1, 10000), iif(kind = 'tool_use', raw_json, NULL)"
            f" {source} ORDER BY seq DESC LIMIT 1000",
            values,
        )
        return hand_over(rows, self._database.value(f"SELECT count(*) {source}", values))

    def enter_worktree(self, session_id: str, cwd: str) -> None:
        """Stores the folder of the git worktree that the CLI has created."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.update(session_id, SessionUpdate(cwd=cwd))

    def set_model(self, session_id: str, model: str) -> None:
        """Stores a model that the CLI has changed to."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.update(session_id, SessionUpdate(model=model))

    def _position(self, session_id: str, message_id: str | None) -> int:
        """Returns the position of a message, by default of the last one."""
        last = self._sessions.store.last_position(session_id)
        if message_id is None or self._sessions.store.get(session_id) is None:
            return last
        owner, _, seq = message_id.rpartition(":")
        if owner != session_id or not seq.isdecimal() or not 1 <= int(seq) <= last:
            raise InvalidParams(details=[{"path": "message_id", "message": "the session has no such message"}])
        return int(seq)

    def _cleared_before(self, session_id: str, last: int) -> int:
        """Returns the position of the last message up to `last` at which the conversation was cleared; 0 for none."""
        sql = "SELECT max(seq) FROM claude_messages WHERE session_id = ? AND seq <= ? AND kind = 'cleared'"
        return self._database.value(sql, (session_id, last)) or 0
