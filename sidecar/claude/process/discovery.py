"""Finds the user's own `claude` executable.

The search goes through PATH, then the login shell, then the folders that installers use: an app started from a desktop
has a shorter PATH than a terminal.  The sidecar does not bundle Claude Code, since its licence forbids that.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from subprocess import DEVNULL, PIPE
from typing import cast

import anyio
from anyio.abc import ByteReceiveStream
from sidecar_protocol.claude.doctor import ExecutableSource

from sidecar.claude.process.environment import cli_environment, inherited
from sidecar.job_handler import JobFailed

LOGIN_SHELL_TIMEOUT_S = 3.0
"""Time limit in seconds; a profile that loads nvm or conda takes about one."""
VERSION_TIMEOUT_S = 10.0
"""Time limit in seconds; `--version` takes about 13 ms, but antivirus software may scan a new program first."""
OUTPUT_LIMIT = 16_384
"""Maximum output of a command, in bytes."""
TERMINATE_GRACE_S = 0.5
MAX_CANDIDATES = 20
"""Maximum number of executables that `find_all` returns, since the doctor starts each of them."""
INSTALL_COMMAND = "npm install -g @anthropic-ai/claude-code"
REINSTALL_HINT = f"Install Claude Code again with `{INSTALL_COMMAND}`, or set CLAUDE_PATH to another `claude`."
# On Windows the npm package also installs a script, which would pass our arguments through cmd.exe.
NAME = "claude.exe" if sys.platform == "win32" else "claude"
SHELL_COMMAND = f'command -v {NAME}; printf "\\nPATH=%s\\n" "$PATH"'
NPM_EXE = Path("node_modules", "@anthropic-ai", "claude-code", "bin", "claude.exe")


@dataclass(frozen=True, slots=True)
class Executable:
    """The path of a `claude`, and how it was found."""

    path: Path
    source: ExecutableSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """Searches again for each run, since the user may install or update Claude Code at any time.

    `setting` is CLAUDE_PATH: if it is set, nothing else is used, even if it is wrong.
    """

    setting: str | None
    environment: Mapping[str, str]
    home: Path
    shell_timeout_s: float = LOGIN_SHELL_TIMEOUT_S

    async def find(self) -> Executable:
        """Returns the executable to use.  Raises `JobFailed` (`executable_missing`) with a hint."""
        if self.setting:
            return _configured(self.setting)
        if (on_path := next(self._on_path(), None)) is not None:
            return on_path
        in_shell, _ = await self._query_login_shell()
        return self.choose([*in_shell, *self._installed()])

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
        in_shell, path = await self._query_login_shell()
        for executable in (*configured, *self._on_path(), *in_shell, *self._installed()):
            found.setdefault(executable.path, executable)
        return list(found.values())[:MAX_CANDIDATES], path

    def _on_path(self) -> Iterator[Executable]:
        for folder in self.environment.get("PATH", "").split(os.pathsep):
            # A run has its own working directory, in which a relative entry would name another folder.
            if Path(folder).is_absolute() and (found := which(NAME, path=folder)) is not None:
                yield Executable(Path(found), ExecutableSource.PATH)

    def _installed(self) -> Iterator[Executable]:
        for path in install_paths(self.environment, self.home):
            if which(str(path)):
                yield Executable(path, ExecutableSource.KNOWN_PLACE)

    async def _query_login_shell(self) -> tuple[list[Executable], str | None]:
        """Returns the `claude` that the login shell finds, if any, and its PATH (None if unknown).

        One shell answers both: profiles are slow, and two at once can wait for each other (pyenv).
        """
        shell = self.environment.get("SHELL")
        if not shell or not which(shell):  # Windows has no login shell
            return [], None
        printed = await command_output([shell, "-lc", SHELL_COMMAND], inherited(self.environment), self.shell_timeout_s)
        # A profile may print a greeting first, and `command -v` prints an alias as its definition.
        lines = [line.strip() for line in reversed(printed.splitlines())]
        found = [line for line in lines if line.startswith("/") and which(line)]
        path = next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), None)
        return [Executable(Path(line), ExecutableSource.LOGIN_SHELL) for line in found[:1]], path


def install_paths(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yields the paths that installers use, the most common first."""
    yield home / ".local" / "bin" / NAME
    if sys.platform == "win32":
        yield Path(environment.get("APPDATA", home / "AppData" / "Roaming"), "npm", NPM_EXE)
        return
    folders = [".claude/local", "/opt/homebrew/bin", "/usr/local/bin"]
    if prefix := environment.get("NPM_CONFIG_PREFIX") or environment.get("npm_config_prefix"):
        folders.append(f"{prefix}/bin")
    folders += [".npm-global/bin", ".volta/bin", ".bun/bin", ".local/share/pnpm", "Library/pnpm", ".asdf/shims"]
    yield from (home / folder / NAME for folder in folders)
    for versions, below in (
        (Path(environment.get("NVM_DIR", home / ".nvm")) / "versions/node", "bin"),
        (Path(environment.get("FNM_DIR", home / ".local/share/fnm")) / "node-versions", "installation/bin"),
        (home / "Library/Application Support/fnm/node-versions", "installation/bin"),
    ):
        # The newest Node first; names are v22.1.0, v9.11.2.
        yield from (folder / below / NAME for folder in sorted(versions.glob("v*"), key=_version_key, reverse=True))


async def read_version(path: Path, environment: Mapping[str, str]) -> str:
    """Returns the output of `--version`: `2.1.330 (Claude Code)`.  Raises `JobFailed` (`executable_broken`)."""
    printed = await command_output([str(path), "--version"], cli_environment(environment, path), VERSION_TIMEOUT_S)
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


async def command_output(command: list[str], environment: Mapping[str, str], timeout_s: float) -> str:
    """Returns what a command prints, at most `OUTPUT_LIMIT` bytes, or an empty string if it cannot be started."""
    try:
        # In a session of its own: the programs that a profile starts must not get our terminal or our signals.
        process = await anyio.open_process(
            command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=environment, start_new_session=True
        )
    except OSError:
        return ""
    printed = bytearray()
    try:
        with anyio.move_on_after(timeout_s):
            async for chunk in cast("ByteReceiveStream", process.stdout):
                printed += chunk
                if len(printed) > OUTPUT_LIMIT:
                    break
            await process.wait()
    finally:
        if process.returncode is None:
            with anyio.CancelScope(shield=True):
                await _end_session(process.pid)
        await process.aclose()
    return printed[:OUTPUT_LIMIT].decode(errors="replace").strip()


async def _end_session(leader: int) -> None:
    """Terminates all processes of a session, then kills those that remain."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(leader, signal.SIGTERM)
        else:
            os.killpg(leader, signal.SIGTERM)
            with anyio.move_on_after(TERMINATE_GRACE_S):
                while True:
                    os.killpg(leader, 0)  # raises once the group is empty
                    await anyio.sleep(0.01)
            os.killpg(leader, signal.SIGKILL)


def _version_key(folder: Path) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in folder.name.lstrip("v").split(".")]
