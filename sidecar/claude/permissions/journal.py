"""Every change of a permission request: its row, its session's status and its notifications, in one transaction."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from pydantic_core import from_json, to_json
from sidecar_protocol.claude.gate import DecidedBy, Verdict
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
from sidecar_protocol.scalars import MAX_PRIORITY

from sidecar.claude.gate.rules import digest
from sidecar.claude.gate.store import GateStore, Owner
from sidecar.claude.permissions.cli_requests import (
    MAX_INPUT_BYTES,
    CliRequest,
    Response,
    contract_suggestion,
    late_response_prompt,
)
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import storable
from sidecar.clock import iso_now
from sidecar.runtime import Runtime
from sidecar.storage.paging import PagedList, row_json

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
ToolInput = Mapping[str, Any]

JSON_COLUMNS: Final = ("input", "rules", "suggestions", "updated_input", "remembered", "applied")
REQUEST_JSON: Final = row_json(
    PermissionRequest,
    **{name: f"json({name}_json)" for name in JSON_COLUMNS},
)
_REQUESTS: Final = PagedList(PermissionRequest, "claude_permissions", REQUEST_JSON, {"rowid": int}, descending=True)


class PermissionJournal:
    """The table `claude_permissions`."""

    def __init__(self, runtime: Runtime, sessions: SessionJournal) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._sessions = sessions
        self._gate = GateStore(runtime.database, runtime.clock)
        self._waiting: dict[str, tuple[CliRequest, Respond]] = {}
        self._undelivered: dict[str, tuple[str, Response]] = {}
        """The session and the response of requests whose response is written, but not yet durable."""

    def page(
        self, session_id: str | None, status: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Encoded[PermissionRequest]], str | None]:
        """Returns requests, newest first, and the cursor of the next page."""
        return _REQUESTS.page(self._database, limit, cursor, equal={"session_id": session_id, "status": status})

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
                elif response is None and len(self._open_ids(session_id)) >= MAX_OPEN:
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
        updated_input: ToolInput | None,
        message: str | None,
        *,
        remember: bool,
        suggestions: Sequence[int] = (),
    ) -> Encoded[PermissionRequest]:
        """Raises `PermissionNotFound`, `PermissionAlreadyResolved`, or `InvalidParams` if the response does not fit."""
        sql = f"SELECT {REQUEST_JSON} FROM claude_permissions WHERE request_id = ?"
        found = self._database.encoded(PermissionRequest, sql, (request_id,))
        if found is None:
            raise PermissionNotFound
        request = found.load()
        if request.status is not PermissionStatus.OPEN:
            raise PermissionAlreadyResolved(hint=f"It is {request.status.value}.")
        allow = decision is PermissionDecision.ALLOW
        _validate(request, updated_input, message, allow=allow, remember=remember)
        cli_request, respond = self._waiting.get(request_id, (None, None))
        offered = () if cli_request is None else cli_request.suggestions
        if suggestions and (not allow or max(suggestions) >= len(offered)):
            problem = "need the decision allow, and must be positions in the suggestions of a request whose turn waits"
            raise InvalidParams(details=[{"path": "suggestions", "message": problem}])
        response = Response(
            allowed=allow,
            input=updated_input if updated_input is not None else request.input,
            message=message or DEFAULT_DENIAL,
            rules=cli_request.rules if remember and cli_request is not None else (),
            suggestions=[offered[index] for index in suggestions],
        )
        with self._database.write():
            if remember:
                self._sessions.allow_tools(request.session_id, request.rules)
            self._decide(request, response)
            turn = None if respond is not None else self._enqueue_turn(request, response)
            (resolved,) = self._resolve(
                request.session_id,
                request_id,
                PermissionStatus.ALLOWED if allow else PermissionStatus.DENIED,
                message=None if allow else response.message,
                updated_input_json=None if updated_input is None else to_json(updated_input).decode(),
                remembered_json=to_json(request.rules if remember else []).decode(),
                applied_json=to_json(suggestions).decode(),
                resumed_by=turn,
                has_unused_grant=allow and turn is not None,
            )
        if respond is not None:
            self._undelivered[request_id] = request.session_id, response
            self._runtime.after_commit(lambda failure: self.deliver(request_id, failure))
        return resolved

    def _decide(self, request: PermissionRequest, response: Response) -> None:
        """Adds the response to the decisions about tools."""
        call = (request.tool_name, request.tool_use_id, digest(response.input))
        verdict, reason = (Verdict.ALLOW, None) if response.allowed else (Verdict.DENY, response.message)
        self._gate.decide(Owner(request.session_id), call, verdict, DecidedBy.PERSON, reason)

    def deliver(self, request_id: str, failure: sqlite3.Error | None) -> None:
        """Passes a durable response to the turn that waits for it, unless that has ended meanwhile."""
        _, response = self._undelivered.pop(request_id, (None, None))
        if failure is None and response is not None and (waiting := self._waiting.pop(request_id, None)) is not None:
            waiting[1](response)

    def cancel(self, session_id: str, request_id: str, reason: str) -> None:
        """Cancels a request, also one whose response has not reached Claude.

        If that cannot be stored, it is logged and the request stays open.  Inside a transaction of the caller's the
        error is raised instead, and the request's turn still waits for the response.
        """
        with self._database.write_or_log("a permission request could not be cancelled"):
            self._cancel(session_id, request_id, reason)
        self._forget(request_id)

    def _cancel(self, session_id: str, request_id: str, reason: str) -> None:
        is_answered = request_id in self._undelivered
        self._resolve(session_id, request_id, PermissionStatus.CANCELLED, is_answered=is_answered, message=reason)

    def _forget(self, *request_ids: str) -> None:
        for request_id in request_ids:
            self._waiting.pop(request_id, None)
            self._undelivered.pop(request_id, None)

    def cancel_all(self, session_id: str, reason: str) -> None:
        """Cancels the open requests of a session, each as `cancel` does."""
        try:
            request_ids = self._unfinished_ids(session_id)
        except sqlite3.Error:
            log.exception("the open permission requests could not be read")
            return
        for request_id in request_ids:
            self.cancel(session_id, request_id, reason)

    def _unfinished_ids(self, session_id: str) -> list[str]:
        """Returns the ids of a session's requests that are open, or whose response has not reached Claude."""
        answered = (one for one, (session, _) in self._undelivered.items() if session == session_id)
        return [*self._open_ids(session_id), *answered]

    @contextmanager
    def session_deletion(self, session_id: str) -> Iterator[None]:
        """Cancels the open requests of a session that the block deletes.

        If the block fails, or cannot be committed, they are still open and their turns wait for the responses.
        """
        with self._database.write():
            request_ids = self._unfinished_ids(session_id)
            for request_id in request_ids:
                self._cancel(session_id, request_id, "The session was deleted.")
            yield
        self._runtime.after_commit(lambda failure: self._forget(*(request_ids if failure is None else ())))

    def end_turn(self, session_id: str, request_ids: Iterable[str]) -> bool:
        """Marks the open requests of a session, which have these ids, as outliving their turn.

        A response that has not reached Claude is then a late one.  Returns whether one of the requests is still open.
        If that cannot be stored, it is logged: the next start does the same.
        """
        late = [(one, self._undelivered.pop(one, None), self._waiting.pop(one, None)) for one in request_ids]
        with self._database.write_or_log("the permission requests of an ended turn could not be updated"):
            self._end_turns("session_id = :session_id", session_id=session_id)
            for request_id, answered, _ in late:
                if answered is not None:
                    self._respond_late(request_id, answered[1])
        return any(answered is None for _, answered, _ in late)

    def _respond_late(self, request_id: str, response: Response) -> None:
        sql = f"SELECT {REQUEST_JSON} FROM claude_permissions WHERE request_id = ?"
        found = self._database.encoded(PermissionRequest, sql, (request_id,))
        assert found is not None  # its response was just written
        self._change(
            ClaudePermissionResolved,
            """
            UPDATE claude_permissions SET resumed_by = :turn, has_unused_grant = :allowed, turn_ended = 1,
                version = version + 1
            WHERE request_id = :request_id
            """,
            request_id=request_id,
            turn=self._enqueue_turn(found.load(), response),
            allowed=response.allowed,
        )

    def recover(self) -> list[str]:
        """Marks all open requests as outliving their turns; returns the sessions that have such requests."""
        with self._database.write():
            self._end_turns("TRUE")
            return self._database.values("SELECT DISTINCT session_id FROM claude_permissions WHERE status = 'open'")

    def _open_ids(self, session_id: str) -> list[str]:
        sql = "SELECT request_id FROM claude_permissions WHERE session_id = ? AND status = 'open'"
        return self._database.values(sql, (session_id,))

    def _open(self, session_id: str, job_id: str, request: CliRequest, shown: bytes) -> str | None:
        """Stores a request and sets the session's status; returns None if the session does not exist."""
        if self._sessions.set_status(session_id, SessionStatus.WAITING) is None:
            return None
        request_id = self._runtime.new_id()
        self._change(
            ClaudePermissionRequested,
            """
            INSERT INTO claude_permissions (request_id, session_id, job_id, kind, tool_name, tool_use_id, description,
                                            input_json, blocked_path, rules_json, suggested_mode, decision_reason,
                                            decision_reason_type, parent, agent, suggestions_json, created_at)
            VALUES (:request_id, :session_id, :job_id, :kind, :tool_name, :tool_use_id, :description,
                    :shown, :blocked_path, :rules, :suggested_mode, :decision_reason,
                    :decision_reason_type, :parent, :agent, :suggestions, :now)
            """,
            request_id=request_id, session_id=session_id, job_id=job_id, kind=request.kind,
            tool_name=request.tool_name, tool_use_id=request.tool_use_id, description=request.description,
            shown=shown.decode(), blocked_path=request.blocked_path,
            rules=to_json([str(rule) for rule in request.rules]).decode(), suggested_mode=request.suggested_mode,
            decision_reason=request.decision_reason, decision_reason_type=request.decision_reason_type,
            parent=request.parent, agent=request.agent,
            suggestions=to_json([contract_suggestion(one) for one in request.suggestions]).decode(),
        )  # fmt: skip
        return request_id

    def _use_grant(self, job_id: str, request: CliRequest) -> Response | None:
        """Returns the response that was given before this turn, valid once and for exactly this call."""
        grants = self._database.rows(
            """
            SELECT request_id, input_json, coalesce(updated_input_json, input_json) FROM claude_permissions
            WHERE resumed_by = ? AND has_unused_grant = 1
            """,
            (job_id,),
        )
        for request_id, *inputs in grants:
            shown, allowed = map(from_json, inputs)
            if request.input in (shown, allowed):
                sql = "UPDATE claude_permissions SET has_unused_grant = 0 WHERE request_id = ?"
                self._database.execute(sql, (request_id,))
                return Response(allowed=True, input=allowed)
        return None

    def _enqueue_turn(self, request: PermissionRequest, response: Response) -> str:
        """Queues the turn that continues the session with a late response; returns its job id.

        It runs before prompts that are queued already, which would make it untrue that the last turn was interrupted.
        """
        prompt = storable(late_response_prompt(request.kind, request.tool_name, response))
        turn = TakeTurn(session_id=request.session_id, prompt=prompt)
        return self._runtime.queue.enqueue(turn, priority=MAX_PRIORITY).load().job_id

    def _resolve(
        self,
        session_id: str,
        request_id: str,
        status: PermissionStatus,
        *,
        is_answered: bool = False,
        **columns: object,
    ) -> list[Encoded[PermissionRequest]]:
        """Closes a request and sets these columns.  Returns it, or nothing if it is not open, nor `is_answered`."""
        assignments = ", ".join(f"{column} = :{column}" for column in columns)
        resolved = self._change(
            ClaudePermissionResolved,
            f"""
            UPDATE claude_permissions SET status = :status, {assignments}, resolved_at = :now, version = version + 1
            WHERE request_id = :request_id AND (status = 'open' OR :is_answered)
            """,
            request_id=request_id,
            status=status,
            is_answered=is_answered,
            **columns,
        )
        if resolved:
            self._database.execute(
                """
                DELETE FROM claude_permissions
                WHERE session_id = :session_id AND status <> 'open' AND request_id NOT IN (
                    SELECT request_id FROM claude_permissions WHERE session_id = :session_id AND status <> 'open'
                    ORDER BY rowid DESC LIMIT :limit)
                """,
                {"session_id": session_id, "limit": MAX_CLOSED},
            )
            if not self._open_ids(session_id):
                has_ended = resolved[0].load().turn_ended
                self._sessions.set_status(session_id, SessionStatus.INTERRUPTED if has_ended else SessionStatus.RUNNING)
        return resolved

    def _end_turns(self, condition: str, **values: object) -> None:
        self._change(
            ClaudePermissionRequested,
            f"""
            UPDATE claude_permissions SET turn_ended = 1, version = version + 1
            WHERE status = 'open' AND turn_ended = 0 AND {condition}
            """,
            **values,
        )

    def _change(
        self, notification: type[ClaudePermissionRequested] | type[ClaudePermissionResolved], sql: str, **values: object
    ) -> list[Encoded[PermissionRequest]]:
        """Runs a statement and notifies the client of the requests that it has changed.  `now` is a parameter of it."""
        values["now"] = iso_now(self._runtime.clock)
        requests = self._database.all_encoded(PermissionRequest, f"{sql} RETURNING {REQUEST_JSON}", values)
        for request in requests:
            self._runtime.notify(notification(request=request.as_model()))
        return requests


def _validate(
    request: PermissionRequest, updated_input: ToolInput | None, message: str | None, *, allow: bool, remember: bool
) -> None:
    """Raises `InvalidParams` if a part of the response would have no effect or does not fit the request."""
    values = updated_input or {}
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
