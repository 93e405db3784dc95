"""Every change of a permission request: its row, its session's status and its notifications, in one transaction.

The CLI receives a response once it is durable, so that a crash never makes a tool call run twice.  The response to a
request whose turn has ended starts a new turn.
"""

import logging
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Final

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
from sidecar_protocol.contract import Encoded
from sidecar_protocol.errors import InvalidParams

from sidecar.claude.permissions.cli_requests import MAX_INPUT_BYTES, CliRequest, Response, late_response_prompt
from sidecar.claude.permissions.store import PermissionStore, Resolution
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import storable
from sidecar.clock import iso_now
from sidecar.runtime import Runtime

log = logging.getLogger(__name__)

MAX_OPEN: Final = 20
"""Open requests of a session: more than a user can review, and each may have a megabyte of input."""
MAX_CLOSED: Final = 200
"""Closed requests of a session that stay listed, so that a client that shows an old one can explain it."""
DEFAULT_DENIAL: Final = "The user denied this."

TOO_MANY = Response(
    allowed=False, message="Too many permission requests are open. Wait until the user has answered some."
)
TOO_LARGE = Response(allowed=False, message="This input is too large to be shown to the user. Do it in smaller steps.")
NOT_STORED = Response(
    allowed=False, message="The request could not be stored, so the user cannot be asked. Try again later."
)

Respond = Callable[[Response], None]


