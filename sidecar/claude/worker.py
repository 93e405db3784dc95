"""Carries out the job `claude.run`: one prompt through the user's own CLI, its text passed on while it is written.

However a run ends (answer, failure, cancel, timeout, shutdown), no process of it is left when `run` returns.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import anyio

from protocol.claude import ClaudeDelta, ClaudeRunResult, ClaudeUsage, RunClaude, session_lock
from sidecar.claude.discovery import INSTALL, Discovery
from sidecar.claude.environment import job_environment
from sidecar.claude.process import ClaudeProcess, RunOptions, start
from sidecar.claude.stopping import CANCEL, SHUTDOWN, exit_by_itself, stop
from sidecar.claude.stream import Delta, Finished, Outcome, Retry, RunReader, Started
from sidecar.handler import JobContext, JobFailed

TEXT_LIMIT = 2 * 1024 * 1024
"""Bytes of UTF-8 in a job's result: it is stored, and sent with every snapshot of the job."""
TITLE_CHARS = 120
DESCRIPTION_CHARS = 500
SILENCE_S = 300.0
"""A stalled connection is given up by the CLI after 300 s without a word (measured); long tools are as quiet."""


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
        raw: Mapping[str, object],
    ) -> None: ...


class ClaudeRunHandler:
    """The handler of `RunClaude`."""

    def __init__(
        self,
        *,
        discovery: Discovery,
        environment: Mapping[str, str],
        home: Path,
        notify: Callable[[ClaudeDelta], None],
        record: RecordRun,
        is_draining: Callable[[], bool],
        silence_s: float = SILENCE_S,
    ) -> None:
        """`environment` is our own; `is_draining` tells that the whole process is on its way out, in a hurry."""
        self._discovery = discovery
        self._environment = environment
        self._home = home
        self._notify = notify
        self._record = record
        self._is_draining = is_draining
        self._silence_s = silence_s

    async def run(self, job: RunClaude, context: JobContext) -> ClaudeRunResult:
        """Run the prompt; raises `JobFailed` with the kinds of `failures` and `discovery`, `cwd_missing`, `timeout`."""
        report = _Report(job, context, self._notify)
        try:
            outcome = await self._carry_out(job, context, report)
        except JobFailed as failure:
            self._remember(report, "run_failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._remember(report, "run_cancelled", None, {"shutdown": self._is_draining()})
            raise
        result = _result(outcome)
        report.finished(result)
        details = result.model_dump(mode="json", include={"usage", "total_cost_usd", "num_turns", "duration_ms"})
        self._remember(report, "run_completed", result.text, details)
        return result

    async def _carry_out(self, job: RunClaude, context: JobContext, report: "_Report") -> Outcome:
        process = await self._start(job, context, report)
        try:
            with anyio.move_on_after(job.timeout_s):
                await self._settle(process, context, report)
            in_time = process.settled.is_set()
            if in_time:
                await exit_by_itself(process)
        finally:
            with anyio.CancelScope(shield=True):
                await stop(process, context.job_id, SHUTDOWN if self._is_draining() else CANCEL)
        if not in_time:
            raise JobFailed(
                f"Claude did not finish within {job.timeout_s:g} seconds.",
                kind="timeout",
                hint="Ask for less at once, or raise timeout_s.",
            )
        ignored = report.reader.invalid_lines + process.lines.dropped
        if ignored:
            context.log(f"{ignored} lines of Claude's output could not be read", level="warning")
        exit_code = process.exit_code
        return report.reader.finish(-9 if exit_code is None else exit_code, process.stderr_tail)

    async def _start(self, job: RunClaude, context: JobContext, report: "_Report") -> ClaudeProcess:
        cwd = Path(job.cwd) if job.cwd is not None else self._home
        if not cwd.is_absolute() or not await anyio.Path(cwd).is_dir():
            raise JobFailed(f"The folder {cwd} does not exist.", kind="cwd_missing", hint="Choose another folder.")
        executable = await self._discovery.find()
        try:
            return await start(
                executable.path,
                RunOptions(
                    prompt=job.prompt,
                    model=job.model,
                    session_id=job.session_id,
                    allowed_tools=job.allowed_tools,
                    permission_mode=job.permission_mode,
                    max_turns=job.max_turns,
                    system_prompt=job.system_prompt,
                ),
                cwd=cwd,
                environment=job_environment(self._environment, executable=executable.path, job_id=context.job_id),
                on_line=report.on_line,
            )
        except OSError as error:
            raise JobFailed(
                f"{executable.path} could not be started: {error.strerror}.",
                kind="executable_broken",
                hint=f"Install Claude Code again with `{INSTALL}`, or set CLAUDE_PATH to another `claude`.",
                details={"source": executable.source, "errno": error.errno},
            ) from error

    async def _settle(self, process: ClaudeProcess, context: JobContext, report: "_Report") -> None:
        """Wait for the result or the end, and say so when nothing is heard for long."""
        while not process.settled.is_set():
            heard = report.lines
            with anyio.move_on_after(self._silence_s):
                await process.settled.wait()
            if report.lines == heard and not process.settled.is_set():
                context.log(
                    f"Claude has said nothing for {self._silence_s:g} s: a long tool, or a stalled connection",
                    level="warning",
                )

    def _remember(self, report: "_Report", event_type: str, description: str | None, raw: Mapping[str, object]) -> None:
        job, context, reader = report.job, report.context, report.reader
        known = {"job_id": context.job_id, "session_id": reader.session_id or job.session_id, "model": reader.model}
        self._record(
            event_id=f"claude:run:{context.job_id}",
            source="claude",
            event_type=event_type,
            title=job.prompt.strip().partition("\n")[0][:TITLE_CHARS].strip() or "(empty prompt)",
            description=description[:DESCRIPTION_CHARS] if description else None,
            actor=None,
            url=None,
            raw={**known, "cwd": job.cwd or str(self._home), **raw},
        )


class _Report:
    """What a run says while it lasts: each line of the CLI becomes text, log and progress of the job."""

    def __init__(
        self,
        job: RunClaude,
        context: JobContext,
        notify: Callable[[ClaudeDelta], None],
    ) -> None:
        self.job = job
        self.context = context
        self.reader = RunReader()
        self.lines = 0
        self._notify = notify
        self._session_told: str | None = None

    def on_line(self, line: bytes) -> bool:
        """Take a line; whether it was the result."""
        self.lines += 1
        is_result = False
        for update in self.reader.feed(line):
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

    def finished(self, result: ClaudeRunResult) -> None:
        """Log how a good run ended."""
        meta = result.model_dump(mode="json", exclude={"text", "text_truncated"})
        self.context.log("Claude answered", meta=meta)
        if result.permission_denials:
            names = ", ".join(sorted(set(result.permission_denials)))
            self.context.log(f"Not allowed without asking, so not done: {names}", level="warning")

    def _started(self, started: Started) -> None:
        if started.session_id == self._session_told:
            return
        self._session_told = started.session_id
        self.context.lock(session_lock(started.session_id))
        self.context.log("Claude started", meta=asdict(started))
        self.context.progress(None, "Claude is working")

    def _retry(self, retry: Retry) -> None:
        reason = str(retry.status) if retry.status is not None else retry.error
        again = f"retry {retry.attempt} of {retry.max_retries} in {retry.delay_ms / 1000:.1f} s"
        self.context.log(
            f"Claude's API refused or was out of reach ({reason}): {again}", level="warning", meta=asdict(retry)
        )
        self.context.progress(None, f"Waiting for Claude's API: {again}")

    def _send(self, delta: Delta) -> None:
        self._notify(
            ClaudeDelta(
                session_id=self.reader.session_id or "",
                job_id=self.context.job_id,
                message_id=delta.message_id,
                offset=delta.offset,
                text=delta.text,
            )
        )


def _result(outcome: Outcome) -> ClaudeRunResult:
    encoded = outcome.text.encode()
    return ClaudeRunResult(
        text=encoded[:TEXT_LIMIT].decode(errors="ignore"),
        text_truncated=len(encoded) > TEXT_LIMIT,
        session_id=outcome.session_id,
        model=outcome.model,
        usage=ClaudeUsage(**asdict(outcome.usage)),
        total_cost_usd=outcome.total_cost_usd,
        num_turns=outcome.num_turns,
        duration_ms=outcome.duration_ms,
        stop_reason=outcome.stop_reason,
        permission_denials=list(outcome.permission_denials),
    )
