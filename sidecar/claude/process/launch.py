"""Starts the CLI for a job or a session, and explains failures to start it."""

import errno
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.claude.runs import ClaudeRunResult, ClaudeSettings, HubAccess

from sidecar.claude.budgets import BudgetBook
from sidecar.claude.gate.link import HubLink
from sidecar.claude.gate.store import Owner
from sidecar.claude.process.cli_process import ClaudeProcess, OnLine, RunOptions, start
from sidecar.claude.process.discovery import REINSTALL_HINT, Discovery
from sidecar.claude.process.orphans import ProcessTable, StoredProcess, start_time
from sidecar.claude.process.stopping import TERMINATE, stop
from sidecar.claude.process.user_settings import config_dir, default_model
from sidecar.claude.process.work import STATE_EVENTS_ENV
from sidecar.claude.records.files import RecordFiles
from sidecar.claude.status.journal import StatusJournal
from sidecar.claude.status.observing import Observer
from sidecar.claude.status.telling import EFFORT_REQUEST
from sidecar.claude.trust.gate import Gate
from sidecar.job_handler import JobContext, JobFailed

NO_RESOURCES: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
COMMAND_LINE_TOO_LONG: Final = 206
"""ERROR_FILENAME_EXCED_RANGE, the Windows error for a command line of more than 32,767 characters."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts the user's own CLI.  `home` is its working directory if none is given."""

    discovery: Discovery
    home: Path
    process_table: ProcessTable
    gate: Gate
    status: StatusJournal
    budgets: BudgetBook
    hub: HubLink | None = None

    def working_directory(self, cwd: str | None) -> Path:
        """Returns the working directory for `cwd`."""
        return Path(cwd) if cwd is not None else self.home

    async def require_trust(self, cwd: str | None, settings: ClaudeSettings) -> None:
        """Checks that a process may go on working in a folder.

        Raises the errors of `Gate.require`.  A live process would not notice that its folder is
        missing, and would run hooks that the folder has since got.
        """
        await self.gate.require(self.working_directory(cwd), settings)

    @property
    def records(self) -> RecordFiles:
        """The CLI's records of conversations."""
        return RecordFiles(config_dir(self.discovery.environment, self.home))

    async def resume_name(self, claude_session_id: str, cwd: str | None) -> str:
        """Returns what `--resume` takes for a conversation in a folder."""
        return await run_sync(self.records.resume_name, claude_session_id, Path(cwd or self.home))

    async def default_model(self, cwd: str | None) -> str:
        """Returns the model of a new conversation in a folder; "default" for one that does not answer.

        A start there is then refused by the gate.
        """
        folder = self.working_directory(cwd)
        look = partial(default_model, self.discovery.environment, self.home, folder)
        try:
            return await self.gate.threads.run(str(folder), look)
        except TimeoutError:
            return "default"

    def cited(self, result: ClaudeRunResult, owner: Owner, context: JobContext, hub: HubAccess) -> ClaudeRunResult:
        """Returns an answer with its citations, which are stored with the job's outcome; they need the hub."""
        if self.hub is None or not self.hub.is_on or hub is HubAccess.OFF:
            return result
        store = self.hub.journal.citations
        if citations := store.find(owner, result.text):
            context.at_end(lambda: store.store(owner, context.job_id, citations))
        return result.model_copy(update={"citations": citations})

    async def start(
        self, owner_env: str, owner_id: str, options: RunOptions, cwd: str | None, on_line: OnLine
    ) -> ClaudeProcess:
        """Starts a CLI whose `owner_env`, JOB_ENV or SESSION_ENV, names its owner.

        Raises `JobFailed`, also with the kinds of `Gate.require`.
        """
        options = replace(options, hub=HubAccess.OFF) if self.hub is None else await self.hub.prepared(options)
        folder, executable = self.working_directory(cwd), await self.discovery.find()
        own = {owner_env: owner_id, STATE_EVENTS_ENV: "1"}
        own |= await self.gate.require(folder, options.settings, has_worktree=options.worktree is not None)
        environment = await self.discovery.cli_environment(executable.path) | own
        try:
            process = await start(
                executable.path,
                options,
                cwd=folder,
                environment=environment,
                on_line=on_line,
                on_release=lambda pid: self.process_table.discard([pid]),
            )
        except OSError as error:
            raise not_started(executable.path, executable.source, folder, error) from error
        if (started_ts := start_time(process.pid)) is not None:
            self.process_table.add(StoredProcess(process.pid, started_ts, owner_id))
        try:
            self._follow(process, executable.path, options, folder, owner_env, owner_id)
        except BaseException:  # such as a locked database: the process would be left running
            with anyio.CancelScope(shield=True):
                await stop(process, owner_id, TERMINATE)
            raise
        return process

    def _follow(
        self, process: ClaudeProcess, path: Path, options: RunOptions, folder: Path, owner_env: str, owner_id: str
    ) -> None:
        """Begins to talk with a process."""
        observer = Observer(
            self.status,
            str(path),
            str(folder),
            process.send,
            has_project=options.settings is ClaudeSettings.ALL,
        )
        process.observe = observer.on_line
        more = {} if self.hub is None else self.hub.attach(process, options, owner_env, owner_id)
        observer.begin(**more)
        if options.effort is not None:
            process.send(EFFORT_REQUEST)


def not_started(path: Path, source: str, folder: Path, error: OSError) -> JobFailed:
    failed = partial(JobFailed, details={"source": source, "errno": error.errno})
    if error.errno in NO_RESOURCES:
        message = f"The computer cannot start another program at the moment: {error.strerror}."
        return failed(message, kind="no_resources", hint="Close some programs and try again.", retryable=True)
    if error.errno == errno.E2BIG or getattr(error, "winerror", None) == COMMAND_LINE_TOO_LONG:
        hint = "Shorten the system prompt or the list of allowed tools."
        return failed("The settings are too long for a command line.", kind="arguments_too_long", hint=hint)
    if error.filename == str(folder):
        hint = "Choose another folder, or check its permissions."
        return failed(f"The folder {folder} cannot be opened: {error.strerror}.", kind="cwd_missing", hint=hint)
    return failed(f"{path} could not be started: {error.strerror}.", kind="executable_broken", hint=REINSTALL_HINT)
