"""Runs jobs of type `claude.turn`: the next prompt of a session, in the session's live process if there is one.

However a turn ends, its session is not `running` afterwards.  A cancelled turn is interrupted and its process is kept;
at a shutdown the process is ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
from sidecar_protocol.claude.runs import TIMEOUT_S, ClaudeRunResult
from sidecar_protocol.claude.sessions import ClaudeTurnResult, MessageKind, Session, SessionStatus, TakeTurn

from sidecar.claude.feed_record import FeedRecord
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.open_requests import RESPONSE_S, OpenRequests
from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions
from sidecar.claude.process.environment import SESSION_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.progress import SILENCE_S, ProgressReporter, timeout_failure
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import NewMessage, messages_in, raw_json
from sidecar.claude.sessions.session_settings import SessionSettings, rejection, reported_mode
from sidecar.job_handler import JobContext, JobFailed
from sidecar.json_reader import parse_object
from sidecar.runtime import Runtime

CONTINUED: Final = "The conversation continued without an answer."
STOPPED: Final = "The turn was stopped."
ENDED: Final = "The turn ended before the request was answered."
UNPARSED_CHARS: Final = 2_000
STORED_AFTER: Final = ("stream_event", "assistant")
"""Lines after which the CLI has stored its session.  If it is killed earlier, it does not know the id that it has
reported (measured).
"""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The time limits of a turn, in seconds."""

    timeout_s: float = TIMEOUT_S
    silence_s: float = SILENCE_S
    response_s: float = RESPONSE_S


class TurnHandler:
    """The handler of `TakeTurn`."""

    def __init__(
        self,
        runtime: Runtime,
        launcher: Launcher,
        pool: ProcessPool,
        sessions: SessionJournal,
        permissions: PermissionJournal,
        times: TurnTimes | None = None,
    ) -> None:
        self._runtime = runtime
        self._launcher = launcher
        self._pool = pool
        self._sessions = sessions
        self._permissions = permissions
        self._times = times or TurnTimes()

    async def run(self, job: TakeTurn, context: JobContext) -> ClaudeTurnResult:
        """Runs the turn.

        Raises `JobFailed` with the kinds of a run, `session_not_found` and `permission_unanswered`.
        """
        self._permissions.cancel_all(job.session_id, CONTINUED)
        has_prompt = context.snoozed_for_s > 0
        session = self._sessions.begin_turn(job.session_id, context.job_id, job.prompt, has_prompt=has_prompt)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found", hint="Start a new session.")
        requests = OpenRequests(job.session_id, context, self._permissions, self._times.response_s)
        turn = _Turn(
            session.load(),
            context,
            self._sessions,
            requests,
            ProgressReporter(context, self._runtime.notify, session_id=job.session_id),
        )
        reader = turn.reporter.reader
        record = FeedRecord(
            self._runtime,
            "turn",
            context,
            job.prompt,
            lambda: {
                "session_id": job.session_id,
                "model": reader.model,
                "claude_session_id": reader.session_id or turn.session.claude_session_id,
                "cwd": turn.session.cwd or str(self._launcher.home),
            },
        )
        try:
            with record.failures():
                answer = await self._answer(job, turn)
        finally:
            self._sessions.end_turn(job.session_id, context.job_id, turn.status, reader.usage)
        # The tokens of all messages of the turn; the result line has only those of the last.
        own = {"usage": reader.usage.tokens, "session_id": job.session_id}
        result = ClaudeTurnResult(**answer.model_dump() | own)
        turn.reporter.answered(result)
        record.completed(result)
        return result

    async def _answer(self, job: TakeTurn, turn: "_Turn") -> ClaudeRunResult:
        try:
            answer = await self._run_in_process(job, turn)
        except JobFailed as failure:
            turn.failed(failure)
            raise
        turn.has_ended = True
        return answer

    async def _run_in_process(self, job: TakeTurn, turn: "_Turn") -> ClaudeRunResult:
        await self._launcher.working_directory(turn.session.cwd)  # a live process would not notice a missing folder
        settings = self._settings(turn.session)
        live = await self._pool.acquire(
            job.session_id, lambda on_line: self._start(turn.session, settings, on_line), turn.on_line, settings
        )
        turn.live = live
        live.apply_settings(self._settings(turn.session))  # they may have changed while the process was started
        reporter, requests = turn.reporter, turn.requests
        reporter.reader.cost_so_far = live.cost_so_far
        timeout = anyio.CancelScope(deadline=anyio.current_time() + self._times.timeout_s)
        requests.begin(live, timeout)
        try:
            live.process.send_prompt(job.prompt)
            with timeout:
                await reporter.wait_for_result(
                    live.process, self._times.silence_s, is_waiting=lambda: requests.is_waiting
                )
        finally:
            in_time = live.process.prompt_done.is_set()
            is_unanswered = timeout.cancel_called and requests.is_waiting
            leave_open = is_unanswered or self._runtime.is_draining()
            requests.end(None if leave_open else ENDED if in_time else STOPPED, can_receive=in_time)
            with anyio.CancelScope(shield=True):
                await self._pool.release(live)
            live.cost_so_far = reporter.reader.cost_so_far
        if is_unanswered:
            raise _unanswered(self._times.response_s)
        if not in_time:
            raise timeout_failure(self._times.timeout_s, "Split the prompt into smaller steps.")
        return reporter.outcome(live.process)

    def _settings(self, session: Session) -> SessionSettings:
        latest = self._sessions.store.get(session.session_id)
        return SessionSettings.of(session if latest is None else latest.load())

    async def _start(
        self, session: Session, settings: SessionSettings, on_line: Callable[[bytes], bool]
    ) -> ClaudeProcess:
        resumed, is_fork = self._sessions.store.resume_point(session.session_id)
        options = RunOptions(
            model=settings.model,
            session_id=resumed,
            fork=is_fork,
            allowed_tools=settings.allowed_tools,
            permission_mode=settings.permission_mode,
            system_prompt=session.system_prompt,
            can_request_permission=True,
        )
        return await self._launcher.start(SESSION_ENV, session.session_id, options, session.cwd, on_line)


