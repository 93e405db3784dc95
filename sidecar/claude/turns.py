"""Carries out the job `claude.turn`: the next prompt of a session, in the session's live process where there is one.

However a turn ends, its session is not `running` afterwards.  A cancelled one is interrupted, and its process lives on;
on the way out of the whole process it is ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import anyio

from protocol.claude import (
    TIMEOUT_S,
    ClaudeDelta,
    ClaudeTurnResult,
    ClaudeUsage,
    MessageKind,
    Session,
    SessionStatus,
    TakeTurn,
)
from sidecar.claude.conversations import Conversations, storable_raw
from sidecar.claude.items import Item, items_of
from sidecar.claude.launch import Launcher
from sidecar.claude.pool import Pool
from sidecar.claude.process import ClaudeProcess, RunOptions
from sidecar.claude.report import (
    DESCRIPTION_CHARS,
    SILENCE_S,
    RecordRun,
    Report,
    answer_fields,
    recorded,
    timed_out,
)
from sidecar.claude.stream import Outcome, parse
from sidecar.claude.texts import title_of
from sidecar.handler import JobContext, JobFailed

UNPARSED_CHARS = 2_000
ANSWERS = ("stream_event", "assistant")
"""From these on the CLI has stored its session.  Killed before, it knows none, though it had told the id (measured)."""


class TurnHandler:
    """The handler of `TakeTurn`."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        pool: Pool,
        conversations: Conversations,
        notify: Callable[[ClaudeDelta], None],
        record: RecordRun,
        is_draining: Callable[[], bool],
        timeout_s: float = TIMEOUT_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._launcher = launcher
        self._pool = pool
        self._conversations = conversations
        self._notify = notify
        self._record = record
        self._is_draining = is_draining
        self._timeout_s = timeout_s
        self._silence_s = silence_s

    async def run(self, job: TakeTurn, context: JobContext) -> ClaudeTurnResult:
        """Take the turn; raises `JobFailed` with the kinds of a run, and `session_not_found`."""
        session = self._conversations.begin(job.session_id, context.job_id, job.prompt)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found", hint="Start a new session.")
        turn = _Turn(session, context, self._conversations, self._notify)
        status = SessionStatus.INTERRUPTED
        try:
            outcome = await self._carry_out(job, turn)
            status = SessionStatus.IDLE
        except JobFailed as failure:
            status = SessionStatus.IDLE
            turn.failed(failure)
            self._remember(job, turn, "turn_failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._remember(job, turn, "turn_cancelled", None, {"shutdown": self._is_draining()})
            raise
        finally:
            self._conversations.end(job.session_id, context.job_id, status, turn.report.reader.spent)
        fields = answer_fields(outcome) | {"usage": turn.usage}
        result = ClaudeTurnResult(**fields, session_id=job.session_id)
        turn.report.finished(result)
        self._remember(job, turn, "turn_completed", result.text, recorded(result))
        return result

    async def _carry_out(self, job: TakeTurn, turn: "_Turn") -> Outcome:
        await self._launcher.folder(turn.session.cwd)  # a live process would not notice that it is gone
        live = await self._pool.take(job.session_id, lambda on_line: self._start(turn.session, on_line), turn.on_line)
        turn.report.reader.cost_so_far = live.cost_so_far
        try:
            live.process.ask(job.prompt)
            with anyio.move_on_after(self._timeout_s):
                await turn.report.settle(live.process, self._silence_s)
            in_time = live.process.settled.is_set()
        finally:
            with anyio.CancelScope(shield=True):
                await self._pool.give_back(live)
            live.cost_so_far = turn.report.reader.cost_so_far
        if not in_time:
            raise timed_out(self._timeout_s, "Ask for less at once.")
        return turn.report.outcome(live.process)

    async def _start(self, session: Session, on_line: Callable[[bytes], bool]) -> ClaudeProcess:
        point = self._conversations.resume_point(session.session_id)
        options = RunOptions(
            model=session.model,
            session_id=point.claude_session_id or point.fork_of,
            fork=point.claude_session_id is None and point.fork_of is not None,
            allowed_tools=session.allowed_tools,
            permission_mode=session.permission_mode,
            system_prompt=session.system_prompt,
        )
        return await self._launcher.for_session(session.session_id, options, session.cwd, on_line)

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
        notify: Callable[[ClaudeDelta], None],
    ) -> None:
        self.session = session
        self.job_id = context.job_id
        self._conversations = conversations
        self._told_error = False
        self._claude_id = session.claude_session_id
        self.report = Report(context, notify, session_id=session.session_id)

    @property
    def usage(self) -> ClaudeUsage:
        """The tokens of all the turn's messages."""
        return ClaudeUsage(**asdict(self.report.reader.spent.usage))

    def on_line(self, line: bytes) -> bool:
        """Take a line; whether it was the result."""
        if not line.strip():
            return False
        message = parse(line)
        if message is None:
            self._add(Item(MessageKind.RAW, line[:UNPARSED_CHARS].decode("utf-8", "replace")), None)
        else:
            for item in items_of(message):
                self._add(item, storable_raw(line, message))
            self._learn(message)
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

    def _add(self, item: Item, raw: str | None) -> None:
        self._told_error = self._told_error or item.kind is MessageKind.ERROR
        self._conversations.add(self.session.session_id, self.job_id, item, raw)
