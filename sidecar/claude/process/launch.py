"""Starting the CLI in a folder, with every way in which that can fail said in words for the user."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import anyio

from sidecar.claude.process.cli_process import ClaudeProcess, RunOptions, start
from sidecar.claude.process.discovery import INSTALL, Discovery
from sidecar.claude.process.environment import cli_environment
from sidecar.claude.process.orphans import start_time
from sidecar.claude.process.process_table import ProcessRecord, ProcessTable
from sidecar.job_handler import JobFailed

BUSY: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
COMMAND_LINE_TOO_LONG: Final = 206
"""ERROR_FILENAME_EXCED_RANGE of Windows, which is what it says of more than 32,767 characters."""


class Launcher:
    """Starts the user's own CLI for a run or for a session."""

    def __init__(
        self, *, discovery: Discovery, environment: Mapping[str, str], home: Path, process_table: ProcessTable
    ) -> None:
        """`environment` is our own; `home` is where Claude works when no folder is named."""
        self._process_table = process_table
        self._discovery = discovery
        self._environment = environment
        self.home = home

    async def working_directory(self, cwd: str | None) -> Path:
        """The folder that is meant; raises `JobFailed` of kind `cwd_missing`."""
        folder = Path(cwd) if cwd is not None else self.home
        if not folder.is_absolute() or not await anyio.Path(folder).is_dir():
            raise JobFailed(f"The folder {folder} does not exist.", kind="cwd_missing", hint="Choose another folder.")
        return folder

    async def start(
        self, owner_env: str, owner_id: str, options: RunOptions, cwd: str | None, on_line: Callable[[bytes], bool]
    ) -> ClaudeProcess:
        """Starts a process whose environment names its owner: `owner_env` is JOB_ENV or SESSION_ENV."""
        folder, executable = await self.working_directory(cwd), await self._discovery.find()
        environment = cli_environment(self._environment, executable.path) | {owner_env: owner_id}
        process = await _start(executable.path, executable.source, options, folder, environment, on_line)
        self._note(process, owner_id)
        return process

    def _note(self, process: ClaudeProcess, owner_id: str) -> None:
        """Write down that it runs, until it is gone."""
        pid = process.pid
        started_ts = start_time(pid)
        if started_ts is not None:
            self._process_table.started(ProcessRecord(pid, started_ts, owner_id))
            process.on_release = lambda: self._process_table.ended(pid)


async def _start(
    path: Path,
    source: str,
    options: RunOptions,
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[bytes], bool],
) -> ClaudeProcess:
    try:
        return await start(path, options, cwd=folder, environment=environment, on_line=on_line)
    except OSError as error:
        raise not_started(path, source, folder, error) from error


def not_started(path: Path, source: str, folder: Path, error: OSError) -> JobFailed:
    """Why the system did not start the CLI."""
    details = {"source": source, "errno": error.errno}
    if error.errno in BUSY:
        return JobFailed(
            f"The computer has no room for another program at the moment: {error.strerror}.",
            kind="no_resources",
            hint="Close some programs and try again.",
            retryable=True,
            details=details,
        )
    if error.errno == errno.E2BIG or getattr(error, "winerror", None) == COMMAND_LINE_TOO_LONG:
        return JobFailed(
            "The settings are too long for a command line.",
            kind="arguments_too_long",
            hint="Shorten the system prompt or the list of allowed tools.",
            details=details,
        )
    if error.filename == str(folder):
        return JobFailed(
            f"The folder {folder} cannot be entered: {error.strerror}.",
            kind="cwd_missing",
            hint="Choose another folder, or see to its permissions.",
            details=details,
        )
    return JobFailed(
        f"{path} could not be started: {error.strerror}.",
        kind="executable_broken",
        hint=f"Install Claude Code again with `{INSTALL}`, or set CLAUDE_PATH to another `claude`.",
        details=details,
    )
