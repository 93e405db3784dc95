"""Runs jobs of type `claude.turn`: the next prompt of a session, in the session's live process if there is one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from sidecar_protocol.claude.runs import TIMEOUT_S, ClaudeRunResult
from sidecar_protocol.claude.sessions import ClaudeTurnResult, MessageKind, Session, SessionStatus, TakeTurn

from sidecar.claude.budgets import Watch
from sidecar.claude.gate.store import Owner
from sidecar.claude.live_tasks import LiveJobs, contract_tasks
from sidecar.claude.permissions.journal import PermissionJournal
from sidecar.claude.permissions.open_requests import RESPONSE_S, OpenRequests
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine, RunOptions
from sidecar.claude.process.environment import SESSION_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.pool import ProcessPool, SessionProcess
from sidecar.claude.process.stopping import interrupt
from sidecar.claude.process.work import LiveTask
from sidecar.claude.prompts.blocks import content_blocks, text_block
from sidecar.claude.prompts.queueing import PromptQueue
from sidecar.claude.prompts.steering import Steering
from sidecar.claude.reporting import SILENCE_S, FeedEntry, ProgressReporter, timeout_failure
from sidecar.claude.sessions.conversation import ConversationJournal
from sidecar.claude.sessions.elsewhere import Elsewhere
from sidecar.claude.sessions.following import Follower
from sidecar.claude.sessions.journal import SessionJournal
from sidecar.claude.sessions.limit_waits import LimitWaits
from sidecar.claude.sessions.messages import NewMessage, messages_in, raw_json
from sidecar.claude.sessions.session_settings import SETTING_COMMANDS, SETTINGS_REQUEST, SessionSettings
from sidecar.claude.status.context import ContextFollower
from sidecar.claude.status.telling import Problems
from sidecar.job_handler import JobContext, JobFailed, JobSnoozed
from sidecar.json_reader import get_text
from sidecar.runtime import Runtime

CONTINUED: Final = "The conversation continued without an answer."
STOPPED: Final = "The turn was stopped."
ENDED: Final = "The turn ended before the request was answered."
OWN_TURN: Final = "Claude goes on by itself, with what it has scheduled."
OWN_TURN_OVER: Final = "The turn that Claude had begun by itself is over, or was a part of the next turn."
UNPARSED_CHARS: Final = 2_000


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
    conversations: ConversationJournal
    limit_waits: LimitWaits
    live: LiveJobs
    elsewhere: Elsewhere
    prompts: PromptQueue
    times: TurnTimes = NORMAL_TIMES

    async def run(self, job: TakeTurn, context: JobContext) -> ClaudeTurnResult:
        """Raises `JobFailed` with the kinds of a run, `session_not_found` and `permission_unanswered`."""
        prompt = self._prompt(job, context)
        with anyio.CancelScope(shield=True):  # an interrupt at once must not lose the prompt, which is stored below
            await self.elsewhere.take_up(job.session_id)
            answered = await self.prompts.steering.outcome(job, context.job_id, prompt)
        if answered is not None:
            self.prompts.attachments.answered(context.job_id)
            return answered
        self.permissions.cancel_all(job.session_id, CONTINUED)
        with anyio.CancelScope(shield=True):
            # The messages of a turn of its own are recorded already, and are stored below.
            has_own_turn = self.pool.has_own_turn(job.session_id)
            is_elsewhere = not has_own_turn and await self.elsewhere.take_in(job.session_id)
        if is_elsewhere:
            self.pool.drop(job.session_id)  # the kept process does not know it
        has_prompt = self.sessions.store.prompt_position(job.session_id, context.job_id) is not None
        session = self.sessions.begin_turn(job.session_id, context.job_id, prompt, has_prompt=has_prompt)
        if session is None:
            raise JobFailed("The session was deleted.", kind="session_not_found", hint="Start a new session.")
        turn = self._turn(session.load(), context)
        turn.prompt = self.limit_waits.prompt(job.session_id, context, job.prompt)
        waits = turn.session.wait_for_limit if job.wait_for_limit is None else job.wait_for_limit

        def details() -> dict[str, object]:
            reader = turn.reporter.reader
            claude_id = reader.session_id or turn.follower.conversation
            cwd = turn.session.cwd or str(self.launcher.home)
            return {"session_id": job.session_id, "model": reader.model, "claude_session_id": claude_id, "cwd": cwd}

        entry = FeedEntry(self.runtime, "turn", context, job.prompt or prompt.title, details)
        try:
            with self.prompts.steering.ends(context), entry.failures(waits=waits), turn.failures():
                answer = await self._answer(job, turn)
        except JobSnoozed as snooze:
            turn.resumes_at = self.limit_waits.begin(job.session_id, context, snooze)
            raise
        finally:
            context.at_end(partial(self._end, turn, turn.status, [*turn.scheduled]))
        result = ClaudeTurnResult(**answer.model_dump() | {"session_id": job.session_id})
        context.at_end(partial(self.prompts.attachments.answered, context.job_id))
        context.at_end(partial(self.prompts.steering.answered, context.job_id, result))
        entry.completed(result)
        return result

    def _end(self, turn: "_Turn", status: SessionStatus, scheduled: Sequence[LiveTask]) -> None:
        session_id, job_id = turn.session.session_id, turn.context.job_id
        self.conversations.keep(session_id, turn.follower.conversation)
        if (turn.is_retryable or turn.resumes_at is not None) and turn.reporter.reader.has_acted:
            self.limit_waits.keep(session_id, job_id)
        self.sessions.end_turn(session_id, job_id, status, turn.reporter.reader.usage, turn.resumes_at)
        self.launcher.budgets.live.pop(job_id, None)
        if scheduled:
            self.sessions.set_tasks(session_id, contract_tasks(job_id, scheduled))

    def _prompt(self, job: TakeTurn, context: JobContext) -> NewMessage:
        """Returns the message with which a turn begins.  Raises `JobFailed` if it is Claude's own, and is over."""
        if not job.is_own:
            attached = [one.attachment for one in self.prompts.attachments.of_job(context.job_id)]
            return NewMessage(MessageKind.USER, job.prompt, attachments=attached)
        if not self.pool.has_own_turn(job.session_id):
            raise JobFailed(OWN_TURN_OVER, kind="turn_ended", interrupted=True)
        return NewMessage(MessageKind.NOTICE, OWN_TURN)

    async def _send(self, job: TakeTurn, turn: "_Turn", live: SessionProcess, timeout_s: float) -> None:
        """Sends the prompt, after the end of a turn that Claude has begun by itself; such a turn is only followed."""
        process, job_id = live.process, turn.context.job_id
        content = None if job.is_own else await self._content(job, turn)
        live.follow(turn.on_line)
        if job.is_own:
            return
        if not process.prompt_done.is_set():
            with anyio.move_on_after(timeout_s):
                await process.prompt_done.wait()
            await interrupt(process)
            live.follow(turn.on_line)
        await checkpoint_if_cancelled()  # reading files goes on after a cancellation
        turn.uuid = self.runtime.new_id()  # a new one for each attempt: the CLI ignores a prompt that it knows
        self.conversations.send_prompt(job.session_id, job_id, turn.uuid, process.begun)
        process.send_prompt(turn.prompt, uuid=turn.uuid, content=content)

    def withdrawn(self, job: TakeTurn) -> None:
        """Handles that a queued turn was cancelled."""
        self.limit_waits.turn_withdrawn(job)
        self.prompts.steering.withdraw(job)

    def _turn(self, session: Session, context: JobContext) -> "_Turn":
        requests = OpenRequests(session.session_id, context, self.permissions, self.times.response_s)

        def on_tasks(tasks: Sequence[LiveTask]) -> None:
            self.sessions.set_tasks(session.session_id, contract_tasks(context.job_id, tasks))

        reporter = ProgressReporter(context, self.runtime.notify, session_id=session.session_id, on_tasks=on_tasks)
        follower = Follower(session.session_id, context, self.sessions, self.conversations, session.claude_session_id)
        status, conversation = self.launcher.status, session.claude_session_id
        problems = self._problems(session.session_id, context, follower)
        readers = (ContextFollower(status, session.session_id, conversation).on_line, problems.on_line)
        return _Turn(session, context, self.conversations, requests, reporter, follower, self.prompts.steering, readers)

    def _problems(self, session_id: str, context: JobContext, follower: Follower) -> Problems:
        """Adds what does not work, such as an MCP server, to the session."""

        def tell(text: str) -> None:
            self.sessions.add_message(session_id, context.job_id, NewMessage(MessageKind.NOTICE, text))

        def effort() -> str | None:
            settings = follower.live.settings if follower.live is not None else None
            return settings.effort if settings is not None else None

        status = self.launcher.status
        return Problems(status.told_problems(session_id), tell, partial(status.set_told_problems, session_id), effort)

    async def _answer(self, job: TakeTurn, turn: "_Turn") -> ClaudeRunResult:
        try:
            self.launcher.budgets.require(job.session_id)
            await self.launcher.require_trust(turn.session.cwd, turn.session.settings)
        except JobFailed:
            self.pool.drop(job.session_id)
            raise
        try:
            return await self._attempt(job, turn)
        except JobFailed as failure:
            if failure.kind != "session_unknown" or turn.has_new_conversation:
                raise
        # Claude Code has seen nothing of the prompt: it has no record to resume.
        self.pool.drop(job.session_id)  # it may not have exited yet
        self.conversations.begin_anew(job.session_id)
        turn.restart(self._turn(turn.session.model_copy(update={"claude_session_id": None}), turn.context))
        return await self._attempt(job, turn)

    async def _attempt(self, job: TakeTurn, turn: "_Turn") -> ClaudeRunResult:
        settings = self._settings(turn.session)
        live = await self.pool.acquire(
            job.session_id, lambda on_line: self._start(turn, settings, on_line), turn.on_line, settings
        )
        turn.follower.live, turn.follower.prompt, process = live, job.prompt, live.process
        live.apply_settings(self._settings(turn.session))  # they may have changed while the process was started
        reporter, requests = turn.reporter, turn.requests
        reporter.reader.continue_from(live.totals)
        reporter.work = process.work
        timeout_s = self.times.timeout_s if job.timeout_s is None else job.timeout_s
        timeout = anyio.CancelScope(deadline=anyio.current_time() + timeout_s)
        watch = Watch(self.launcher.budgets, turn.context.job_id, job.session_id, reporter.reader, timeout.cancel)
        turn.watch = watch
        requests.begin(live, timeout)
        try:
            await self._send(job, turn, live, timeout_s)
            job_id = turn.context.job_id
            steered = self.prompts.steering.running(job.session_id, job_id, process)
            with timeout, self.live.running(job_id, job.session_id, process), steered:
                await reporter.wait_for_result(process, self.times.silence_s, is_waiting=lambda: requests.is_waiting)
            if job.prompt.lstrip().startswith(SETTING_COMMANDS):
                process.send(SETTINGS_REQUEST)
        finally:
            in_time = process.prompt_done.is_set()
            failure = None if in_time else watch.reached or timeout_failure(timeout_s, process.work)
            is_unanswered = timeout.cancel_called and requests.is_waiting and watch.reached is None
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
        owner = Owner(session_id=job.session_id)
        return self.launcher.cited(reporter.outcome(process), owner, turn.context, turn.session.hub)

    async def _content(self, job: TakeTurn, turn: "_Turn") -> Sequence[Mapping[str, Any]] | None:
        """Returns the blocks of the prompt; None if it is only a text."""
        job_id, before = turn.context.job_id, turn.handover
        if turn.prompt == job.prompt:
            return await content_blocks(self.prompts.attachments, job_id, turn.prompt, before)
        return None if before is None else [text_block(before), text_block(turn.prompt)]

    def _settings(self, session: Session) -> SessionSettings:
        latest = self.sessions.store.get(session.session_id)
        return SessionSettings.of(session if latest is None else latest.load())

    async def _start(self, turn: "_Turn", settings: SessionSettings, on_line: OnLine) -> ClaudeProcess:
        session, job_id = turn.session, turn.context.job_id
        conversation = self.conversations.current(session.session_id)
        turn.follower.needs_worktree = conversation.worktree is not None
        turn.has_new_conversation = conversation.resumed is None
        if (handover := self.conversations.hand_over(session.session_id, job_id, conversation)) is not None:
            turn.handover = handover.text
            if turn.has_new_conversation:
                notice = NewMessage(MessageKind.NOTICE, handover.notice)
                self.sessions.add_message(session.session_id, job_id, notice)
        model = settings.model
        if model is None and conversation.is_model_reset:
            model = await self.launcher.default_model(settings.cwd)
        resumed = conversation.resumed
        options = RunOptions(
            model=model,
            effort=settings.effort,
            session_id=None if resumed is None else await self.launcher.resume_name(resumed, settings.cwd),
            fork=conversation.is_fork,
            resume_at=conversation.resume_at,
            new_session_id=self.runtime.new_id() if resumed is None or conversation.is_fork else None,
            worktree=conversation.worktree,
            allowed_tools=settings.allowed_tools,
            permission_mode=settings.permission_mode,
            system_prompt=session.system_prompt,
            can_request_permission=True,
            settings=settings.settings,
            hub=settings.hub,
        )
        return await self.launcher.start(SESSION_ENV, session.session_id, options, settings.cwd, on_line)


