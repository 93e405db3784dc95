"""Asks the user's login shell for its PATH and its `claude`.

An app that was started from a desktop has a shorter PATH than a terminal: without the shell's, neither `claude` nor the
MCP servers and hooks that it starts (`npx`, `uvx`) are found.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Final

import anyio

from sidecar.claude.process.command_output import command_output
from sidecar.claude.process.environment import inherited

TIMEOUT_S: Final = 5.0
"""Time limit of one shell in seconds; a profile that loads nvm or conda takes one or two."""
# On Windows the npm package also installs a script, which would pass our arguments through cmd.exe.
CLAUDE: Final = "claude.exe" if sys.platform == "win32" else "claude"
COMMAND: Final = f'command -v {CLAUDE}; printf "\\nPATH=%s\\n" "$PATH"'
FLAGS: Final = ("-ilc", "-lc")
"""Interactive first, since zsh and nvm set PATH in files that only interactive shells read; some of those files need a
terminal and fail without one."""


@dataclass(frozen=True, slots=True)
class ShellAnswer:
    """The `claude` that the login shell finds, and its PATH; None if unknown."""

    claude: Path | None = None
    path: str | None = None


class LoginShell:
    """Starts the shell named by SHELL, one at a time, since two can wait for each other (pyenv).

    Windows has no login shell: there the answer is empty.
    """

    def __init__(self, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> None:
        self._environment = environment
        self._timeout_s = timeout_s
        self._lock = anyio.Lock()
        self._answer: ShellAnswer | None = None

    async def ask(self) -> ShellAnswer:
        """Starts a shell and remembers its answer."""
        async with self._lock:
            self._answer = await self._ask()
        return self._answer

    async def path(self) -> str | None:
        """Returns the PATH of the last answer; asks if there was none yet."""
        async with self._lock:
            if self._answer is None:
                self._answer = await self._ask()
            return self._answer.path

    async def _ask(self) -> ShellAnswer:
        shell = self._environment.get("SHELL")
        if not shell or not which(shell):
            return ShellAnswer()
        answer = ShellAnswer()
        for flags in FLAGS:
            printed = await command_output([shell, flags, COMMAND], inherited(self._environment), self._timeout_s)
            answer = _parse(printed, answer.claude)
            if answer.path is not None:
                break
        return answer


def _parse(printed: str, claude: Path | None) -> ShellAnswer:
    # A profile may print a greeting first, and `command -v` prints an alias as its definition.
    lines = [line.strip() for line in reversed(printed.splitlines())]
    found = next((Path(line) for line in lines if line.startswith("/") and which(line)), claude)
    return ShellAnswer(found, next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), None))
