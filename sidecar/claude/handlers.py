"""Runs jobs of type `claude.run`: one prompt in a CLI process of its own, whose text is sent while it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from sidecar_protocol.claude.runs import ClaudeRunResult, RunClaude

from sidecar.claude.billing import RunUsage
from sidecar.claude.budgets import Watch
from sidecar.claude.gate.store import Owner
from sidecar.claude.limits import GO_ON
from sidecar.claude.live_tasks import LiveJobs
from sidecar.claude.process.cli_process import RunOptions
from sidecar.claude.process.environment import JOB_ENV
from sidecar.claude.process.launch import Launcher
from sidecar.claude.process.stopping import CANCEL, SHUTDOWN, stop, wait_for_exit
from sidecar.claude.prompts.attachments import Attachments
from sidecar.claude.prompts.blocks import content_blocks
from sidecar.claude.reporting import SILENCE_S, FeedEntry, ProgressReporter, timeout_failure
from sidecar.claude.runs import RunState, RunStore
from sidecar.claude.sessions.journal import SessionStore
from sidecar.claude.status.telling import Problems
from sidecar.claude.usage import UsageStore
from sidecar.job_handler import JobContext, JobFailed
from sidecar.json_reader import get_text
from sidecar.runtime import Runtime

RECORDED_AFTER: Final = ("stream_event", "assistant")
"""Lines after which the CLI has a record of its session, and knows the id that it has reported."""


@dataclass(frozen=True, slots=True)
class ClaudeRunHandler:
    """The handler of `RunClaude`."""

    runtime: Runtime
    launcher: Launcher
    sessions: SessionStore
    usage: UsageStore
    runs: RunStore
    live: LiveJobs
    attachments: Attachments
    silence_s: float = SILENCE_S

    async def run(self, job: RunClaude, context: JobContext) -> ClaudeRunResult:
        """Raises `JobFailed`: kinds of `failures`, `discovery`, `launch`; `timeout`, `session_held`, `no_answer`."""
        reporter = ProgressReporter(context, self.runtime.notify)
        reader = reporter.reader
        cwd = job.cwd or str(self.launcher.home)

        def details() -> dict[str, object]:
            return {"session_id": reader.session_id or job.session_id, "model": reader.model, "cwd": cwd}

        entry = FeedEntry(self.runtime, "run", context, job.prompt, details)
        try:
            with entry.failures(waits=job.wait_for_limit):
                result = await self._answer(job, context, reporter)
        finally:
            context.at_end(partial(self._store_usage, context.job_id, reader.usage))
        context.at_end(partial(self.attachments.answered, context.job_id))
        result = self.launcher.cited(result, Owner(job_id=context.job_id), context, job.hub)
        entry.completed(result)
        return result

    def _store_usage(self, job_id: str, usage: RunUsage) -> None:
        self.usage.add(job_id, None, usage)
        self.launcher.budgets.live.pop(job_id, None)

    async def _answer(self, job: RunClaude, context: JobContext, reporter: ProgressReporter) -> ClaudeRunResult:
        self.launcher.budgets.require(None)
        if job.session_id is not None and (session_id := self.sessions.id_of(job.session_id)) is not None:
            # The session's own process may be writing the same file, and its messages would lack this prompt.
            message = "This conversation belongs to a session of the sidecar."
            hint = "Send the prompt with claude.sessions.send, to that session or to a fork of it."
            raise JobFailed(message, kind="session_held", hint=hint, details={"session_id": session_id})
        is_first = context.attempt == 1 and not context.snoozed_for_s
        if self.launcher.hub is not None:
            await self.launcher.hub.begin_run(job, context.job_id, is_first=is_first)
        begun = self.runs.begin(context.job_id, is_first=is_first)
        if begun.has_acted and begun.claude_session_id is None:
            raise not_continued(None)
        try:
            return await self._attempt(job, context, reporter, begun)
        except JobFailed as failure:
            raise not_continued(failure) if begun.has_acted and failure.kind == "session_unknown" else failure from None

    async def _attempt(
        self, job: RunClaude, context: JobContext, reporter: ProgressReporter, begun: RunState
    ) -> ClaudeRunResult:
        """Runs the prompt, or goes on with what an earlier attempt has begun."""
        prompt, session_id = job.prompt, job.session_id
        if begun.has_acted:
            prompt, session_id = GO_ON, begun.claude_session_id
            context.log("Claude goes on with what it has begun", meta={"prompt": GO_ON})
        options = replace(_options(job), session_id=session_id)
        known, reader = begun, reporter.reader
        problems = Problems({}, lambda text: context.log(text, level="warning"), effort=lambda: job.effort)
        timeout = anyio.CancelScope()
        watch = Watch(self.launcher.budgets, context.job_id, None, reader, timeout.cancel)

        def on_line(_: bytes, line: Mapping[str, Any] | None) -> None:
            nonlocal known
            reporter.on_line(line)
            watch.on_line(line)
            if line is not None:
                problems.on_line(line)
            has_record = get_text(line, "type") in RECORDED_AFTER
            claude_session_id = reader.session_id if has_record else known.claude_session_id
            state = RunState(claude_session_id, begun.has_acted or reader.has_acted)
            if state != known:
                known = state
                self.runs.record(context.job_id, state)

        content = None if begun.has_acted else await content_blocks(self.attachments, context.job_id, prompt)
        process = await self.launcher.start(JOB_ENV, context.job_id, options, job.cwd, on_line)
        process.on_done, reporter.work = reader.keep_answer, process.work
        try:
            await checkpoint_if_cancelled()  # the run can have been cancelled while its process was started
            process.send_prompt(prompt, content=content)
            timeout.deadline = anyio.current_time() + job.timeout_s
            with timeout, self.live.running(context.job_id, None, process):
                await reporter.wait_for_result(process, self.silence_s)
            in_time = process.prompt_done.is_set()
            failure = None if in_time else watch.reached or timeout_failure(job.timeout_s, process.work)
            if in_time:
                await wait_for_exit(process)
        finally:
            with anyio.CancelScope(shield=True):
                await stop(process, context.job_id, SHUTDOWN if self.runtime.is_draining() else CANCEL)
        problems.finish()
        if failure is not None:
            raise failure
        return answered(reporter.outcome(process), job.prompt)


def _options(job: RunClaude) -> RunOptions:
    return RunOptions(
        model=job.model,
        effort=job.effort,
        allowed_tools=job.allowed_tools,
        permission_mode=job.permission_mode,
        max_turns=job.max_turns,
        max_budget_usd=job.max_budget_usd,
        system_prompt=job.system_prompt,
        settings=job.settings,
        hub=job.hub,
    )


def answered(result: ClaudeRunResult, prompt: str) -> ClaudeRunResult:
    """Returns a result with an answer.  Raises `JobFailed`: a run is for its answer, whatever Claude has done.

    A command that Claude Code has carried out itself, such as `/compact`, has none: the model had no turn (measured).
    """
    is_command = prompt.lstrip().startswith("/") and result.num_turns == 0
    if is_command or result.text.strip():
        return result
    message = "Claude ended without an answer."
    hint = "See what it has done before you run the prompt again; a run with this session_id goes on from there."
    kept = {"session_id", "stop_reason", "num_turns", "permission_denials"}
    raise JobFailed(message, kind="no_answer", hint=hint, details=result.model_dump(mode="json", include=kept))


def not_continued(failure: JobFailed | None) -> JobFailed:
    """Returns the failure of a run that has begun its work and cannot be continued after a usage limit."""
    message = "Claude had begun its work when its usage limit was reached, and its conversation cannot be continued."
    hint = "See what is already done before you run the prompt again."
    details = None if failure is None else failure.details
    return JobFailed(message, kind="not_continued", hint=hint, interrupted=True, details=details)
