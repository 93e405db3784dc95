"""Find the user's own `claude`.

An app started from a desktop has a poor PATH, so that what works in a terminal is not found: after PATH the login shell
is asked, then the known places of the installers are tried.  Nothing is bundled; its licence does not allow it.
"""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from subprocess import DEVNULL, PIPE
from typing import cast

import anyio
from anyio.abc import ByteReceiveStream

from sidecar.claude.process.environment import cli_environment, inherited
from sidecar.job_handler import JobFailed

LOGIN_SHELL_TIMEOUT_S = 3.0  # a heavy profile (nvm, conda) takes about a second
VERSION_TIMEOUT_S = 10.0  # 13 ms measured; the first start after an update can be checked by antivirus software
OUTPUT_LIMIT = 16_384
TIDY_S = 0.5
"""For what a profile was at: killed in it, pyenv leaves a lock, for which every terminal waits a minute (measured)."""
CANDIDATES = 20
"""More than anybody has; each is started by the doctor."""
INSTALL = "npm install -g @anthropic-ai/claude-code"
# The npm package puts a script beside the real program on Windows; a script would pass our arguments through cmd.exe.
NAME = "claude.exe" if sys.platform == "win32" else "claude"
QUESTION = f'command -v {NAME}; printf "\\nPATH=%s\\n" "$PATH"'
NPM_EXE = Path("node_modules", "@anthropic-ai", "claude-code", "bin", "claude.exe")


@dataclass(frozen=True, slots=True)
class Executable:
    """Where `claude` is, and who knew: `setting`, `path`, `login_shell` or `known_place`."""

    path: Path
    source: str


class Discovery:
    """Finds the executable anew for each run, since the user may install or update it at any time."""

    def __init__(
        self,
        *,
        setting: str | None,
        environment: Mapping[str, str],
        home: Path,
        shell_timeout_s: float = LOGIN_SHELL_TIMEOUT_S,
    ) -> None:
        """`setting` is CLAUDE_PATH; it is taken as it stands or refused, never fallen back from."""
        self._setting = setting
        self._environment = inherited(environment)
        self._home = home
        self._shell_timeout_s = shell_timeout_s

    async def find(self) -> Executable:
        """The executable; raises `JobFailed` (`executable_missing`) with what to do."""
        if not self._setting:
            async with contextlib.aclosing(self._search()) as places:
                async for executable in places:
                    return executable
        return self.chosen([])

    def chosen(self, candidates: Sequence[Executable]) -> Executable:
        """Of all the `candidates` the one that is used; raises as `find` does."""
        if self._setting:
            return _configured(self._setting)
        if candidates:
            return candidates[0]
        raise JobFailed(
            "Claude Code is not installed, or not where it can be found.",
            kind="executable_missing",
            hint=f"Install it with `{INSTALL}`, or set CLAUDE_PATH to the full path of `claude`.",
        )

    async def survey(self) -> tuple[list[Executable], str | None]:
        """All that there are, the one that `find` takes first; and the PATH of the user's login shell, where there is
        one that answers.
        """
        found: dict[Path, Executable] = {}
        shell = await self._ask_login_shell()
        if self._setting:
            with contextlib.suppress(JobFailed):
                configured = _configured(self._setting)
                found[configured.path] = configured
        async with contextlib.aclosing(self._search(shell)) as places:
            async for executable in places:
                found.setdefault(executable.path, executable)
                if len(found) == CANDIDATES:
                    break
        return list(found.values()), shell.path

    async def _search(self, shell: "_LoginShell | None" = None) -> AsyncGenerator[Executable, None]:
        """Where it is, the first the best; the login shell is asked, if it was not, only if there is nothing better."""
        for folder in self._environment.get("PATH", "").split(os.pathsep):
            # A relative entry would mean another folder to a run, which has a working directory of its own.
            if Path(folder).is_absolute() and (on_path := which(NAME, path=folder)) is not None:
                yield Executable(Path(on_path), "path")
        told = (shell or await self._ask_login_shell()).claude
        if told is not None:
            yield Executable(Path(told), "login_shell")
        for place in known_places(self._environment, self._home):
            if which(str(place)):
                yield Executable(place, "known_place")

    async def _ask_login_shell(self) -> "_LoginShell":
        """One shell for both questions: profiles are slow, and two at once can wait for each other (pyenv)."""
        shell = self._environment.get("SHELL")
        if not shell or not which(shell):  # Windows has no login shell
            return _LoginShell(None, None)
        printed = await output([shell, "-lc", QUESTION], self._environment, self._shell_timeout_s)
        # A profile may print a greeting first, and an alias is answered with its definition.
        lines = [line.strip() for line in reversed(printed.splitlines())]
        claude = next((line for line in lines if line.startswith("/") and which(line)), None)
        path = next((line.removeprefix("PATH=") for line in lines if line.startswith("PATH=")), None)
        return _LoginShell(claude, path)


@dataclass(frozen=True, slots=True)
class _LoginShell:
    """What the user's login shell says: where `claude` is, and its PATH; None each where it does not."""

    claude: str | None
    path: str | None


def known_places(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Where the installers put it, the most usual first."""
    yield home / ".local" / "bin" / NAME
    if sys.platform == "win32":
        yield Path(environment.get("APPDATA", home / "AppData" / "Roaming"), "npm", NPM_EXE)
    else:
        yield from _posix_places(environment, home)


def _posix_places(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
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


async def version(path: Path, environment: Mapping[str, str]) -> str:
    """What `claude --version` prints, such as `2.1.330 (Claude Code)`; raises `JobFailed` (`executable_broken`)."""
    printed = await output([str(path), "--version"], cli_environment(environment, path), VERSION_TIMEOUT_S)
    if not printed:
        raise JobFailed(
            f"{path} does not answer to --version.",
            kind="executable_broken",
            hint=f"Install Claude Code again with `{INSTALL}`, or set CLAUDE_PATH to another `claude`.",
        )
    return printed.splitlines()[0]


def _configured(setting: str) -> Executable:
    path = Path(setting).expanduser()
    if path.is_absolute() and which(str(path)):
        return Executable(path, "setting")
    raise JobFailed(
        f"CLAUDE_PATH is {setting!r}, and that is not a program that can be run.",
        kind="executable_missing",
        hint=f"Set CLAUDE_PATH to the full path of `claude`, or unset it; `{INSTALL}` installs Claude Code.",
    )


async def output(command: list[str], environment: Mapping[str, str], timeout_s: float) -> str:
    """What a command prints within the time, at most 16 KiB; an empty string where it cannot be started."""
    try:
        # Its own session: what a profile starts must not share our terminal or our signals.
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
    """Ask everything in a session to end, and kill what has not after a moment."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            os.kill(leader, signal.SIGTERM)
        else:
            os.killpg(leader, signal.SIGTERM)
            with anyio.move_on_after(TIDY_S):
                while True:
                    os.killpg(leader, 0)  # until there is nobody
                    await anyio.sleep(0.01)
            os.killpg(leader, signal.SIGKILL)


def _version_key(folder: Path) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in folder.name.lstrip("v").split(".")]
