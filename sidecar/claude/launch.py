"""Starting the CLI in a folder, with every way in which that can fail said in words for the user."""

from collections.abc import Callable, Mapping
from pathlib import Path

import anyio

from sidecar.claude.discovery import INSTALL, Discovery
from sidecar.claude.environment import job_environment, session_environment
from sidecar.claude.process import ClaudeProcess, RunOptions, start
from sidecar.handler import JobFailed


class Launcher:
    """Starts the user's own CLI for a run or for a session."""

    def __init__(self, *, discovery: Discovery, environment: Mapping[str, str], home: Path) -> None:
        """`environment` is our own; `home` is where Claude works when no folder is named."""
        self._discovery = discovery
        self._environment = environment
        self.home = home

    async def folder(self, cwd: str | None) -> Path:
        """The folder that is meant; raises `JobFailed` of kind `cwd_missing`."""
        folder = Path(cwd) if cwd is not None else self.home
        if not folder.is_absolute() or not await anyio.Path(folder).is_dir():
            raise JobFailed(f"The folder {folder} does not exist.", kind="cwd_missing", hint="Choose another folder.")
        return folder

    async def for_job(
        self, job_id: str, options: RunOptions, cwd: str | None, on_line: Callable[[bytes], bool]
    ) -> ClaudeProcess:
        """A process that carries a job's mark."""
        folder, executable = await self.folder(cwd), await self._discovery.find()
        environment = job_environment(self._environment, executable=executable.path, job_id=job_id)
        return await _start(executable.path, executable.source, options, folder, environment, on_line)

    async def for_session(
        self, session_id: str, options: RunOptions, cwd: str | None, on_line: Callable[[bytes], bool]
    ) -> ClaudeProcess:
        """A process that carries a session's mark."""
        folder, executable = await self.folder(cwd), await self._discovery.find()
        environment = session_environment(self._environment, executable=executable.path, session_id=session_id)
        return await _start(executable.path, executable.source, options, folder, environment, on_line)


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
        raise JobFailed(
            f"{path} could not be started: {error.strerror}.",
            kind="executable_broken",
            hint=f"Install Claude Code again with `{INSTALL}`, or set CLAUDE_PATH to another `claude`.",
            details={"source": source, "errno": error.errno},
        ) from error
