"""The tables `claude_conversations` and `claude_records`: the CLI's conversation behind a session.

The CLI changes the conversation of a process (`/clear`), and deletes its records after `cleanupPeriodDays`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.claude.sessions import MessageKind, Session
from sidecar_protocol.contract import Encoded
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.budgets import BudgetBook
from sidecar.claude.citations.store import CitationStore
from sidecar.claude.gate.store import GateStore, Owner
from sidecar.claude.records.reading import Entry
from sidecar.claude.sessions.handover import ELSEWHERE, MAX_MESSAGES, Handover, hand_over
from sidecar.claude.sessions.journal import NOT_STORED, SessionJournal
from sidecar.claude.sessions.messages import NewMessage
from sidecar.claude.sessions.session_settings import NewSession
from sidecar.claude.usage import UsageStore
from sidecar.runtime import Runtime

CLEARED: Final = "The conversation was cleared: Claude no longer knows the messages above."


@dataclass(frozen=True, slots=True)
class Conversation:
    """How the next process of a session begins.

    It resumes `resumed`, or with `is_fork` a copy of it up to the record `resume_at`; with None it begins a new
    conversation.  `worktree` is the git worktree that it creates.
    """

    resumed: str | None
    is_fork: bool
    resume_at: str | None
    worktree: str | None
    is_model_reset: bool


@dataclass(frozen=True, slots=True)
class Place:
    """A record of the CLI.  The conversation is None until its id is known."""

    claude_session_id: str | None
    claude_uuid: str | None


class ConversationJournal:
    """Changes the CLI's conversation of a session.  What a turn reports is logged and lost if it cannot be stored."""

    def __init__(self, runtime: Runtime, sessions: SessionJournal) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._sessions = sessions

    def current(self, session_id: str) -> Conversation:
        start = self._sessions.store.process_start(session_id)
        row = self._database.row(
            "SELECT fork_claude_session_id, fork_claude_uuid FROM claude_conversations WHERE session_id = ?",
            (session_id,),
        )
        forked, uuid = row or (None, None)
        is_fork = start.claude_session_id is None and forked is not None
        resumed = forked if is_fork else start.claude_session_id
        return Conversation(resumed, is_fork, uuid if is_fork else None, start.worktree, start.is_model_reset)

    def fork(self, parent_id: str, title: str | None, message_id: str | None) -> Encoded[Session] | None:
        """Creates a session with the settings and the messages of another, up to `message_id`, and returns it.

        Raises `InvalidParams` if the message is not one of the session.
        """
        last = self._position(parent_id, message_id)
        session_id = self._runtime.new_id()
        with self._database.write():
            session = self._sessions.copy(parent_id, session_id, title, last)
            if session is not None:
                GateStore(self._database, self._runtime.clock).inherit(Owner(session_id=session_id), [parent_id])
                CitationStore(self._database, self._runtime.clock).copy_to_fork(parent_id, session_id, last)
                usage = UsageStore(self._database, self._runtime.clock)
                BudgetBook(self._database, self._runtime.clock, usage).copy(parent_id, session_id)
                place = self._place(parent_id, last)
                self._database.execute(
                    "INSERT INTO claude_conversations (session_id, fork_claude_session_id, fork_claude_uuid)"
                    " VALUES (?, ?, ?)",
                    (session_id, place.claude_session_id, place.claude_uuid),
                )
                self._database.execute(
                    """
                    INSERT INTO claude_records (session_id, seq, claude_session_id, claude_uuid)
                    SELECT ?, seq, claude_session_id, claude_uuid FROM claude_records
                    WHERE session_id = ? AND seq <= ?
                    """,
                    (session_id, parent_id, last),
                )
        return session

    def add_message(self, session_id: str, job_id: str | None, new: NewMessage, claude_uuid: str | None) -> None:
        """Adds a message, which the CLI has recorded under this id in the current conversation."""
        with self._database.write_or_log(NOT_STORED):
            seq = self._sessions.add_message(session_id, job_id, new)
            if seq is not None and claude_uuid is not None:
                conversation = self._sessions.store.process_start(session_id).claude_session_id
                self._record(session_id, seq, Place(conversation, claude_uuid))

    def send_prompt(self, session_id: str, job_id: str, claude_uuid: str, begun: str | None) -> None:
        """Stores the id under which the CLI will record a turn's prompt.

        `begun` is the new conversation that its process was started with, if any.
        """
        with self._database.write_or_log(NOT_STORED):
            seq = self._sessions.store.prompt_position(session_id, job_id)
            conversation = self._sessions.store.process_start(session_id).claude_session_id or begun
            if seq is not None:
                self._record(session_id, seq, Place(conversation, claude_uuid))

    def begun(self, session_id: str) -> str | None:
        """Returns the conversation that the last prompt was sent to, if the session is not in it yet."""
        current = self.current(session_id)
        if current.resumed is not None and not current.is_fork:
            return None
        begun = self._place(session_id, self._sessions.store.last_position(session_id)).claude_session_id
        return None if begun == current.resumed else begun

    def follow(self, session_id: str, claude_session_id: str) -> None:
        """Stores the id of the conversation that a turn is in."""
        with self._database.write_or_log(NOT_STORED):
            self._sessions.assign(session_id, "claude_session_id = :id", id=claude_session_id)
            self._set_fork(session_id, Place(None, None))
            self._database.execute(
                "UPDATE claude_records SET claude_session_id = ?"
                " WHERE session_id = ? AND claude_session_id IS NULL AND claude_uuid IS NOT NULL",
                (claude_session_id, session_id),
            )

    def keep(self, session_id: str, claude_session_id: str | None) -> None:
        """Stores the conversation that a turn has ended in, if `follow` could not and the session was not deleted."""
        stored = self._sessions.store.process_start(session_id).claude_session_id
        if claude_session_id in (None, stored) or self._sessions.store.get(session_id) is None:
            return
        self.follow(session_id, claude_session_id)

    def clear(self, session_id: str, job_id: str, raw: str) -> None:
        """Leaves the conversation for a new one that knows none of the messages so far."""
        with self._database.write_or_log(NOT_STORED):
            self._leave(session_id, Place(None, None))
            seq = self._sessions.add_message(session_id, job_id, NewMessage(MessageKind.CLEARED, CLEARED, raw=raw))
            if seq is not None:
                self._record(session_id, seq, Place(None, None))

    def begin_anew(self, session_id: str) -> None:
        """Leaves the conversation, for example if the CLI has no record of it: the next process begins a new one."""
        with self._database.write_or_log(NOT_STORED):
            self._leave(session_id, Place(None, None), "has_process = 1")

    def branch_off(self, session_id: str, claude_session_id: str, claude_uuid: str) -> None:
        """Lets the next process begin a copy of a conversation up to a record; messages after it are handed over."""
        with self._database.write():
            self._leave(session_id, Place(claude_session_id, claude_uuid))

    def hand_over(self, session_id: str, job_id: str, start: Conversation) -> Handover | None:
        """Returns the messages before a turn's that its new process will not know; None if none is Claude's."""
        store = self._sessions.store
        if start.resumed is None:
            after = self._cleared_before(session_id, store.last_position(session_id))
            return hand_over(*store.said_before(session_id, job_id, after, MAX_MESSAGES))
        if start.resume_at is None:
            return None
        sql = "SELECT max(seq) FROM claude_records WHERE session_id = ? AND claude_uuid = ?"
        after = self._database.value(sql, (session_id, start.resume_at)) or 0
        return hand_over(*store.said_before(session_id, job_id, after, MAX_MESSAGES), ELSEWHERE)

    def record_position(self, session_id: str) -> tuple[str | None, int]:
        """Returns the conversation's id, and the size of its record up to which its messages are stored."""
        sql = "SELECT record_bytes FROM claude_conversations WHERE session_id = ?"
        size: int | None = self._database.value(sql, (session_id,))
        return self._sessions.store.process_start(session_id).claude_session_id, size or 0

    def known(self, session_id: str, claude_uuids: Iterable[str]) -> set[str]:
        """Returns those of these records whose messages are stored."""
        sql = """
            SELECT claude_uuid FROM claude_records
            WHERE session_id = ? AND claude_uuid IN (SELECT value FROM json_each(?))
            """
        return set(self._database.values(sql, (session_id, to_json([*claude_uuids]).decode())))

    def last_record(self, session_id: str) -> str | None:
        """Returns the id of the record of the last message that has one."""
        return self._place(session_id, self._sessions.store.last_position(session_id)).claude_uuid

    def take_in(self, session_id: str, entries: Iterable[Entry], *, notice: str | None, size: int | None) -> None:
        """Adds messages from the CLI's record, after a notice; `size` is the size up to which it was read."""
        with self._database.write():
            if notice is not None:
                self._sessions.add_message(session_id, None, NewMessage(MessageKind.NOTICE, notice))
            for entry in entries:
                for message in entry.messages:
                    self.add_message(session_id, None, message, entry.uuid)
            if size is not None:
                self._database.execute(
                    "INSERT INTO claude_conversations (session_id, record_bytes) VALUES (?, ?)"
                    " ON CONFLICT (session_id) DO UPDATE SET record_bytes = excluded.record_bytes",
                    (session_id, size),
                )

    def process_ended(self, session_id: str, scheduled: Sequence[str]) -> None:
        """Stores that a session's process has ended, and that what Claude had scheduled in it will not happen."""
        self._sessions.process_ended(session_id)
        if scheduled:
            with self._database.write_or_log(NOT_STORED):
                notice = f"Claude's process has ended. What it had scheduled will not happen: {'; '.join(scheduled)}"
                self._sessions.add_message(session_id, None, NewMessage(MessageKind.NOTICE, notice))
                self._sessions.set_tasks(session_id, [])

    def adopt(self, new: NewSession, claude_session_id: str) -> str:
        """Creates a session that goes on with a conversation; returns its id."""
        with self._database.write():
            session_id = self._sessions.create(new).load().session_id
            self.follow(session_id, claude_session_id)
        return session_id

    def _position(self, session_id: str, message_id: str | None) -> int:
        """Returns the position of a message, by default of the last one."""
        last = self._sessions.store.last_position(session_id)
        if message_id is None or self._sessions.store.get(session_id) is None:
            return last
        owner, _, seq = message_id.rpartition(":")
        if owner != session_id or not (seq.isascii() and seq.isdecimal()) or not 1 <= int(seq) <= last:
            raise InvalidParams(details=[{"path": "message_id", "message": "the session has no such message"}])
        return int(seq)

    def _place(self, session_id: str, last: int) -> Place:
        """Returns the last record up to a message; an empty one if there is none since the conversation was cleared."""
        row = self._database.row(
            """
            SELECT claude_session_id, claude_uuid FROM claude_records
            WHERE session_id = ? AND seq <= ? AND (claude_session_id IS NOT NULL OR claude_uuid IS NULL)
            ORDER BY seq DESC, rowid DESC LIMIT 1
            """,
            (session_id, last),
        )
        return Place(*row) if row is not None else Place(None, None)

    def _cleared_before(self, session_id: str, last: int) -> int:
        """Returns the position of the last message up to `last` at which the conversation was cleared; 0 for none."""
        sql = "SELECT max(seq) FROM claude_records WHERE session_id = ? AND seq <= ? AND claude_uuid IS NULL"
        return self._database.value(sql, (session_id, last)) or 0

    def _leave(self, session_id: str, fork: Place, *more: str) -> None:
        """Leaves the conversation; the next process begins a new one, or a copy of another up to a record."""
        self._sessions.assign(session_id, "claude_session_id = NULL", *more)
        self._set_fork(session_id, fork)

    def _set_fork(self, session_id: str, place: Place) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO claude_conversations (session_id, fork_claude_session_id, fork_claude_uuid)"
            " VALUES (?, ?, ?)",
            (session_id, place.claude_session_id, place.claude_uuid),
        )

    def _record(self, session_id: str, seq: int, place: Place) -> None:
        self._database.execute(
            "INSERT INTO claude_records (session_id, seq, claude_session_id, claude_uuid) VALUES (?, ?, ?, ?)",
            (session_id, seq, place.claude_session_id, place.claude_uuid),
        )
