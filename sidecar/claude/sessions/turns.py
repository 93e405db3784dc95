"""Runs jobs of type `claude.turn`: the next prompt of a session, in the session's live process if there is one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import anyio
from sidecar_protocol.claude.runs import TIMEOUT_S, ClaudeRunResult
from sidecar_protocol.claude.sessions import ClaudeTurnResult, MessageKind, Session, SessionStatus, TakeTurn

from sidecar.claude.live_tasks import LiveJobs, contract_tasks
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.open_requests import RESPONSE_S, OpenRequests
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine, RunOptions
from sidecar.claude.process.environment import SESSION_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.process.work import LiveTask
from sidecar.claude.reporting import SILENCE_S, FeedEntry, ProgressReporter, timeout_failure
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.messages import NewMessage, messages_in, raw_json
from sidecar.claude.sessions.session_settings import SessionSettings, rejection, reported_mode
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import Runtime

CONTINUED: Final = "The conversation continued without an answer."
STOPPED: Final = "The turn was stopped."
ENDED: Final = "The turn ended before the request was answered."
UNPARSED_CHARS: Final = 2_000
STORED_AFTER: Final = ("stream_event", "assistant")
"""Lines after which the CLI has stored its session and will know the id that it has reported."""


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """The time limits of a turn, in seconds."""

    timeout_s: float = TIMEOUT_S
    silence_s: float = SILENCE_S
    response_s: float = RESPONSE_S


NORMAL_TIMES: Final = TurnTimes()


@dataclass(frozen=True, slots=True)
class TurnHandler:
    """The handler of `TakeTurn`."""

    runtime: Runtime
    launcher: Launcher
    pool: ProcessPool
    sessions: SessionJournal
    permissions: PermissionJournal
    live: LiveJobs
    times: TurnTimes = NORMAL_TIMES

    async def run(self, job: TakeTurn, context: JobContext) -> ClaudeTurnResult:
        """Raises `JobFailed` with the kinds of a run, `session_not_found` and `permission_unanswered`."""
        self.permissions.cancel_all(job.session_id, CONTINUED)
        has_prompt = context.snoozed_for_s > 0
        session = self.sessions.begin_turn(job.session_id, context.job_id, job.prompt, has_prompt=has_prompt)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found", hint="Start a new session.")
        requests = OpenRequests(job.session_id, context, self.permissions, self.times.response_s)

        def on_tasks(tasks: Sequence[LiveTask]) -> None:
            self.sessions.set_tasks(job.session_id, contract_tasks(context.job_id, tasks))

        reporter = ProgressReporter(context, self.runtime.notify, session_id=job.session_id, on_tasks=on_tasks)
        turn = _Turn(session.load(), context, self.sessions, requests, reporter)
        reader = reporter.reader

        def details() -> dict[str, object]:
            claude_id = reader.session_id or turn.session.claude_session_id
            cwd = turn.session.cwd or str(self.launcher.home)
            return {"session_id": job.session_id, "model": reader.model, "claude_session_id": claude_id, "cwd": cwd}

        entry = FeedEntry(self.runtime, "turn", context, job.prompt, details)
        try:
            with entry.failures(waits=True), turn.failures():
                answer = await self._answer(job, turn)
        finally:
            self.sessions.end_turn(job.session_id, context.job_id, turn.status, reader.usage)
        result = ClaudeTurnResult(**answer.model_dump() | {"session_id": job.session_id})
        entry.completed(result)
        return result

    async def _answer(self, job: TakeTurn, turn: "_Turn") -> ClaudeRunResult:
        await self.launcher.working_directory(turn.session.cwd)  # a live process would not notice a missing folder
        settings = self._settings(turn.session)
        live = await self.pool.acquire(
            job.session_id, lambda on_line: self._start(turn.session, settings, on_line), turn.on_line, settings
        )
        turn.live, process = live, live.process
        live.apply_settings(self._settings(turn.session))  # they may have changed while the process was started
        reporter, requests = turn.reporter, turn.requests
        reporter.reader.continue_from(live.totals)
        reporter.work = process.work
        timeout_s = self.times.timeout_s if job.timeout_s is None else job.timeout_s
        timeout = anyio.CancelScope(deadline=anyio.current_time() + timeout_s)
        requests.begin(live, timeout)
        try:
            process.send_prompt(job.prompt)
            with timeout, self.live.running(turn.context.job_id, job.session_id, process):
                await reporter.wait_for_result(process, self.times.silence_s, is_waiting=lambda: requests.is_waiting)
        finally:
            in_time = process.prompt_done.is_set()
            failure = None if in_time else timeout_failure(timeout_s, process.work)
            is_unanswered = timeout.cancel_called and requests.is_waiting
            leave_open = is_unanswered or self.runtime.is_draining()
            requests.end(None if leave_open else ENDED if in_time else STOPPED, can_receive=in_time)
            with anyio.CancelScope(shield=True):
                await self.pool.release(live)
            live.totals = reporter.reader.totals
        if is_unanswered:
            limit = f"{self.times.response_s / 60:g} minutes"
            message = f"The permission request was not answered within {limit}, so the turn was stopped."
            hint = "The request stays open: answer it, and the session continues in a new turn."
            raise JobFailed(message, kind="permission_unanswered", hint=hint)
        if failure is not None:
            raise failure
        return reporter.outcome(process)

    def _settings(self, session: Session) -> SessionSettings:
        latest = self.sessions.store.get(session.session_id)
        return SessionSettings.of(session if latest is None else latest.load())

    async def _start(self, session: Session, settings: SessionSettings, on_line: OnLine) -> ClaudeProcess:
        resumed, is_fork = self.sessions.store.resume_point(session.session_id)
        options = RunOptions(
            model=settings.model,
            session_id=resumed,
            fork=is_fork,
            allowed_tools=settings.allowed_tools,
            permission_mode=settings.permission_mode,
            system_prompt=session.system_prompt,
            can_request_permission=True,
        )
        return await self.launcher.start(SESSION_ENV, session.session_id, options, session.cwd, on_line)


@dataclass(slots=True)
class _Turn:
    """Handles the lines of a session's process: stores messages, and follows the session's state in the CLI."""

    session: Session
    context: JobContext
    sessions: SessionJournal
    requests: OpenRequests
    reporter: ProgressReporter
    live: SessionProcess | None = None
    has_ended: bool = False
    """Whether the turn was answered or failed, instead of being cancelled."""
    has_error_message: bool = False

    @property
    def status(self) -> SessionStatus:
        """The status of the session after the turn."""
        if self.requests.has_left_open:
            return SessionStatus.WAITING
        return SessionStatus.IDLE if self.has_ended else SessionStatus.INTERRUPTED

    def on_line(self, line: bytes, parsed: Mapping[str, Any] | None) -> None:
        """Handles a line."""
        if parsed is None:
            self._add(NewMessage(MessageKind.RAW, line[:UNPARSED_CHARS].decode("utf-8", "replace")))
        else:
            for message in messages_in(parsed):
                self._add(replace(message, raw=raw_json(line, parsed)))
            self._store_claude_session_id(parsed)
            self.requests.on_line(parsed)
            self._follow_settings(parsed)
        self.reporter.on_line(parsed)

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Adds the failure of the block to the session, unless the CLI has sent an error message."""
        try:
            yield
        except JobFailed as failure:
            self.has_ended = True
            if not self.has_error_message:
                self._add(NewMessage(MessageKind.ERROR, failure.message))
            raise
        self.has_ended = True

    def _store_claude_session_id(self, line: Mapping[str, Any]) -> None:
        claude_id = line.get("session_id")
        is_new = claude_id != self.session.claude_session_id
        if isinstance(claude_id, str) and is_new and line.get("type") in STORED_AFTER:
            self.session = self.session.model_copy(update={"claude_session_id": claude_id})
            self.sessions.set_claude_session_id(self.session.session_id, claude_id)

    def _follow_settings(self, line: Mapping[str, Any]) -> None:
        """Handles rejected settings, and permission modes that the CLI has changed to."""
        if self.live is None or self.live.settings is None:
            return
        if (error := rejection(line)) is not None:
            self.live.settings = None
            self.context.log(f"Claude Code applies the new settings from the next turn on: {error}", level="warning")
        elif (mode := reported_mode(line)) is not None and mode != self.live.settings.permission_mode:
            self.live.settings = replace(self.live.settings, permission_mode=mode)
            self.sessions.set_permission_mode(self.session.session_id, mode)

    def _add(self, message: NewMessage) -> None:
        self.has_error_message = self.has_error_message or message.kind is MessageKind.ERROR
        self.sessions.add_message(self.session.session_id, self.context.job_id, message)