class PermissionJournal:
    """Changes permission requests."""

    def __init__(self, runtime: Runtime, store: PermissionStore, sessions: SessionJournal) -> None:
        self.store = store
        self._runtime = runtime
        self._database = runtime.database
        self._sessions = sessions
        self._waiting: dict[str, tuple[CliRequest, Respond]] = {}

    def request(self, session_id: str, job_id: str, request: CliRequest, respond: Respond) -> str | None:
        """Opens a request of a turn; `respond` is called with the response, perhaps at once.

        Returns the request's id, or None if the user is not asked.  Does not raise: a request that cannot be stored is
        denied.
        """
        try:
            shown = request.input_json
        except ValueError:
            respond(TOO_LARGE)
            return None
        try:
            with self._database.write():
                response = self._use_grant(job_id, request)
                if response is None and len(shown) > MAX_INPUT_BYTES:
                    response = TOO_LARGE
                elif response is None and len(self.store.open_ids(session_id)) >= MAX_OPEN:
                    response = TOO_MANY
                request_id = None if response else self._open(session_id, job_id, request, shown)
        except sqlite3.Error:
            log.exception("a permission request could not be stored")
            respond(NOT_STORED)
            return None
        if request_id is not None:
            self._waiting[request_id] = request, respond

        def on_commit(failure: sqlite3.Error | None) -> None:
            if failure is not None:
                self._waiting.pop(request_id or "", None)
                respond(NOT_STORED)
            elif response is not None:
                respond(response)

        self._runtime.after_commit(on_commit)
        return request_id

    def respond(
        self,
        request_id: str,
        decision: PermissionDecision,
        updated_input: Mapping[str, Any] | None,
        message: str | None,
        *,
        remember: bool,
    ) -> Encoded[PermissionRequest]:
        """Responds to a request.

        Raises `PermissionNotFound`, `PermissionAlreadyResolved`, and `InvalidParams` if the response does not fit.
        """
        row = self.store.get(request_id)
        if row is None:
            raise PermissionNotFound
        request = row.load()
        if request.status is not PermissionStatus.OPEN:
            raise PermissionAlreadyResolved(hint=f"It is {request.status.value}.")
        _validate(request, decision, updated_input, message, remember=remember)
        cli_request, respond = self._waiting.get(request_id, (None, None))
        response = Response(
            allowed=decision is PermissionDecision.ALLOW,
            input=updated_input if updated_input is not None else request.input,
            message=message or DEFAULT_DENIAL,
            rules=cli_request.rules if remember and cli_request is not None else (),
        )
        with self._database.write():
            if remember:
                self._sessions.allow_tools(request.session_id, request.rules)
            turn = None if respond is not None else self._enqueue_turn(request, response)
            resolution = Resolution(
                PermissionStatus.ALLOWED if response.allowed else PermissionStatus.DENIED,
                message=None if response.allowed else response.message,
                updated_input=None if updated_input is None else to_json(updated_input).decode(),
                remembered=to_json(request.rules if remember else []).decode(),
                resumed_by=turn,
                has_unused_grant=response.allowed and turn is not None,
            )
            resolved = self._resolve(request_id, request.session_id, resolution)
        assert resolved is not None  # its status was checked above
        if respond is not None:
            self._runtime.after_commit(lambda failure: None if failure else self.deliver(request_id, response))
        return resolved

    def deliver(self, request_id: str, response: Response) -> None:
        """Passes a durable response to the turn that waits for it."""
        if (waiting := self._waiting.pop(request_id, None)) is not None:
            waiting[1](response)

    def cancel(self, session_id: str, request_id: str, reason: str) -> None:
        """Cancels a request.  If that cannot be stored, it is logged and the request stays open."""
        self._waiting.pop(request_id, None)
        with self._database.write_or_log("a permission request could not be cancelled"):
            self._resolve(request_id, session_id, Resolution(PermissionStatus.CANCELLED, message=reason))

    def cancel_all(self, session_id: str, reason: str) -> None:
        """Cancels the open requests of a session.  Does not raise, like `cancel`."""
        for request_id in self._open_ids(session_id):
            self.cancel(session_id, request_id, reason)

    def end_turn(self, session_id: str) -> None:
        """Marks the open requests of a session as outliving their turn.

        If that cannot be stored, it is logged: the next start does the same.
        """
        for request_id in self._open_ids(session_id):
            self._waiting.pop(request_id, None)
        with self._database.write_or_log("the permission requests of an ended turn could not be updated"):
            self._end_turns(session_id)

    def recover(self) -> list[str]:
        """Marks all open requests as outliving their turns; returns the sessions that have such requests."""
        with self._database.write():
            self._end_turns(None)
            return self.store.sessions_with_open_requests()

    def _open_ids(self, session_id: str) -> list[str]:
        try:
            return self.store.open_ids(session_id)
        except sqlite3.Error:
            log.exception("the open permission requests could not be read")
            return []

    def _open(self, session_id: str, job_id: str, request: CliRequest, shown: bytes) -> str | None:
        """Stores a request and sets the session's status; returns None if the session does not exist."""
        if not self._sessions.set_status(session_id, SessionStatus.WAITING):
            return None
        request_id = self._runtime.new_id()
        stored = self.store.insert(request_id, session_id, job_id, request, shown.decode(), self._now())
        self._runtime.notify(ClaudePermissionRequested(request=stored.as_model()))
        return request_id

    def _use_grant(self, job_id: str, request: CliRequest) -> Response | None:
        """Returns the response that was given before this turn, valid once and for exactly this call."""
        for grant in self.store.grants(job_id):
            allowed = from_json(grant.allowed_input)
            if request.input in (from_json(grant.input), allowed):
                self.store.use_grant(grant.request_id)
                return Response(allowed=True, input=allowed)
        return None

    def _enqueue_turn(self, request: PermissionRequest, response: Response) -> str:
        """Queues the turn that continues the session with a late response; returns its job id."""
        prompt = storable(late_response_prompt(request.kind, request.tool_name, response))
        return self._runtime.queue.enqueue(TakeTurn(session_id=request.session_id, prompt=prompt)).load().job_id

    def _resolve(self, request_id: str, session_id: str, resolution: Resolution) -> Encoded[PermissionRequest] | None:
        resolved = self.store.resolve(request_id, resolution, self._now())
        if resolved is None:
            return None
        self._runtime.notify(ClaudePermissionResolved(request=resolved.as_model()))
        self.store.delete_closed(session_id, MAX_CLOSED)
        if not self.store.open_ids(session_id):
            has_ended = resolved.load().turn_ended
            self._sessions.set_status(session_id, SessionStatus.INTERRUPTED if has_ended else SessionStatus.RUNNING)
        return resolved

    def _end_turns(self, session_id: str | None) -> None:
        for request in self.store.end_turns(session_id):
            self._runtime.notify(ClaudePermissionRequested(request=request.as_model()))

    def _now(self) -> str:
        return iso_now(self._runtime.clock)


def _validate(
    request: PermissionRequest,
    decision: PermissionDecision,
    updated_input: Mapping[str, Any] | None,
    message: str | None,
    *,
    remember: bool,
) -> None:
    """Raises `InvalidParams` if a part of the response would have no effect or does not fit the request."""
    allow, values = decision is PermissionDecision.ALLOW, updated_input or {}
    has_answers = isinstance(values.get("answers"), dict)
    needs_answers = allow and request.kind is PermissionKind.QUESTION
    problems = (
        ("updated_input", not allow and updated_input is not None, "is not possible with the decision deny"),
        ("updated_input", len(to_json(values)) > MAX_INPUT_BYTES, "may be at most 1 MiB as JSON"),
        ("updated_input", needs_answers and not has_answers, "must be `input` with `answers` added: {question: label}"),
        ("message", allow and message is not None, "is not possible with the decision allow"),
        ("remember", remember and not (allow and request.rules), "needs the decision allow and a request with `rules`"),
    )
    details = [{"path": path, "message": text} for path, is_wrong, text in problems if is_wrong]
    if details:
        raise InvalidParams(details=details)
