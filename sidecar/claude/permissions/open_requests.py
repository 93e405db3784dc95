"""The open permission requests of a turn: from the CLI's lines to the journal, and the responses back to the CLI."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import anyio
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.gate.rules import is_hook
from sidecar.claude.hub import is_hub_request
from sidecar.claude.permissions.cli_requests import CliRequest, Response, parse_request, response_line, unsupported_line
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.pool import SessionProcess
from sidecar.job_handler import JobContext
from sidecar.json_reader import get_text

RESPONSE_S: Final = 1_800.0
"""A user who has not responded by then is away.  The request stays open, and its response begins a new turn."""

WITHDRAWN: Final = "Claude withdrew the request."
TURN_OVER = Response(
    allowed=False, message="The turn is over, so the user cannot be asked. Ask again in the next turn."
)


class OpenRequests:
    """The open permission requests of a turn, until `end`; later requests are denied."""

    def __init__(self, session_id: str, context: JobContext, journal: PermissionJournal, response_s: float) -> None:
        self._session_id = session_id
        self._context = context
        self._journal = journal
        self._response_s = response_s
        self._ids: dict[str, str] = {}  # by the CLI's id
        self._agents: dict[str, tuple[str | None, str | None]] = {}
        """The call and the type of each subagent, by the CLI's id of it."""
        self._live: SessionProcess | None = None
        self._timeout = anyio.CancelScope()
        self._left_s = 0.0
        self._is_over = False
        self.has_left_open = False
        """Whether requests stayed open at the end of the turn."""

    @property
    def is_waiting(self) -> bool:
        """Whether a request is open."""
        return bool(self._ids)

    def begin(self, live: SessionProcess, timeout: anyio.CancelScope) -> None:
        """Accepts requests of this process; `timeout` is the scope whose deadline ends the turn."""
        self._live = live
        self._timeout = timeout

    def on_line(self, line: Mapping[str, Any]) -> None:
        """Handles a line of the CLI's control protocol; ignores other lines."""
        if line.get("subtype") == "task_started" and (task_id := get_text(line, "task_id")) is not None:
            self._agents[task_id] = get_text(line, "tool_use_id"), get_text(line, "subagent_type")
        elif line.get("type") == "control_cancel_request":
            cli_id = str(line.get("request_id"))
            if (request_id := self._ids.get(cli_id)) is not None:
                self._journal.cancel(self._session_id, request_id, WITHDRAWN)
                self._remove(cli_id)
        elif line.get("type") == "control_request" and self._live is not None:
            request = parse_request(line)
            if request is None and not is_hub_request(line) and not is_hook(line):  # which are answered already
                self._live.process.send(unsupported_line(line))
            elif request is not None:
                parent, agent = self._agents.get(request.agent_id or "", (None, None))
                self._add(replace(request, parent=parent, agent=agent), self._live)

    def end(self, reason: str | None, *, can_receive: bool) -> None:
        """Ends the turn.  Cancels the open requests, or without a `reason` leaves them open.

        The CLI receives a denial for each if it `can_receive`: it cannot if it has ended or will be interrupted.
        """
        ids, self._ids = self._ids, {}
        if ids and reason is None:
            self.has_left_open = self._journal.end_turn(self._session_id, ids.values())
        elif ids and reason is not None:
            self._journal.cancel_all(self._session_id, reason)
        if self._live is not None and can_receive:
            for cli_id in ids:
                self._live.process.send(response_line(cli_id, TURN_OVER))
        self._is_over = True

    def _add(self, request: CliRequest, live: SessionProcess) -> None:
        def respond(response: Response) -> None:
            self._remove(request.cli_id)
            live.add_rules(str(rule) for rule in response.rules)
            live.process.send(response_line(request.cli_id, response))

        if self._is_over:
            live.process.send(response_line(request.cli_id, TURN_OVER))
            return
        request_id = self._journal.request(self._session_id, self._context.job_id, request, respond)
        if request_id is None:
            return
        if not self._ids:
            now = anyio.current_time()
            self._left_s = self._timeout.deadline - now
            self._timeout.deadline = now + self._response_s
            self._context.wait_for(WaitingFor.APPROVAL)
        self._ids[request.cli_id] = request_id
        self._context.log(f"Claude requests permission: {request.tool_name}")
        self._context.progress(None, "Claude waits for permission")

    def _remove(self, cli_id: str) -> None:
        """Removes a request; with the last one the turn's own timeout resumes."""
        if self._ids.pop(cli_id, None) is not None and not self._ids:
            self._timeout.deadline = anyio.current_time() + self._left_s
            self._context.wait_for(None)
            self._context.progress(None, "Claude is working")
