"""Reports the progress and the end of a run or a turn: text, log lines, delays, and the event in the activity feed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import anyio
from sidecar_protocol.claude.delays import ClaudeApiRetry, ClaudeStall
from sidecar_protocol.claude.runs import ClaudeAnswer, ClaudeDelta, ClaudeRunResult, ClaudeThinkingDelta, session_lock
from sidecar_protocol.contract import Notification

from sidecar.claude.limits import snooze_until_reset
from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.process.work import LiveTask, Work
from sidecar.claude.sessions.messages import title_of
from sidecar.claude.stream import Delta, Finished, Retry, RunReader, Started, Thought
from sidecar.feed import FeedEvent, Origin
from sidecar.job_handler import JobContext, JobFailed
from sidecar.runtime import Runtime

SILENCE_S: Final = 60.0
"""Longer than Claude thinks without output.  The CLI abandons a stalled connection after 300 s (measured)."""
DESCRIPTION_CHARS: Final = 500
MESSAGE_CHARS: Final = 500
WORKING: Final = "Claude is working"
SILENCE_GROWTH: Final = 2.0
"""A tool may run for hours: reports after 60, 120, 240 s and so on are a handful of log lines."""


@dataclass(slots=True)
class ProgressReporter:
    """Reads the lines that answer one prompt.

    Notifications carry `session_id`.  A run has none: they carry the CLI's id of its session, which the run locks.
    """

    context: JobContext
    notify: Callable[[Notification], None]
    session_id: str | None = None
    on_tasks: Callable[[Sequence[LiveTask]], None] = lambda _: None
    """Receives the live tasks when they have changed."""
    reader: RunReader = field(default_factory=RunReader)
    lines: int = 0
    work: Work | None = None
    """The work of the process, once it is known."""
    _tasks: Sequence[LiveTask] = ()
    _started_session: str | None = None
    _message: str = ""

    def on_line(self, line: Mapping[str, Any] | None) -> None:
        """Handles a parsed line, or None for a line that could not be parsed."""
        self.lines += 1
        for update in self.reader.read(line):
            match update:
                case Delta():
                    self.notify(ClaudeDelta(**self._ids, **asdict(update)))
                case Thought():
                    self.notify(ClaudeThinkingDelta(**self._ids, **asdict(update)))
                case Started():
                    self._started(update)
                case Retry():
                    self._retry(update)
                case Finished():
                    pass
        self._report_tasks()

    def outcome(self, process: ClaudeProcess) -> ClaudeRunResult:
        """Returns the answer once the prompt is done.  Raises `JobFailed`."""
        ignored = self.reader.end.invalid_lines + process.lines.dropped
        if ignored:
            self.context.log(f"{ignored} lines of Claude's output could not be read", level="warning")
        # A process that is still alive has written a result, which decides.
        return self.reader.finish(process.exit_code or 0, process.stderr_tail)

    async def wait_for_result(
        self, process: ClaudeProcess, silence_s: float, *, is_waiting: Callable[[], bool] = lambda: False
    ) -> None:
        """Waits until the prompt is done, and reports long silences, except while Claude `is_waiting` for the user."""
        silent_s, pause_s = 0.0, silence_s
        while not process.prompt_done.is_set():
            lines = self.lines
            with anyio.move_on_after(pause_s):
                await process.prompt_done.wait()
            if self.lines != lines or is_waiting():
                silent_s, pause_s = 0.0, silence_s
            elif not process.prompt_done.is_set():
                silent_s += pause_s
                pause_s = silent_s * (SILENCE_GROWTH - 1)
                self._stalled(silent_s)

    def _stalled(self, silent_s: float) -> None:
        tools = [*self.reader.running_tools, *(task.description for task in self._tasks if task.is_background)]
        reason = f"still running: {', '.join(tools)}" if tools else "the connection to its API may have stalled"
        self.context.log(f"Claude has sent nothing for {silent_s:g} s: {reason}", level="warning")
        self.notify(ClaudeStall(**self._ids, silent_s=silent_s, tools=tools))

    def _report_tasks(self) -> None:
        tasks = [] if self.work is None else self.work.tasks
        if tasks != self._tasks:
            began = [task for task in tasks if task.is_background and task not in self._tasks]
            self._tasks = tasks
            self.on_tasks(tasks)
            for task in began:
                self.context.log(f"Claude works in the background: {task.description}", meta=asdict(task))
        waited_for = ", ".join(task.description for task in tasks if task.is_background)
        waits = bool(waited_for) and self.work is not None and not self.work.turn_runs
        message = f"Waiting for background tasks: {waited_for}"[:MESSAGE_CHARS] if waits else WORKING
        if message != self._message and self._message:
            self.context.progress(None, message)
            self._message = message

    @property
    def _ids(self) -> Mapping[str, Any]:
        return {"session_id": self.session_id or self.reader.session_id or "", "job_id": self.context.job_id}

    def _started(self, started: Started) -> None:
        if started.session_id == self._started_session:
            return
        self._started_session = started.session_id
        if self.session_id is None:
            self.context.lock(session_lock(started.session_id))
        self.context.log("Claude started", meta=asdict(started))
        self._message = WORKING
        self.context.progress(None, WORKING)

    def _retry(self, retry: Retry) -> None:
        reason = str(retry.status) if retry.status is not None else retry.error
        again = f"retry {retry.attempt} of {retry.max_retries} in {retry.delay_ms / 1000:.1f} s"
        text = f"Claude's API refused a request or could not be reached ({reason}): {again}"
        self.context.log(text, level="warning", meta=asdict(retry))
        self.context.progress(None, f"Waiting for Claude's API: {again}")
        self.notify(ClaudeApiRetry(**self._ids, **asdict(retry)))


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """The feed event of a run or a turn, which is stored with its outcome."""

    runtime: Runtime
    kind: Literal["run", "turn"]
    context: JobContext
    prompt: str
    details: Callable[[], Mapping[str, object]]
    """Returns further members of the event's `raw`; it is called at the end."""

    @contextmanager
    def failures(self, *, waits: bool) -> Iterator[None]:
        """Writes the event if the block fails or is cancelled.

        If Claude's usage limit is reached and the job `waits` for it, raises `JobSnoozed` instead, and the job
        continues when the limit resets.
        """
        try:
            yield
        except JobFailed as failure:
            now_ms, snoozed_for_s = self.runtime.clock.now_ms(), self.context.snoozed_for_s
            later = snooze_until_reset(failure, now_ms=now_ms, snoozed_for_s=snoozed_for_s) if waits else None
            if later is not None:
                raise later from failure
            self._write("failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._write("cancelled", None, {"shutdown": self.runtime.is_draining()})
            raise

    def completed(self, answer: ClaudeAnswer) -> None:
        meta = answer.model_dump(mode="json", exclude={"text", "text_truncated", "citations"})
        self.context.log("Claude answered", meta=meta)
        if answer.permission_denials:
            names = ", ".join(sorted(set(answer.permission_denials)))
            self.context.log(f"Tools that were not allowed: {names}", level="warning")
        cost = answer.model_dump(mode="json", include={"usage", "total_cost_usd", "num_turns", "duration_ms"})
        if answer.citations:
            known = {one.number: one.row is not None for one in answer.citations}
            cost |= {"citations": len(known), "unknown_citations": len(known) - sum(known.values())}
        self._write("completed", answer.text, cost)

    def _write(self, end: str, description: str | None, raw: Mapping[str, object]) -> None:
        job_id = self.context.job_id
        event = FeedEvent(
            event_id=f"claude:{self.kind}:{job_id}",
            event_type=f"{self.kind}_{end}",
            at_ms=self.runtime.clock.now_ms(),
            title=title_of(self.prompt),
            description=description[:DESCRIPTION_CHARS] if description else None,
            full_text=self.prompt,
            raw={"job_id": job_id, **self.details(), **raw},
        )
        self.context.at_end(lambda: self.runtime.feed().write(Origin("claude"), [event]))


def timeout_failure(timeout_s: float, work: Work) -> JobFailed:
    """Returns the failure of a prompt that was stopped after its time, with the tasks that were still running."""
    tasks = [task.description for task in work.tasks if task.is_background]
    message = f"Claude did not finish within {timeout_s:g} seconds."
    if tasks and not work.turn_runs:
        message = f"Claude's background tasks did not end within {timeout_s:g} seconds, and were stopped: {tasks}."
    hint = "Split the prompt into smaller steps, or raise timeout_s."
    return JobFailed(message, kind="timeout", hint=hint, details={"tasks": tasks} if tasks else None)
