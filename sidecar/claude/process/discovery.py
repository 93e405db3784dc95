"""Finds the user's own `claude` executable.

The search goes through PATH, then the login shell, then the folders that installers use: an app started from a desktop
has a shorter PATH than a terminal.  The sidecar does not bundle Claude Code, since its licence forbids that.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from sidecar_protocol.claude.doctor import ExecutableSource

from sidecar.claude.process.command_output import command_output
from sidecar.claude.process.environment import cli_environment
from sidecar.claude.process.login_shell import CLAUDE, LoginShell, ShellAnswer
from sidecar.job_handler import JobFailed

VERSION_TIMEOUT_S = 10.0
"""Time limit in seconds; `--version` takes about 13 ms, but antivirus software may scan a new program first."""
MAX_CANDIDATES = 20
"""Maximum number of executables that `find_all` returns, since the doctor starts each of them."""
INSTALL_COMMAND = "npm install -g @anthropic-ai/claude-code"
REINSTALL_HINT = f"Install Claude Code again with `{INSTALL_COMMAND}`, or set CLAUDE_PATH to another `claude`."
NPM_EXE = Path("node_modules", "@anthropic-ai", "claude-code", "bin", "claude.exe")


@dataclass(frozen=True, slots=True)
class Executable:
    """The path of a `claude`, and how it was found."""

    path: Path
    source: ExecutableSource


@dataclass(frozen=True, slots=True)
class Discovery:
    """Searches again for each run, since the user may install or update Claude Code at any time.

    `setting` is CLAUDE_PATH: if it is set, nothing else is used, even if it is wrong.
    """

    setting: str | None
    environment: Mapping[str, str]
    home: Path
    shell: LoginShell

    async def find(self) -> Executable:
        """Returns the executable to use.  Raises `JobFailed` (`executable_missing`) with a hint."""
        if self.setting:
            return _configured(self.setting)
        if (on_path := next(self._on_path(), None)) is not None:
            return on_path
        return self.choose([*_in_shell(await self.shell.ask()), *self._installed()])

    async def cli_environment(self, executable: Path) -> dict[str, str]:
        """Returns the environment in which to start an executable.  The first call starts the login shell."""
        return cli_environment(self.environment, executable, await self.shell.path())

    def choose(self, candidates: Sequence[Executable]) -> Executable:
        """Returns the executable that `find` would return, given the result of `find_all`.  Raises as `find` does."""
        if self.setting:
            return _configured(self.setting)
        if candidates:
            return candidates[0]
        hint = f"Install it with `{INSTALL_COMMAND}`, or set CLAUDE_PATH to the full path of `claude`."
        raise JobFailed("Claude Code was not found.", kind="executable_missing", hint=hint)

    async def find_all(self) -> tuple[list[Executable], str | None]:
        """Returns all executables in order of preference, and the PATH of the login shell (None if unknown)."""
        found: dict[Path, Executable] = {}
        configured = []
        if self.setting:
            with contextlib.suppress(JobFailed):
                configured = [_configured(self.setting)]
        answer = await self.shell.ask()
        for executable in (*configured, *self._on_path(), *_in_shell(answer), *self._installed()):
            found.setdefault(executable.path, executable)
        return list(found.values())[:MAX_CANDIDATES], answer.path

    def _on_path(self) -> Iterator[Executable]:
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            # A run has its own working directory, in which a relative entry would name another folder.
            if Path(folder).is_absolute() and (found := which(CLAUDE, path=folder)) is not None:
                yield Executable(Path(found), ExecutableSource.PATH)

    def _installed(self) -> Iterator[Executable]:
        for path in install_paths(self.environment, self.home):
            if which(str(path)):
                yield Executable(path, ExecutableSource.KNOWN_PLACE)


def _in_shell(answer: ShellAnswer) -> list[Executable]:
    return [Executable(answer.claude, ExecutableSource.LOGIN_SHELL)] if answer.claude is not None else []


def install_paths(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yields the paths that installers use, the most common first."""
    yield home / ".local" / "bin" / CLAUDE
    if sys.platform == "win32":
        yield Path(environment.get("APPDATA", home / "AppData" / "Roaming"), "npm", NPM_EXE)
        return
    folders = [".claude/local", "/opt/homebrew/bin", "/usr/local/bin"]
    if prefix := environment.get("NPM_CONFIG_PREFIX") or environment.get("npm_config_prefix"):
        folders.append(f"{prefix}/bin")
    folders += [".npm-global/bin", ".volta/bin", ".bun/bin", ".local/share/pnpm", "Library/pnpm", ".asdf/shims"]
    yield from (home / folder / CLAUDE for folder in folders)
    for versions, below in (
        (Path(environment.get("NVM_DIR", home / ".nvm")) / "versions/node", "bin"),
        (Path(environment.get("FNM_DIR", home / ".local/share/fnm")) / "node-versions", "installation/bin"),
        (home / "Library/Application Support/fnm/node-versions", "installation/bin"),
    ):
        # The newest Node first; names are v22.1.0, v9.11.2.
        yield from (folder / below / CLAUDE for folder in sorted(versions.glob("v*"), key=_version_key, reverse=True))


async def read_version(path: Path, environment: Mapping[str, str]) -> str:
    """Returns the output of `--version`: `2.1.330 (Claude Code)`.  Raises `JobFailed` (`executable_broken`)."""
    printed = await command_output([str(path), "--version"], environment, VERSION_TIMEOUT_S)
    if not printed:
        raise JobFailed(f"{path} does not answer to --version.", kind="executable_broken", hint=REINSTALL_HINT)
    return printed.splitlines()[0]


def _configured(setting: str) -> Executable:
    path = Path(setting).expanduser()
    if path.is_absolute() and which(str(path)):
        return Executable(path, ExecutableSource.SETTING)
    message = f"CLAUDE_PATH is {setting!r}, which is not an executable program."
    hint = f"Set CLAUDE_PATH to the full path of `claude`, or unset it.  To install it: `{INSTALL_COMMAND}`."
    raise JobFailed(message, kind="executable_missing", hint=hint)


def _version_key(folder: Path) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in folder.name.lstrip("v").split(".")]
