"""The turn of a session that waits for a usage limit: the state of the session, and how the turn goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sidecar_protocol.claude.runs import session_lock
from sidecar_protocol.claude.sessions import MessageKind, SessionStatus, TakeTurn

from sidecar.claude.limits import GO_ON
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import UNSTORED, NewMessage
from sidecar.clock import Clock, iso
from sidecar.job_handler import JobContext, JobSnoozed

NOTICE: Final = f"Claude received another prompt instead, to go on: {GO_ON}"


@dataclass(frozen=True, slots=True)
class LimitWaits:
    """Changes sessions whose turn waits; `is_lock_kept` returns whether a snoozed job keeps a lock."""

    sessions: SessionJournal
    clock: Clock
    is_lock_kept: Callable[[str], bool]

    def prompt(self, session_id: str, context: JobContext, prompt: str) -> str:
        """Returns the prompt of an attempt: another one if Claude has begun to work on it in an earlier attempt."""
        is_first = context.attempt == 1 and not context.snoozed_for_s
        if is_first or not self.sessions.store.has_acted(session_id, context.job_id):
            return prompt
        self.sessions.add_message(session_id, context.job_id, NewMessage(MessageKind.NOTICE, NOTICE))
        return GO_ON

    def keep(self, session_id: str, job_id: str) -> None:
        """Adds a notice to a turn in which Claude has acted and that goes on later, if nothing of that is stored.

        Its prompt would be repeated otherwise, and Claude would act on it twice.
        """
        if not self.sessions.store.has_acted(session_id, job_id):
            self.sessions.add_message(session_id, job_id, NewMessage(MessageKind.NOTICE, UNSTORED))

    def begin(self, session_id: str, context: JobContext, snooze: JobSnoozed) -> str:
        """Adds a notice of the wait to the session; returns the time when the turn goes on."""
        self.sessions.add_message(session_id, context.job_id, NewMessage(MessageKind.NOTICE, snooze.message))
        return iso(self.clock.now_ms() + round(snooze.delay_s * 1000))

    def end(self, session_id: str) -> None:
        """Ends the wait of a session whose turn waits no longer: it was cancelled."""
        session = self.sessions.store.get(session_id)
        is_limited = session is not None and session.load().status is SessionStatus.LIMITED
        if is_limited and not self.is_lock_kept(session_lock(session_id)):
            self.sessions.set_status(session_id, SessionStatus.INTERRUPTED)

    def turn_withdrawn(self, turn: TakeTurn) -> None:
        """Ends the wait if it was that of this turn, which was cancelled in the queue."""
        self.end(turn.session_id)

    def recover(self) -> None:
        """Ends the waits of turns that an earlier process has lost."""
        for session_id in self.sessions.store.limited():
            self.end(session_id)
