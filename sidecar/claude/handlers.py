"""Carries out the job `claude.run`: one prompt through the user's own CLI, its text passed on while it is written.

However a run ends (answer, failure, cancel, timeout, shutdown), no process of it is left when `run` returns.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import anyio
from sidecar_protocol.claude.runs import ClaudeRunResult, RunClaude, session_lock
from sidecar_protocol.contract import Notification

from sidecar.claude.limits import snooze_until_reset
from sidecar.claude.process.cli_process import RunOptions
from sidecar.claude.process.environment import JOB_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.stopping import CANCEL, SHUTDOWN, stop, wait_for_exit
from sidecar.claude.report import (
    DESCRIPTION_CHARS,
    SILENCE_S,
    RecordRun,
    Report,
    answer_fields,
    recorded,
    timed_out,
)
from sidecar.claude.sessions.texts import title_of
from sidecar.claude.stream import RunOutcome, RunUsage
from sidecar.clock import Clock
from sidecar.job_handler import JobContext, JobFailed
from sidecar.json_reader import parse_object


class Book(Protocol):
    """Writes down what a job used up; never raises."""

    def __call__(self, job_id: str, session_id: str | None, spent: RunUsage, /) -> None: ...


class ClaudeRunHandler:
    """The handler of `RunClaude`."""

    def __init__(
        self,
        *,
        launcher: Launcher,
        notify: Callable[[Notification], None],
        record: RecordRun,
        clock: Clock,
        book: Book,
        owner_of: Callable[[str], str | None],
        is_draining: Callable[[], bool],
        silence_s: float = SILENCE_S,
    ) -> None:
        """`is_draining` tells that the whole process is on its way out, in a hurry; `owner_of` which of our sessions
        has one of the CLI's.
        """
        self._launcher = launcher
        self._notify = notify
        self._record = record
        self._clock = clock
        self._book = book
        self._owner_of = owner_of
        self._is_draining = is_draining
        self._silence_s = silence_s

    async def run(self, job: RunClaude, context: JobContext) -> ClaudeRunResult:
        """Run the prompt; raises `JobFailed` with the kinds of `failures`, `discovery` and `launch`, `timeout`, and
        `session_held`.
        """
        report = Report(context, self._notify, on_session=lambda session_id: context.lock(session_lock(session_id)))
        try:
            outcome = await self._carry_out(job, context, report)
        except JobFailed as failure:
            later = snooze_until_reset(failure, now_ms=self._clock.now_ms(), snoozed_for_s=context.snoozed_for_s)
            if later is not None:
                raise later from failure
            self._remember(job, context, report, "run_failed", failure.message, {"kind": failure.kind})
            raise
        except anyio.get_cancelled_exc_class():
            self._remember(job, context, report, "run_cancelled", None, {"shutdown": self._is_draining()})
            raise
        finally:
            self._book(context.job_id, None, report.reader.usage)
        result = ClaudeRunResult(**answer_fields(outcome), session_id=outcome.session_id)
        report.finished(result)
        self._remember(job, context, report, "run_completed", result.text, recorded(result))
        return result

    async def _carry_out(self, job: RunClaude, context: JobContext, report: Report) -> RunOutcome:
        if job.session_id is not None and (owner := self._owner_of(job.session_id)) is not None:
            # Its own process may live and write the same file; and what is said here would be missing there.
            raise JobFailed(
                "The sidecar holds this conversation itself.",
                kind="session_held",
                hint="Send the prompt with claude.sessions.send, to this session or to a fork of it.",
                details={"session_id": owner},
            )
        options = RunOptions(
            model=job.model,
            session_id=job.session_id,
            allowed_tools=job.allowed_tools,
            permission_mode=job.permission_mode,
            max_turns=job.max_turns,
            system_prompt=job.system_prompt,
        )

        def on_line(line: bytes) -> bool:
            return bool(line.strip()) and report.on_message(parse_object(line))

        process = await self._launcher.start(JOB_ENV, context.job_id, options, job.cwd, on_line)
        try:
            process.send_prompt(job.prompt)
            with anyio.move_on_after(job.timeout_s):
                await report.wait_for_result(process, self._silence_s)
            in_time = process.prompt_done.is_set()
            if in_time:
                await wait_for_exit(process)
        finally:
            with anyio.CancelScope(shield=True):
                await stop(process, context.job_id, SHUTDOWN if self._is_draining() else CANCEL)
        if not in_time:
            raise timed_out(job.timeout_s, "Ask for less at once, or raise timeout_s.")
        return report.outcome(process)

    def _remember(
        self,
        job: RunClaude,
        context: JobContext,
        report: Report,
        event_type: str,
        description: str | None,
        raw: Mapping[str, object],
    ) -> None:
        reader = report.reader
        known = {"job_id": context.job_id, "session_id": reader.session_id or job.session_id, "model": reader.model}
        self._record(
            event_id=f"claude:run:{context.job_id}",
            source="claude",
            event_type=event_type,
            title=title_of(job.prompt),
            description=description[:DESCRIPTION_CHARS] if description else None,
            actor=None,
            url=None,
            full_text=job.prompt,
            raw={**known, "cwd": job.cwd or str(self._launcher.home), **raw},
        )