@dataclass(slots=True)
class _Turn:
    """Handles the lines of a session's process, and stores the messages in them."""

    session: Session
    context: JobContext
    conversations: ConversationJournal
    requests: OpenRequests
    reporter: ProgressReporter
    follower: Follower
    steering: Steering
    readers: tuple[Callable[[Mapping[str, Any]], None], ...] = ()
    prompt: str = ""
    uuid: str = ""
    """The id under which the CLI was sent the prompt."""

    @property
    def scheduled(self) -> Sequence[LiveTask]:
        """Turns that Claude has scheduled in its process."""
        work = self.reporter.work
        return () if work is None else [*work.scheduled.values()]

    is_fresh: bool = False
    """Whether the CLI has begun a turn, which has no messages."""
    has_new_conversation: bool = False
    """Whether its process was started and does not resume a conversation."""
    handover: str | None = None
    """The text that precedes the prompt."""
    has_ended: bool = False
    """Whether the turn was answered or failed, instead of being cancelled."""
    is_retryable: bool = False
    """Whether it failed in a way after which its job is tried again."""
    has_error_message: bool = False
    watch: Watch | None = None
    """Counts what it spends, once its prompt is sent."""
    resumes_at: str | None = None
    """When it goes on, if it waits for a usage limit."""

    @property
    def status(self) -> SessionStatus:
        """The status of the session after the turn."""
        if self.resumes_at is not None:
            return SessionStatus.LIMITED
        if self.requests.has_left_open:
            return SessionStatus.WAITING
        return SessionStatus.IDLE if self.has_ended else SessionStatus.INTERRUPTED

    def on_line(self, line: bytes, parsed: Mapping[str, Any] | None) -> None:
        """Handles a line."""
        if parsed is None:
            self._add(NewMessage(MessageKind.RAW, line[:UNPARSED_CHARS].decode("utf-8", "replace")))
        else:
            self.follower.on_line(line, parsed)
            if not self._is_own_prompt(parsed):
                record = get_text(parsed, "uuid") if parsed.get("parent_tool_use_id") is None else None
                for message in messages_in(parsed):
                    self._add(replace(message, raw=raw_json(line, parsed)), record)
            self.requests.on_line(parsed)
            for read in self.readers:
                read(parsed)
        self.reporter.on_line(parsed)
        if self.watch is not None:
            self.watch.on_line(parsed)

    def _is_own_prompt(self, line: Mapping[str, Any]) -> bool:
        """Returns whether a line repeats a prompt of ours, which is stored when Claude reads it."""
        if line.get("type") == "system" and line.get("subtype") == "init":
            self.is_fresh = True
        session_id, job_id = self.session.session_id, self.context.job_id
        is_own = line.get("isReplay") is True and get_text(line, "uuid") == self.uuid
        is_own = is_own or self.steering.on_line(session_id, job_id, line, has_own_turn=self.is_fresh)
        if line.get("type") in ("assistant", "user"):
            self.is_fresh = False
        return is_own

    def restart(self, new: "_Turn") -> None:
        """Begins again as `new`, without what the first attempt has reported."""
        self.requests, self.reporter, self.follower = new.requests, new.reporter, new.follower
        self.readers = new.readers
        self.handover = None

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Adds the failure of the block to the session, unless the CLI has sent an error message."""
        try:
            yield
        except JobFailed as failure:
            self.has_ended, self.is_retryable = True, failure.retryable
            if not self.has_error_message:
                self._add(NewMessage(MessageKind.ERROR, failure.message))
            raise
        self.has_ended = True

    def _add(self, message: NewMessage, claude_uuid: str | None = None) -> None:
        self.has_error_message = self.has_error_message or message.kind is MessageKind.ERROR
        self.conversations.add_message(self.session.session_id, self.context.job_id, message, claude_uuid)
