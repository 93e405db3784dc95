"""What a run or a turn says while it lasts: each line of the CLI becomes text, log and progress of its job."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

import anyio
from sidecar_protocol.claude.delays import ClaudeApiRetry, ClaudeStall
from sidecar_protocol.claude.runs import ClaudeAnswer, ClaudeDelta, ClaudeUsage
from sidecar_protocol.contract import Notification

from sidecar.claude.process.cli_process import ClaudeProcess
from sidecar.claude.sessions.texts import limited
from sidecar.claude.stream import Delta, Finished, Retry, RunOutcome, RunReader, Started
from sidecar.job_handler import JobContext, JobFailed

DESCRIPTION_CHARS = 500
SILENCE_S = 60.0
"""Longer than Claude thinks without a word.  The CLI gives a stalled connection up after 300 s (measured)."""
SILENCE_GROWTH = 2.0
"""A tool may run for hours: told at 60, 120, 240 … s, that is a handful of lines."""


class RecordRun(Protocol):
    """Adds a finished run to the activity feed; a second call with the same event id replaces the first."""

    def __call__(
        self,
        *,
        event_id: str,
        source: str,
        event_type: str,
        title: str,
        description: str | None,
        actor: str | None,
        url: str | None,
        full_text: str,
        raw: Mapping[str, object],
    ) -> None: ...


class Report:
    """Reads one prompt's lines and passes on what they mean."""

    def __init__(
        self,
        context: JobContext,
        notify: Callable[[Notification], None],
        *,
        on_session: Callable[[str], None] | None = None,
        session_id: str | None = None,
    ) -> None:
        """`on_session` learns the CLI's session id; deltas bear `session_id`, or without one the CLI's own."""
        self.reader = RunReader()
        self.lines = 0
        self._context = context
        self._notify = notify
        self._on_session = on_session
        self._session_id = session_id
        self._session_told: str | None = None

    def on_message(self, message: Mapping[str, Any] | None) -> bool:
        """Take a line, parsed; whether it was the result."""
        self.lines += 1
        is_result = False
        for update in self.reader.read(message):
            match update:
                case Delta():
                    self._send(update)
                case Started():
                    self._started(update)
                case Retry():
                    self._retry(update)
                case Finished():
                    is_result = True
        return is_result

    def finished(self, answer: ClaudeAnswer) -> None:
        """Log how a good run ended."""
        meta = answer.model_dump(mode="json", exclude={"text", "text_truncated"})
        self._context.log("Claude answered", meta=meta)
        if answer.permission_denials:
            names = ", ".join(sorted(set(answer.permission_denials)))
            self._context.log(f"Not allowed without asking, so not done: {names}", level="warning")

    def outcome(self, process: ClaudeProcess) -> RunOutcome:
        """The verdict, once `process` has settled; raises `JobFailed` where it failed."""
        ignored = self.reader.invalid_lines + process.lines.dropped
        if ignored:
            self._context.log(f"{ignored} lines of Claude's output could not be read", level="warning")
        # A process that lives on has written its result, and is judged by that.
        return self.reader.finish(process.exit_code or 0, process.stderr_tail)

    async def wait_for_result(
        self, process: ClaudeProcess, silence_s: float, *, is_asking: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for the result or the end, and say so when nothing is heard for long though Claude asks nothing."""
        silent_s, pause_s = 0.0, silence_s
        while not process.prompt_done.is_set():
            heard = self.lines
            with anyio.move_on_after(pause_s):
                await process.prompt_done.wait()
            if self.lines != heard or is_asking():
                silent_s, pause_s = 0.0, silence_s
            elif not process.prompt_done.is_set():
                silent_s += pause_s
                pause_s = silent_s * (SILENCE_GROWTH - 1)
                self._stalled(silent_s)

    def _stalled(self, silent_s: float) -> None:
        tools = self.reader.running_tools
        reason = f"{', '.join(tools)} still runs" if tools else "no answer comes, perhaps the connection has stalled"
        self._context.log(f"Claude has said nothing for {silent_s:g} s: {reason}", level="warning")
        told = ClaudeStall(session_id=self._wire_session, job_id=self._context.job_id, silent_s=silent_s, tools=tools)
        self._notify(told)

    @property
    def _wire_session(self) -> str:
        return self._session_id or self.reader.session_id or ""

    def _started(self, started: Started) -> None:
        if started.session_id == self._session_told:
            return
        self._session_told = started.session_id
        if self._on_session is not None:
            self._on_session(started.session_id)
        self._context.log("Claude started", meta=asdict(started))
        self._context.progress(None, "Claude is working")

    def _retry(self, retry: Retry) -> None:
        reason = str(retry.status) if retry.status is not None else retry.error
        again = f"retry {retry.attempt} of {retry.max_retries} in {retry.delay_ms / 1000:.1f} s"
        self._context.log(
            f"Claude's API refused or was out of reach ({reason}): {again}", level="warning", meta=asdict(retry)
        )
        self._context.progress(None, f"Waiting for Claude's API: {again}")
        self._notify(ClaudeApiRetry(session_id=self._wire_session, job_id=self._context.job_id, **asdict(retry)))

    def _send(self, delta: Delta) -> None:
        self._notify(
            ClaudeDelta(
                session_id=self._wire_session,
                job_id=self._context.job_id,
                message_id=delta.message_id,
                offset=delta.offset,
                text=delta.text,
            )
        )


def answer_fields(outcome: RunOutcome) -> dict[str, Any]:
    """An outcome as the fields of a `ClaudeAnswer`."""
    text, truncated = limited(outcome.text)
    return {
        "text": text,
        "text_truncated": truncated,
        "model": outcome.model,
        "usage": ClaudeUsage(**asdict(outcome.usage)),
        "total_cost_usd": outcome.total_cost_usd,
        "num_turns": outcome.num_turns,
        "duration_ms": outcome.duration_ms,
        "stop_reason": outcome.stop_reason,
        "permission_denials": list(outcome.permission_denials),
    }


def recorded(answer: ClaudeAnswer) -> dict[str, object]:
    """What the feed keeps of an answer, beside its text."""
    return answer.model_dump(mode="json", include={"usage", "total_cost_usd", "num_turns", "duration_ms"})


def timed_out(timeout_s: float, hint: str) -> JobFailed:
    """The failure of what took too long."""
    return JobFailed(f"Claude did not finish within {timeout_s:g} seconds.", kind="timeout", hint=hint)
