"""Every change of a session: its row, its messages and its notifications, in one transaction.

The services, the turns and the process pool change sessions only through `SessionJournal`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeVar

from sidecar_protocol.claude.runs import MAX_TOOL_RULES, PermissionMode
from sidecar_protocol.claude.sessions import (
    ClaudeMessageAdded,
    ClaudeSessionDeleted,
    ClaudeSessionUpdated,
    MessageKind,
    Session,
    SessionStatus,
)
from sidecar_protocol.contract import Encoded
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.sessions.messages import NewMessage, storable, title_of
from sidecar.claude.sessions.store import NewSession, SessionStore, SessionUpdate
from sidecar.claude.stream import RunUsage
from sidecar.claude.usage import UsageStore
from sidecar.clock import iso_now
from sidecar.runtime import Runtime

S = TypeVar("S", bound=Encoded[Session] | None)

NOT_STORED: Final = "a change of a Claude session could not be stored"


class SessionJournal:
    """Changes sessions.

    What a turn reports is logged and lost if it cannot be stored, since the turn's answer is worth more: such methods
    do not raise.  The others raise `sqlite3.Error`.
    """

    def __init__(self, runtime: Runtime, store: SessionStore, usage: UsageStore) -> None:
        self.store = store
        self._runtime = runtime
        self._database = runtime.database
        self._usage = usage

    def create(self, new: NewSession) -> Encoded[Session]:
        with self._database.write():
            return self._notify(self.store.insert(self._runtime.new_id(), new, self._now()))

    def fork(self, session_id: str, title: str | None) -> Encoded[Session] | None:
        """Returns a new session with the settings and messages of another, or None if that does not exist."""
        with self._database.write():
            return self._notify(self.store.fork(session_id, self._runtime.new_id(), title, self._now()))

    def update(self, session_id: str, update: SessionUpdate) -> Encoded[Session] | None:
        """Changes settings.  Returns None if the session does not exist."""
        with self._database.write():
            return self._notify(self.store.update(session_id, update, self._now()))

    def allow_tools(self, session_id: str, rules: Sequence[str]) -> None:
        """Adds rules to `allowed_tools`.  Raises `InvalidParams` if the session would have too many."""
        with self._database.write():
            known = self.store.allowed_tools(session_id)
            tools = [*known, *(rule for rule in rules if rule not in known)]
            if len(tools) > MAX_TOOL_RULES:
                problem = f"the session has {len(known)} rules and can have {MAX_TOOL_RULES}"
                raise InvalidParams(details=[{"path": "remember", "message": problem}])
            self.update(session_id, SessionUpdate(allowed_tools=tools))

    def delete(self, session_id: str) -> bool:
        """Deletes a session with its messages.  Returns whether it existed."""
        with self._database.write():
            existed = self.store.delete(session_id)
            if existed:
                self._runtime.notify(ClaudeSessionDeleted(session_id=session_id))
            return existed

    def set_status(self, session_id: str, status: SessionStatus) -> bool:
        """Returns whether the session exists."""
        with self._database.write():
            return self._notify(self.store.set_status(session_id, status, self._now())) is not None

    def begin_turn(self, session_id: str, job_id: str, prompt: str, *, has_prompt: bool) -> Encoded[Session] | None:
        """Begins a turn; `has_prompt` if an earlier attempt has stored the prompt.

        Returns None if the session does not exist.
        """
        with self._database.write():
            session = self.store.begin_turn(session_id, title_of(prompt), self._now())
            if session is not None and not has_prompt:
                self._add_message(session_id, job_id, NewMessage(MessageKind.USER, prompt))
            return self._notify(session)

    def add_message(self, session_id: str, job_id: str, new: NewMessage) -> None:
        with self._database.write_or_log(NOT_STORED):
            self._add_message(session_id, job_id, new)

    def set_claude_session_id(self, session_id: str, claude_session_id: str) -> None:
        with self._database.write_or_log(NOT_STORED):
            self._notify(self.store.set_claude_session_id(session_id, claude_session_id, self._now()))

    def set_permission_mode(self, session_id: str, mode: PermissionMode) -> None:
        """Stores a mode that the CLI has changed to."""
        with self._database.write_or_log(NOT_STORED):
            self.update(session_id, SessionUpdate(permission_mode=mode))

    def end_turn(self, session_id: str, job_id: str, status: SessionStatus, usage: RunUsage) -> None:
        with self._database.write_or_log(NOT_STORED):
            self._usage.add(job_id, session_id, usage)
            self._notify(self.store.end_turn(session_id, status, usage, self._now()))

    def process_ended(self, session_id: str) -> None:
        """If this cannot be stored, the next start of the sidecar looks for the process in vain."""
        with self._database.write_or_log(NOT_STORED):
            self.store.clear_process(session_id)

    def recover(self, session_ids: Sequence[str], waiting: Sequence[str]) -> None:
        """Interrupts all sessions after their processes were killed; those `waiting` have open permission requests."""
        with self._database.write():
            for session_id in session_ids:
                self.store.clear_process(session_id)
            for session in self.store.interrupt_running(waiting, self._now()):
                self._notify(session)

    def _now(self) -> str:
        return iso_now(self._runtime.clock)

    def _add_message(self, session_id: str, job_id: str, new: NewMessage) -> None:
        message = self.store.add_message(session_id, job_id, replace(new, text=storable(new.text)), self._now())
        if message is not None:
            added = ClaudeMessageAdded(session_id=session_id, job_id=job_id, message=message.as_model())
            self._runtime.notify(added)

    def _notify(self, session: S) -> S:
        """Notifies the client of a changed session, if there is one."""
        if session is not None:
            self._runtime.notify(ClaudeSessionUpdated(session=session.as_model()))
        return session
