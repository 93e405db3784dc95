"""Reports the progress of a run or a turn: the CLI's lines become text, log lines and progress of the job."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import anyio
from sidecar_protocol.claude.delays import ClaudeApiRetry, ClaudeStall
from sidecar_protocol.claude.runs import ClaudeDelta, ClaudeRunResult, session_lock
from sidecar_protocol.contract import Notification

from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.stream import Delta, Finished, Retry, RunReader, Started
from sidecar.job_handler import JobContext, JobFailed

SILENCE_S: Final = 60.0
"""Longer than Claude thinks without output.  The CLI abandons a stalled connection after 300 s (measured)."""
SILENCE_GROWTH: Final = 2.0
"""A tool may run for hours: reports after 60, 120, 240 s and so on are a handful of log lines."""


class ProgressReporter:
    """Reads the lines that answer one prompt.

    Notifications carry `session_id`.  A run has none: they carry the CLI's id of its session, which the run locks.
    """

    def __init__(
        self, context: JobContext, notify: Callable[[Notification], None], *, session_id: str | None = None
    ) -> None:
        self.reader = RunReader()
        self.lines = 0
        self._context = context
        self._notify = notify
        self._session_id = session_id
        self._started_session: str | None = None

    def on_line(self, line: Mapping[str, Any] | None) -> bool:
        """Handles a parsed line, or None for a line that could not be parsed.  Returns whether it is the result."""
        self.lines += 1
        is_result = False
        for update in self.reader.read(line):
            match update:
                case Delta():
                    self._notify(ClaudeDelta(**self._ids, **asdict(update)))
                case Started():
                    self._started(update)
                case Retry():
                    self._retry(update)
                case Finished():
                    is_result = True
        return is_result

    def outcome(self, process: ClaudeProcess) -> ClaudeRunResult:
        """Returns the answer once the prompt is done.  Raises `JobFailed`."""
        ignored = self.reader.end.invalid_lines + process.lines.dropped
        if ignored:
            self._context.log(f"{ignored} lines of Claude's output could not be read", level="warning")
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
        tools = self.reader.running_tools
        reason = f"still running: {', '.join(tools)}" if tools else "the connection to its API may have stalled"
        self._context.log(f"Claude has sent nothing for {silent_s:g} s: {reason}", level="warning")
        self._notify(ClaudeStall(**self._ids, silent_s=silent_s, tools=tools))

    @property
    def _ids(self) -> Mapping[str, Any]:
        return {"session_id": self._session_id or self.reader.session_id or "", "job_id": self._context.job_id}

    def _started(self, started: Started) -> None:
        if started.session_id == self._started_session:
            return
        self._started_session = started.session_id
        if self._session_id is None:
            self._context.lock(session_lock(started.session_id))
        self._context.log("Claude started", meta=asdict(started))
        self._context.progress(None, "Claude is working")

    def _retry(self, retry: Retry) -> None:
        reason = str(retry.status) if retry.status is not None else retry.error
        again = f"retry {retry.attempt} of {retry.max_retries} in {retry.delay_ms / 1000:.1f} s"
        text = f"Claude's API refused a request or could not be reached ({reason}): {again}"
        self._context.log(text, level="warning", meta=asdict(retry))
        self._context.progress(None, f"Waiting for Claude's API: {again}")
        self._notify(ClaudeApiRetry(**self._ids, **asdict(retry)))


def timeout_failure(timeout_s: float, hint: str) -> JobFailed:
    return JobFailed(f"Claude did not finish within {timeout_s:g} seconds.", kind="timeout", hint=hint)
