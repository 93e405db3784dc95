"""Every change of a session: its row, its messages and its notifications, in one transaction.

The service, the turns and the pool change sessions through this and nothing else.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pydantic_core import to_json
from sidecar_protocol.claude.runs import MAX_TOOL_RULES, PermissionMode
from sidecar_protocol.claude.sessions import (
    ClaudeMessageAdded,
    ClaudeSessionDeleted,
    ClaudeSessionUpdated,
    MessageKind,
    Session,
    SessionStatus,
)
from sidecar_protocol.contract import Encoded, Notification
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.sessions.items import Item
from sidecar.claude.sessions.store import Changed, ClaudeStore, NewMessage, NewSession, ResumePoint, Spending
from sidecar.claude.sessions.texts import storable, title_of
from sidecar.claude.stream import RunUsage
from sidecar.claude.usage import UsageStore
from sidecar.clock import Clock, iso_now
from sidecar.ids import MakeId
from sidecar.storage.database import Database

log = logging.getLogger(__name__)

RAW_LIMIT: Final = 64 * 1024
"""A line over this is mostly its text, which is kept anyway, or a picture."""


class Conversations:
    """The one way to change a session."""

    def __init__(
        self,
        database: Database,
        store: ClaudeStore,
        notify: Callable[[Notification], None],
        clock: Clock,
        new_id: MakeId,
        usage: UsageStore,
    ) -> None:
        self._database = database
        self._store = store
        self._usage = usage
        self._notify = notify
        self._clock = clock
        self._new_id = new_id

    def create(
        self,
        *,
        title: str | None,
        cwd: str | None,
        model: str | None,
        permission_mode: PermissionMode | None,
        allowed_tools: Sequence[str],
        system_prompt: str | None,
    ) -> Encoded[Session]:
        """A new session."""
        tools = to_json(list(allowed_tools)).decode()
        new = NewSession(self._new_id(), title, cwd, model, permission_mode, tools, system_prompt)
        with self._database.write():
            return self._changed(self._store.insert(new, iso_now(self._clock)))

    def fork(self, session_id: str, title: str | None) -> Encoded[Session] | None:
        """A session that goes on from where another stands; None where there is no such other."""
        with self._database.write():
            made = self._store.fork(session_id, self._new_id(), title, iso_now(self._clock))
            return None if made is None else self._changed(made)

    def update(
        self,
        session_id: str,
        *,
        title: str | None = None,
        model: str | None = None,
        permission_mode: PermissionMode | None = None,
        allowed_tools: Sequence[str] | None = None,
    ) -> Encoded[Session] | None:
        """Change what is not None; None where there is no such session."""
        tools = None if allowed_tools is None else to_json(list(allowed_tools)).decode()
        with self._database.write():
            changed = self._store.update(
                session_id, Changed(title, model, permission_mode, tools), iso_now(self._clock)
            )
            return None if changed is None else self._changed(changed)

    def follow(self, session_id: str, mode: PermissionMode) -> None:
        """The CLI has changed its permission mode.  Never raises: the turn is worth more than the note of it."""
        self._safely(lambda: self.update(session_id, permission_mode=mode))

    def get(self, session_id: str) -> Encoded[Session] | None:
        """A session as it stands."""
        return self._store.get(session_id)

    def delete(self, session_id: str) -> bool:
        """Delete a session with its messages; whether there was one."""
        with self._database.write():
            was_there = self._store.delete(session_id)
            if was_there:
                self._notify(ClaudeSessionDeleted(session_id=session_id))
            return was_there

    def begin(self, session_id: str, job_id: str, prompt: str, *, asked_before: bool) -> Encoded[Session] | None:
        """A turn begins, maybe not for the first time; None where the session is gone."""
        with self._database.write():
            session = self._store.begin(session_id, title_of(prompt), iso_now(self._clock))
            if session is None:
                return None
            if not asked_before:
                self._add(session_id, job_id, Item(MessageKind.USER, prompt), None)
            return self._changed(session)

    def resume_point(self, session_id: str) -> ResumePoint:
        """Where the CLI takes the session up."""
        return self._store.resume_point(session_id)

    def learn(self, session_id: str, claude_session_id: str) -> None:
        """The CLI has told its id of the session.  Never raises: the turn is worth more than the note of it."""
        self._safely(lambda: self._learn(session_id, claude_session_id))

    def add(self, session_id: str, job_id: str, item: Item, raw: str | None = None) -> None:
        """One more item, with the JSON that told it.  Never raises, see `learn`."""
        self._safely(lambda: self._add(session_id, job_id, item, raw))

    def end(self, session_id: str, job_id: str, status: SessionStatus, spent: RunUsage) -> None:
        """A turn has ended.  Never raises, see `learn`."""
        spending = Spending(**asdict(spent.tokens), cost_usd=spent.cost_usd or 0.0)

        def put_down() -> None:
            self._usage.book(job_id, session_id, spent)
            self._tell(self._store.end(session_id, status, spending, iso_now(self._clock)))

        self._safely(put_down)

    def set_status(self, session_id: str, status: SessionStatus) -> bool:
        """A turn waits, or waits no more; whether there is such a session."""
        with self._database.write():
            session = self._store.set_status(session_id, status, iso_now(self._clock))
            self._tell(session)
        return session is not None

    def allow_tools(self, session_id: str, rules: Sequence[str]) -> None:
        """Rules that the session has from now on; raises InvalidParams where it has too many."""
        with self._database.write():
            known = self._store.allowed_tools(session_id)
            tools = [*known, *(rule for rule in rules if rule not in known)]
            if len(tools) > MAX_TOOL_RULES:
                words = f"the session has {len(known)} rules, and may have {MAX_TOOL_RULES}"
                raise InvalidParams(details=[{"path": "remember", "message": words}])
            self.update(session_id, allowed_tools=tools)

    def process_ended(self, session_id: str) -> None:
        """Nothing of the session's process is left.  Never raises: at worst the next start looks in vain."""
        self._safely(lambda: self._store.process_ended(session_id))

    def left_behind(self) -> list[str]:
        """The sessions that an earlier life of this process did not bring to rest."""
        return self._store.open_sessions()

    def recover(self, session_ids: Sequence[str], asking: Sequence[str]) -> None:
        """What was left of these is gone, and no turn runs; the sessions `asking` have questions open."""
        with self._database.write():
            for session_id in session_ids:
                self._store.process_ended(session_id)
            for session in self._store.interrupt_running(to_json(list(asking)).decode(), iso_now(self._clock)):
                self._changed(session)

    def _learn(self, session_id: str, claude_session_id: str) -> None:
        self._tell(self._store.learn(session_id, claude_session_id, iso_now(self._clock)))

    def _add(self, session_id: str, job_id: str, item: Item, raw: str | None) -> None:
        new = NewMessage(session_id, job_id, item.kind, storable(item.text), item.api_message_id, raw)
        message = self._store.add(new, iso_now(self._clock))
        if message is not None:
            self._notify(ClaudeMessageAdded(session_id=session_id, job_id=job_id, message=message.as_model()))

    def _tell(self, session: Encoded[Session] | None) -> None:
        if session is not None:
            self._changed(session)

    def _changed(self, session: Encoded[Session]) -> Encoded[Session]:
        self._notify(ClaudeSessionUpdated(session=session.as_model()))
        return session

    def _safely(self, write: Callable[[], object]) -> None:
        try:
            with self._database.write():
                write()
        except sqlite3.Error:
            log.exception("a session could not be written")


def storable_raw(line: bytes, message: Mapping[str, Any]) -> str:
    """A line that was parsed to `message`, as JSON that SQLite and every client can read."""
    if len(line) > RAW_LIMIT:
        return to_json({"truncated": True, "bytes": len(line)}).decode()
    try:
        return to_json(message, inf_nan_mode="null").decode()
    except ValueError:  # half of a surrogate pair, or nested without end
        return '{"unreadable":true}'
