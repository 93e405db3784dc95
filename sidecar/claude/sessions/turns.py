"""Carries out the job `claude.turn`: the next prompt of a session, in the session's live process where there is one.

However a turn ends, its session is not `running` afterwards.  A cancelled one is interrupted, and its process lives on;
on the way out of the whole process it is ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import anyio
from sidecar_protocol.claude.runs import TIMEOUT_S, ClaudeUsage
from sidecar_protocol.claude.sessions import ClaudeTurnResult, MessageKind, Session, SessionStatus, TakeTurn
from sidecar_protocol.contract import Notification

from sidecar.claude.limits import snooze_until_reset
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.open_requests import ANSWER_S, TurnQuestions
from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions
from sidecar.claude.process.environment import SESSION_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.report import (
    DESCRIPTION_CHARS,
    SILENCE_S,
    RecordRun,
    Report,
    answer_fields,
    recorded,
    timed_out,
)
from sidecar.claude.sessions.conversations import Conversations, storable_raw
from sidecar.claude.sessions.items import Item, items_of
from sidecar.claude.sessions.live_settings import Settings, refusal, told_mode
from sidecar.claude.sessions.texts import title_of
from sidecar.claude.stream import RunOutcome
from sidecar.clock import Clock
from sidecar.job_handler import JobContext, JobFailed
from sidecar.json_reader import parse_object

WENT_ON = "The conversation went on without an answer."
STOPPED = "The turn was stopped."
ENDED = "The turn ended without the answer."
UNPARSED_CHARS = 2_000
ANSWERS = ("stream_event", "assistant")
"""From these on the CLI has stored its session.  Killed before, it knows none, though it had told the id (measured)."""


class TurnHandler:
    """The handler of `TakeTurn`."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        pool: ProcessPool,
        conversations: Conversations,
        permissions: PermissionJournal,
        notify: Callable[[Notification], None],
        record: RecordRun,
        clock: Clock,
        is_draining: Callable[[], bool],
        timeout_s: float = TIMEOUT_S,
        silence_s: float = SILENCE_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._launcher = launcher
        self._pool = pool
        self._conversations = conversations
        self._permissions = permissions
        self._notify = notify
        self._record = record
        self._clock = clock
        self._is_draining = is_draining
        self._timeout_s = timeout_s
        self._silence_s = silence_s
        self._answer_s = answer_s

    async def run(self, job: TakeTurn, context: JobContext) -> ClaudeTurnResult:
        """Take the turn; raises `JobFailed` with the kinds of a run, `session_not_found` and `unanswered`."""
        self._permissions.close(job.session_id, WENT_ON)
        session = self._conversations.begin(
            job.session_id, context.job_id, job.prompt, asked_before=context.snoozed_for_s > 0
        )
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found", hint="Start a new session.")
        questions = TurnQuestions(job.session_id, context, self._permissions, self._answer_s)
        turn = _Turn(session.load(), context, self._conversations, questions, self._notify)
        status = SessionStatus.INTERRUPTED
        try:
            outcome = await self._carry_out(job, turn)
            status = SessionStatus.IDLE
        except JobFailed as failure:
            status = SessionStatus.IDLE
            turn.failed(failure)
            later = snooze_until_reset(failure, now_ms=self._clock.now_ms(), snoozed_for_s=context.snoozed_for_s)
            if later is not None:
                raise later from failure
            self._remember(job, turn, "turn_failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._remember(job, turn, "turn_cancelled", None, {"shutdown": self._is_draining()})
            raise
        finally:
            status = SessionStatus.WAITING if questions.kept else status
            self._conversations.end(job.session_id, context.job_id, status, turn.report.reader.usage)
        fields = answer_fields(outcome) | {"usage": turn.usage}
        result = ClaudeTurnResult(**fields, session_id=job.session_id)
        turn.report.finished(result)
        self._remember(job, turn, "turn_completed", result.text, recorded(result))
        return result

    async def _carry_out(self, job: TakeTurn, turn: "_Turn") -> RunOutcome:
        await self._launcher.working_directory(turn.session.cwd)  # a live process would not notice that it is gone
        wanted = self._settings(turn.session)
        live = await self._pool.acquire(
            job.session_id, lambda on_line: self._start(turn.session, wanted, on_line), turn.on_line, wanted
        )
        turn.live = live
        live.apply_settings(self._settings(turn.session))  # they may have changed while it was started
        turn.report.reader.cost_so_far = live.cost_so_far
        questions, time = turn.questions, anyio.CancelScope(deadline=anyio.current_time() + self._timeout_s)
        questions.begin(live, time)
        try:
            live.process.send_prompt(job.prompt)
            with time:
                await turn.report.wait_for_result(live.process, self._silence_s, is_asking=lambda: questions.open)
        finally:
            in_time = live.process.prompt_done.is_set()
            unanswered = time.cancel_called and questions.open
            keep = unanswered or self._is_draining()
            questions.end(None if keep else ENDED if in_time else STOPPED, is_deaf=not in_time)
            with anyio.CancelScope(shield=True):
                await self._pool.release(live)
            live.cost_so_far = turn.report.reader.cost_so_far
        if unanswered:
            raise _unanswered(self._answer_s)
        if not in_time:
            raise timed_out(self._timeout_s, "Ask for less at once.")
        return turn.report.outcome(live.process)

    def _settings(self, session: Session) -> Settings:
        latest = self._conversations.get(session.session_id)
        return Settings.of(session if latest is None else latest.load())

    async def _start(self, session: Session, settings: Settings, on_line: Callable[[bytes], bool]) -> ClaudeProcess:
        point = self._conversations.resume_point(session.session_id)
        options = RunOptions(
            model=settings.model,
            session_id=point.claude_session_id or point.fork_claude_session_id,
            fork=point.claude_session_id is None and point.fork_claude_session_id is not None,
            allowed_tools=settings.allowed_tools,
            permission_mode=settings.permission_mode,
            system_prompt=session.system_prompt,
            can_request_permission=True,
        )
        return await self._launcher.start(SESSION_ENV, session.session_id, options, session.cwd, on_line)

    def _remember(
        self, job: TakeTurn, turn: "_Turn", event_type: str, description: str | None, raw: Mapping[str, object]
    ) -> None:
        session, reader = turn.session, turn.report.reader
        known = {"job_id": turn.job_id, "session_id": session.session_id, "model": reader.model}
        self._record(
            event_id=f"claude:turn:{turn.job_id}",
            source="claude",
            event_type=event_type,
            title=title_of(job.prompt),
            description=description[:DESCRIPTION_CHARS] if description else None,
            actor=None,
            url=None,
            full_text=job.prompt,
            raw={
                **known,
                "claude_session_id": reader.session_id or session.claude_session_id,
                "cwd": session.cwd or str(self._launcher.home),
                **raw,
            },
        )


class _Turn:
    """Listens to a session's process: each line is an item of the conversation, or is about the turn."""

    def __init__(
        self,
        session: Session,
        context: JobContext,
        conversations: Conversations,
        questions: TurnQuestions,
        notify: Callable[[Notification], None],
    ) -> None:
        self.session = session
        self.job_id = context.job_id
        self.questions = questions
        self._conversations = conversations
        self._told_error = False
        self._claude_id = session.claude_session_id
        self._context = context
        self.live: SessionProcess | None = None
        self.report = Report(context, notify, session_id=session.session_id)

    @property
    def usage(self) -> ClaudeUsage:
        """The tokens of all the turn's messages."""
        return ClaudeUsage(**asdict(self.report.reader.usage.tokens))

    def on_line(self, line: bytes) -> bool:
        """Take a line; whether it was the result."""
        if not line.strip():
            return False
        message = parse_object(line)
        if message is None:
            self._add(Item(MessageKind.RAW, line[:UNPARSED_CHARS].decode("utf-8", "replace")), None)
        else:
            for item in items_of(message):
                self._add(item, storable_raw(line, message))
            self._learn(message)
            self.questions.on_message(message)
            self._follow(message)
        return self.report.on_message(message)

    def failed(self, failure: JobFailed) -> None:
        """Why the turn failed belongs to the conversation, unless the CLI has said it there."""
        if not self._told_error:
            self._add(Item(MessageKind.ERROR, failure.message), None)

    def _learn(self, message: Mapping[str, Any]) -> None:
        claude_id = message.get("session_id")
        if isinstance(claude_id, str) and claude_id != self._claude_id and message.get("type") in ANSWERS:
            self._claude_id = claude_id
            self._conversations.learn(self.session.session_id, claude_id)

    def _follow(self, message: Mapping[str, Any]) -> None:
        """What the CLI says of its settings."""
        if self.live is None or self.live.settings is None:
            return
        if (why := refusal(message)) is not None:
            self.live.settings = None
            self._context.log(f"Claude Code takes the new settings from the next turn on: {why}", level="warning")
        elif (mode := told_mode(message)) is not None and mode != self.live.settings.permission_mode:
            self.live.settings = replace(self.live.settings, permission_mode=mode)
            self._conversations.follow(self.session.session_id, mode)

    def _add(self, item: Item, raw: str | None) -> None:
        self._told_error = self._told_error or item.kind is MessageKind.ERROR
        self._conversations.add(self.session.session_id, self.job_id, item, raw)


def _unanswered(answer_s: float) -> JobFailed:
    return JobFailed(
        f"Nobody answered Claude's question within {answer_s / 60:g} minutes, so the turn was stopped.",
        kind="unanswered",
        hint="The question is kept: answer it, and the session goes on in a new turn.",
    )
