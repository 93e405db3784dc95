"""Every change of what Claude asks: its row, its session's status and its notifications, in one transaction.

An answer goes to the CLI once it is durable, so that what was allowed once is never done twice.  A question whose turn
is gone has nobody who waits for the answer: then the answer begins a turn of its own.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pydantic_core import from_json, to_json
from sidecar_protocol.claude.permissions import (
    ClaudePermissionRequested,
    ClaudePermissionResolved,
    PermissionAlreadyResolved,
    PermissionDecision,
    PermissionKind,
    PermissionNotFound,
    PermissionRequest,
    PermissionStatus,
)
from sidecar_protocol.claude.sessions import SessionStatus, TakeTurn
from sidecar_protocol.contract import Encoded, Notification
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.permissions.cli_requests import MAX_INPUT_BYTES, Answer, Ask, late_prompt
from sidecar.claude.permissions.store import NewRequest, PermissionStore, Resolution
from sidecar.claude.queue import Enqueue
from sidecar.claude.sessions.conversations import Conversations
from sidecar.claude.sessions.texts import storable
from sidecar.clock import Clock, iso_now
from sidecar.ids import MakeId
from sidecar.runtime import AfterCommit
from sidecar.storage.database import Database

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_OPEN: Final = 20
"""Of one session.  More than a person can look through, and each may be a megabyte."""
KEPT: Final = 200
"""Closed ones of a session, so that a dialog that was open long ago can still be explained."""
DENIED: Final = "The user denied this."

TOO_MANY = Answer(allowed=False, message="Too many questions are open. Wait until the user has answered some.")
TOO_LARGE = Answer(allowed=False, message="This input is too large to be shown to the user. Do it in smaller steps.")
NOT_STORED = Answer(allowed=False, message="The question could not be stored, so nobody can be asked. Try again later.")

Deliver = Callable[[Answer], None]


class PermissionJournal:
    """The one way to change what Claude asks."""

    def __init__(
        self,
        database: Database,
        store: PermissionStore,
        conversations: Conversations,
        *,
        notify: Callable[[Notification], None],
        enqueue: Enqueue,
        after_commit: AfterCommit,
        clock: Clock,
        new_id: MakeId,
    ) -> None:
        self._database = database
        self._store = store
        self._conversations = conversations
        self._notify = notify
        self._enqueue = enqueue
        self._after_commit = after_commit
        self._clock = clock
        self._new_id = new_id
        self._waiting: dict[str, tuple[Ask, Deliver]] = {}

    def ask(self, session_id: str, job_id: str, ask: Ask, deliver: Deliver) -> str | None:
        """A turn asks; `deliver` gets the answer, maybe at once.  The question's id; None where nobody is asked.

        Never raises: what cannot be stored is denied.
        """
        try:
            shown = ask.input_json
        except ValueError:  # half of a surrogate pair, or nested without end
            deliver(TOO_LARGE)
            return None
        try:
            with self._database.write():
                answer = self._granted(job_id, ask)
                if answer is None and len(shown) > MAX_INPUT_BYTES:
                    answer = TOO_LARGE
                elif answer is None and len(self._store.open_ids(session_id)) >= MAX_OPEN:
                    answer = TOO_MANY
                request_id = None if answer else self._store_new(session_id, job_id, ask, shown)
        except sqlite3.Error:
            log.exception("a question of Claude's could not be stored")
            deliver(NOT_STORED)
            return None
        if request_id is not None:
            self._waiting[request_id] = ask, deliver

        def stored(failure: sqlite3.Error | None) -> None:
            if failure is not None:
                self._waiting.pop(request_id or "", None)
                deliver(NOT_STORED)
            elif answer is not None:
                deliver(answer)

        self._after_commit(stored)
        return request_id

    def answer(
        self,
        request_id: str,
        decision: PermissionDecision,
        updated_input: Mapping[str, Any] | None,
        message: str | None,
        *,
        remember: bool,
    ) -> Encoded[PermissionRequest]:
        """Somebody answers."""
        row = self._store.get(request_id)
        if row is None:
            raise PermissionNotFound
        request = row.load()
        if request.status is not PermissionStatus.OPEN:
            raise PermissionAlreadyResolved(hint=f"It is {request.status.value}.")
        _check(request, decision, updated_input, message, remember=remember)
        ask, deliver = self._waiting.get(request_id, (None, None))
        answer = Answer(
            allowed=decision is PermissionDecision.ALLOW,
            input=updated_input if updated_input is not None else request.input,
            message=message or DENIED,
            rules=ask.rules if remember and ask is not None else (),
        )
        with self._database.write():
            if remember:
                self._conversations.allow_tools(request.session_id, request.rules)
            turn = None if deliver is not None else self._go_on(request, answer)
            resolution = Resolution(
                PermissionStatus.ALLOWED if answer.allowed else PermissionStatus.DENIED,
                message=None if answer.allowed else answer.message,
                updated_input=None if updated_input is None else to_json(updated_input).decode(),
                remembered=to_json(request.rules if remember else []).decode(),
                resumed_by=turn,
                has_unused_grant=answer.allowed and turn is not None,
            )
            resolved = self._resolve(request_id, request.session_id, resolution)
        assert resolved is not None  # it was open a few lines above
        if deliver is not None:
            self._after_commit(lambda failure: None if failure else self.deliver(request_id, answer))
        return resolved

    def withdraw(self, session_id: str, request_id: str, why: str) -> None:
        """Claude does not wait for this answer any more.  Never raises: at worst the question stays open."""
        self._waiting.pop(request_id, None)
        self._safely(lambda: self._resolve(request_id, session_id, Resolution(PermissionStatus.CANCELLED, message=why)))

    def close(self, session_id: str, why: str) -> None:
        """Claude waits for no answer in this session any more.  Never raises, see `withdraw`."""
        for request_id in self._safely(lambda: self._store.open_ids(session_id)) or ():
            self.withdraw(session_id, request_id, why)

    def keep(self, session_id: str) -> None:
        """The turn ends without the answers, which are wanted all the same.  Never raises: the next start does it."""
        for request_id in self._safely(lambda: self._store.open_ids(session_id)) or ():
            self._waiting.pop(request_id, None)
        self._safely(lambda: self._tell_kept(session_id))

    def recover(self) -> list[str]:
        """No turn runs.  The sessions that have open questions."""
        with self._database.write():
            self._tell_kept(None)
        return self._store.asking_sessions()

    def _store_new(self, session_id: str, job_id: str, ask: Ask, shown: bytes) -> str | None:
        if not self._conversations.set_status(session_id, SessionStatus.WAITING):
            return None  # the session was deleted, and its turn is on its way out
        new = NewRequest(
            request_id=self._new_id(),
            session_id=session_id,
            job_id=job_id,
            kind=ask.kind,
            tool_name=ask.tool_name,
            tool_use_id=ask.tool_use_id,
            description=ask.description,
            input=shown.decode(),
            blocked_path=ask.blocked_path,
            rules=to_json([str(rule) for rule in ask.rules]).decode(),
            suggested_mode=ask.suggested_mode,
        )
        stored = self._store.insert(new, iso_now(self._clock))
        self._notify(ClaudePermissionRequested(request=stored.as_model()))
        return new.request_id

    def _granted(self, job_id: str, ask: Ask) -> Answer | None:
        """The answer that was given before this turn, for exactly this call and only once."""
        for grant in self._store.grants(job_id):
            allowed = from_json(grant.allowed)
            if ask.input in (from_json(grant.shown), allowed):
                self._store.spend(grant.request_id)
                return Answer(allowed=True, input=allowed)
        return None

    def _go_on(self, request: PermissionRequest, answer: Answer) -> str:
        """Begin the turn that takes up the session with a late answer."""
        prompt = storable(late_prompt(PermissionKind(request.kind), request.tool_name, answer))
        return self._enqueue(TakeTurn(session_id=request.session_id, prompt=prompt), priority=0).load().job_id

    def deliver(self, request_id: str, answer: Answer) -> None:
        """The answer is durable: whoever waits for it gets it."""
        if (waiting := self._waiting.pop(request_id, None)) is not None:
            waiting[1](answer)

    def _resolve(self, request_id: str, session_id: str, resolution: Resolution) -> Encoded[PermissionRequest] | None:
        resolved = self._store.resolve(request_id, resolution, iso_now(self._clock))
        if resolved is None:
            return None
        self._notify(ClaudePermissionResolved(request=resolved.as_model()))
        self._store.forget(session_id, KEPT)
        if not self._store.open_ids(session_id):
            ended = resolved.load().turn_ended
            self._conversations.set_status(session_id, SessionStatus.INTERRUPTED if ended else SessionStatus.RUNNING)
        return resolved

    def _tell_kept(self, session_id: str | None) -> None:
        for kept in self._store.keep(session_id):
            self._notify(ClaudePermissionRequested(request=kept.as_model()))

    def _safely(self, write: Callable[[], T]) -> T | None:
        try:
            with self._database.write():
                return write()
        except sqlite3.Error:
            log.exception("a question of Claude's could not be written")
            return None


def _check(
    request: PermissionRequest,
    decision: PermissionDecision,
    updated_input: Mapping[str, Any] | None,
    message: str | None,
    *,
    remember: bool,
) -> None:
    """Refuse an answer that does not fit the question: nothing of it is silently left out."""
    allow, values = decision is PermissionDecision.ALLOW, updated_input or {}
    unanswered = request.kind is PermissionKind.QUESTION and not isinstance(values.get("answers"), dict)
    problems = (
        ("updated_input", not allow and updated_input is not None, "a denied call has no input"),
        ("updated_input", len(to_json(values)) > MAX_INPUT_BYTES, "it may be 1 MiB as JSON"),
        ("updated_input", allow and unanswered, "needs the question's input with `answers` added: {question: label}"),
        ("message", allow and message is not None, "only a denial has a message"),
        ("remember", remember and not (allow and request.rules), "there is nothing to remember"),
    )
    details = [{"path": path, "message": words} for path, wrong, words in problems if wrong]
    if details:
        raise InvalidParams(details=details)
