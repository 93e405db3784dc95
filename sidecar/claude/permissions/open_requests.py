"""What one turn asks: from the CLI's lines into the journal, and the answers back to the CLI.

A turn's time stands still while a person is asked, who has time of their own: a turn that waits keeps one of few places
and a process of 190 MB.
"""

from collections.abc import Mapping
from typing import Any, Final

import anyio
from sidecar_protocol.entities import WaitingFor

from sidecar.claude.permissions.cli_requests import Answer, Ask, answer_line, read_ask, refusal_line
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.process.pool import SessionProcess
from sidecar.job_handler import JobContext

ANSWER_S: Final = 1_800.0
"""Who has not answered by then has left; the question is kept, and its answer begins a new turn."""

WITHDRAWN: Final = "Claude took the question back."
OVER = Answer(allowed=False, message="The turn is over, so nobody can be asked. Ask again when the user writes.")


class TurnQuestions:
    """The questions of a turn, from its beginning until `end`; afterwards nobody is asked."""

    def __init__(self, session_id: str, context: JobContext, journal: PermissionJournal, answer_s: float) -> None:
        self._session_id = session_id
        self._context = context
        self._journal = journal
        self._answer_s = answer_s
        self._asked: dict[str, str] = {}
        self._live: SessionProcess | None = None
        self._time = anyio.CancelScope()
        self._left_s = 0.0
        self._over = False
        self.kept = False
        """Whether questions outlived the turn."""

    @property
    def open(self) -> bool:
        """Whether Claude waits for an answer."""
        return bool(self._asked)

    def begin(self, live: SessionProcess, time: anyio.CancelScope) -> None:
        """Questions may come from this process; `time` is the scope whose deadline ends the turn."""
        self._live = live
        self._time = time

    def on_message(self, line: Mapping[str, Any]) -> None:
        """Take a line of the CLI's control protocol; other lines mean nothing here."""
        if line.get("type") == "control_cancel_request":
            if (request_id := self._asked.get(str(line.get("request_id")))) is not None:
                self._journal.withdraw(self._session_id, request_id, WITHDRAWN)
                self._closed(str(line.get("request_id")))
        elif line.get("type") == "control_request" and self._live is not None:
            ask = read_ask(line)
            if ask is None:
                self._live.process.send(refusal_line(line))
            else:
                self._ask(ask, self._live)

    def end(self, why: str | None, *, is_deaf: bool) -> None:
        """The turn is over: `why` no answer is wanted any more, or None to keep what is open.

        A CLI that `is_deaf` gets no more answers: it is about to be interrupted, or has ended.
        """
        asked, self._asked = self._asked, {}
        if asked and why is None:
            self.kept = True
            self._journal.keep(self._session_id)
        elif asked:
            self._journal.close(self._session_id, why or "")
        if self._live is not None and not is_deaf:
            for cli_id in asked:
                self._live.process.send(answer_line(cli_id, OVER))
        self._over = True

    def _ask(self, ask: Ask, live: SessionProcess) -> None:
        def deliver(answer: Answer) -> None:
            self._closed(ask.cli_id)
            live.add_rules(str(rule) for rule in answer.rules)
            live.process.send(answer_line(ask.cli_id, answer))

        if self._over:
            live.process.send(answer_line(ask.cli_id, OVER))
            return
        request_id = self._journal.ask(self._session_id, self._context.job_id, ask, deliver)
        if request_id is None:
            return
        if not self._asked:
            now = anyio.current_time()
            self._left_s = self._time.deadline - now
            self._time.deadline = now + self._answer_s
            self._context.wait_for(WaitingFor.APPROVAL)
        self._asked[ask.cli_id] = request_id
        self._context.log(f"Claude asks: {ask.tool_name}")
        self._context.progress(None, "Claude waits for an answer")

    def _closed(self, cli_id: str) -> None:
        """A question is; with the last one the turn's own time goes on."""
        if self._asked.pop(cli_id, None) is not None and not self._asked:
            self._time.deadline = anyio.current_time() + self._left_s
            self._context.wait_for(None)
            self._context.progress(None, "Claude is working")