class _Turn:
    """Handles the lines of a session's process: stores messages, and follows the session's state in the CLI."""

    def __init__(
        self,
        session: Session,
        context: JobContext,
        sessions: SessionJournal,
        requests: OpenRequests,
        reporter: ProgressReporter,
    ) -> None:
        self.session = session
        self.requests = requests
        self.reporter = reporter
        self.live: SessionProcess | None = None
        self.has_ended = False
        """Whether the turn was answered or failed, instead of being cancelled."""
        self._context = context
        self._sessions = sessions
        self._has_error_message = False
        self._claude_session_id = session.claude_session_id

    @property
    def status(self) -> SessionStatus:
        """The status of the session after the turn."""
        if self.requests.has_left_open:
            return SessionStatus.WAITING
        return SessionStatus.IDLE if self.has_ended else SessionStatus.INTERRUPTED

    def on_line(self, line: bytes) -> bool:
        """Handles a line.  Returns whether it is the result."""
        if not line.strip():
            return False
        parsed = parse_object(line)
        if parsed is None:
            self._add(NewMessage(MessageKind.RAW, line[:UNPARSED_CHARS].decode("utf-8", "replace")))
        else:
            for message in messages_in(parsed):
                self._add(replace(message, raw=raw_json(line, parsed)))
            self._store_claude_session_id(parsed)
            self.requests.on_line(parsed)
            self._follow_settings(parsed)
        return self.reporter.on_line(parsed)

    def failed(self, failure: JobFailed) -> None:
        """Adds the failure to the session, unless the CLI has sent an error message."""
        self.has_ended = True
        if not self._has_error_message:
            self._add(NewMessage(MessageKind.ERROR, failure.message))

    def _store_claude_session_id(self, line: Mapping[str, Any]) -> None:
        claude_id = line.get("session_id")
        if isinstance(claude_id, str) and claude_id != self._claude_session_id and line.get("type") in STORED_AFTER:
            self._claude_session_id = claude_id
            self._sessions.set_claude_session_id(self.session.session_id, claude_id)

    def _follow_settings(self, line: Mapping[str, Any]) -> None:
        """Handles rejected settings, and permission modes that the CLI has changed to."""
        if self.live is None or self.live.settings is None:
            return
        if (error := rejection(line)) is not None:
            self.live.settings = None
            self._context.log(f"Claude Code applies the new settings from the next turn on: {error}", level="warning")
        elif (mode := reported_mode(line)) is not None and mode != self.live.settings.permission_mode:
            self.live.settings = replace(self.live.settings, permission_mode=mode)
            self._sessions.set_permission_mode(self.session.session_id, mode)

    def _add(self, message: NewMessage) -> None:
        self._has_error_message = self._has_error_message or message.kind is MessageKind.ERROR
        self._sessions.add_message(self.session.session_id, self._context.job_id, message)


def _unanswered(response_s: float) -> JobFailed:
    return JobFailed(
        f"The permission request was not answered within {response_s / 60:g} minutes, so the turn was stopped.",
        kind="permission_unanswered",
        hint="The request stays open: answer it, and the session continues in a new turn.",
    )
