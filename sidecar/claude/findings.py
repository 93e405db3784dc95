"""What is judged of the user's Claude Code: each thing that can be wrong, and what to do about it.

A finding is a problem where Claude cannot work, a warning where it does, but not always or not as expected.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any, Final

from sidecar_protocol.claude.doctor import (
    ClaudeCandidate,
    ClaudeFinding,
    ClaudeLogin,
    ExecutableSource,
    FindingName,
    FindingState,
    LoginState,
)
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.process.discovery import INSTALL, Executable
from sidecar.claude.process.environment import cli_environment
from sidecar.job_handler import JobFailed

OLDEST: Final = (2, 1, 197)
"""The oldest release that the tests run."""
SHEBANG_BYTES: Final = 256
SETTINGS_BYTES: Final = 1024 * 1024
SHOWN: Final = 4
"""Folders of a PATH that are named; the rest is counted."""

Release = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class User:
    """Who runs the sidecar: the environment that it was given, the home folder, and whether that is root."""

    environment: Mapping[str, str]
    home: Path
    is_root: bool

    @property
    def config_dir(self) -> Path:
        """Where Claude keeps its settings, sessions and credentials."""
        named = self.environment.get("CLAUDE_CONFIG_DIR")
        return Path(named).expanduser() if named else self.home / ".claude"


def this_user() -> User:
    """The user of this process."""
    return User(os.environ, Path.home(), is_root=hasattr(os, "geteuid") and os.geteuid() == 0)


def missing(failure: JobFailed) -> ClaudeFinding:
    """There is none to be used."""
    return _finding(FindingName.EXECUTABLE, FindingState.PROBLEM, failure.message, failure.hint)


def executable(mine: ClaudeCandidate) -> ClaudeFinding:
    """Whether the one that is used runs at all."""
    if mine.version is not None:
        return _finding(FindingName.EXECUTABLE, FindingState.OK, f"{mine.path} ({mine.source})")
    return _finding(
        FindingName.EXECUTABLE,
        FindingState.PROBLEM,
        f"{mine.path} does not answer to --version.",
        f"Install Claude Code again with `{INSTALL}`, or set CLAUDE_PATH to another `claude`.",
    )


def versions(mine: ClaudeCandidate, candidates: list[ClaudeCandidate]) -> Iterator[ClaudeFinding]:
    """Whether its release is one that is known to work, and the newest that there is."""
    if mine.version is None:
        return
    release, oldest = release_of(mine.version), ".".join(map(str, OLDEST))
    if release is None:
        detail = f"{mine.version!r} is no version that is known."
        yield _finding(FindingName.VERSION, FindingState.WARNING, detail, "Check that CLAUDE_PATH names Claude Code.")
        return
    if release < OLDEST:
        detail = f"{mine.version} is older than {oldest}, the oldest that was tested."
        yield _finding(FindingName.VERSION, FindingState.WARNING, detail, "Run `claude update`.")
        return
    newer = [one for one in candidates if (release_of(one.version) or ()) > release]
    if newer:
        detail = f"{mine.version} is used, and {newer[0].path} is newer: {newer[0].version}."
        advice = f"Update {mine.path} or remove it, or set CLAUDE_PATH to {newer[0].path}."
        yield _finding(FindingName.VERSION, FindingState.WARNING, detail, advice)
        return
    yield _finding(FindingName.VERSION, FindingState.OK, mine.version)


def node(used: Executable, environment: Mapping[str, str]) -> Iterator[ClaudeFinding]:
    """A `claude` of npm can be a script, and then Node must be found by those who start it."""
    try:
        with used.path.open("rb") as file:
            first = file.read(SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        return
    if not (first.startswith(b"#!") and re.search(rb"\bnode\b", first)):
        return
    interpreter = first[2:].split()[0].decode(errors="replace")
    path = cli_environment(environment, used.path)["PATH"]
    node = which("node", path=path) if interpreter.endswith("env") else which(interpreter)
    if node is None:
        yield _finding(
            FindingName.NODE,
            FindingState.PROBLEM,
            f"{used.path} is a script that needs Node, which is neither beside it nor on the PATH.",
            "Put Node's folder on the PATH that the app is started with, or install Claude Code's native build.",
        )
    else:
        yield _finding(FindingName.NODE, FindingState.OK, node)


def logged_in(login: ClaudeLogin, user: User) -> ClaudeFinding:
    """Whether Claude has an account."""
    how = ", ".join(filter(None, [login.method, login.provider])) or "credentials are there"
    elsewhere = ", to ANTHROPIC_BASE_URL" if user.environment.get("ANTHROPIC_BASE_URL") else ""
    match login.state:
        case LoginState.LOGGED_IN:
            return _finding(FindingName.LOGIN, FindingState.OK, how + elsewhere)
        case LoginState.LOGGED_OUT:
            return _finding(
                FindingName.LOGIN,
                FindingState.PROBLEM,
                "Claude is not logged in.",
                "Run `claude auth login` in a terminal, or set ANTHROPIC_API_KEY for the app.",
            )
        case LoginState.UNKNOWN:
            return _finding(
                FindingName.LOGIN,
                FindingState.WARNING,
                "Nothing shows whether Claude is logged in.",
                "If a prompt fails for that reason, run `claude` in a terminal once and log in.",
            )


def path(told: str, used: Executable | None, user: User) -> ClaudeFinding:
    """Whether a terminal, whose PATH was told, would find programs that Claude's tools do not."""
    ours = _folders(user.environment.get("PATH", ""))
    missing = [folder for folder in _folders(told) if folder not in ours]
    if not missing:
        return _finding(FindingName.PATH, FindingState.OK, "the same as in a terminal")
    named = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN} more" if missing[SHOWN:] else "")
    poor = used is not None and used.source not in (ExecutableSource.PATH, ExecutableSource.SETTING)
    return _finding(
        FindingName.PATH,
        FindingState.WARNING,
        f"A terminal also looks for programs in {named}" + (", and ours does not even find Claude." if poor else "."),
        "Start the app from a terminal, or give it the PATH of one: what Claude runs is looked for in it.",
    )


def root(user: User) -> Iterator[ClaudeFinding]:
    """Root must not do without asking; IS_SANDBOX lifts that (measured with 2.1.330)."""
    if not user.is_root or user.environment.get("IS_SANDBOX"):
        return
    settings = json_object(_read(user.config_dir / "settings.json"))
    permissions = settings.get("permissions")
    mode = permissions.get("defaultMode") if isinstance(permissions, dict) else None
    if mode == PermissionMode.BYPASS_PERMISSIONS:
        yield _finding(
            FindingName.ROOT,
            FindingState.PROBLEM,
            f"The sidecar runs as root, and {user.config_dir / 'settings.json'} asks for bypassPermissions.",
            "Run the app as another user, or choose another permissions.defaultMode.",
        )
    else:
        yield _finding(
            FindingName.ROOT,
            FindingState.WARNING,
            "The sidecar runs as root, for whom Claude refuses the permission mode bypassPermissions.",
            "Run the app as another user, or set IS_SANDBOX=1 where nothing can be harmed.",
        )


def files(user: User) -> ClaudeFinding:
    """Without them nothing can be resumed, and no login is kept."""
    folder = user.config_dir
    state = user.home / ".claude.json"
    existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if not os.access(existing, os.W_OK | os.X_OK) or (folder.exists() and not folder.is_dir()):
        wrong = existing
    elif not user.environment.get("CLAUDE_CONFIG_DIR") and state.exists() and not os.access(state, os.W_OK):
        wrong = state
    else:
        return _finding(FindingName.FILES, FindingState.OK, f"{folder}" + ("" if folder.exists() else ", to be made"))
    return _finding(
        FindingName.FILES,
        FindingState.PROBLEM,
        f"{wrong} cannot be written: Claude keeps its sessions and its login there.",
        f"Make it yours (`sudo chown -R $(whoami) '{wrong}'`), or set CLAUDE_CONFIG_DIR to another folder."
        if sys.platform != "win32"
        else "Give yourself the right to write there, or set CLAUDE_CONFIG_DIR to another folder.",
    )


def _finding(name: FindingName, state: FindingState, detail: str, advice: str | None = None) -> ClaudeFinding:
    return ClaudeFinding(name=name, state=state, detail=detail, advice=advice)


def release_of(told: str | None) -> Release | None:
    """`2.1.330 (Claude Code)` -> (2, 1, 330)."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", told or "")
    return tuple(map(int, found.groups())) if found is not None else None


def _folders(path: str) -> list[str]:
    return list(dict.fromkeys(folder.rstrip("/") or "/" for folder in path.split(os.pathsep) if folder))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SETTINGS_BYTES).decode(errors="replace")
    except OSError:
        return ""


def json_object(text: str) -> Mapping[str, Any]:
    """The object that a text is; an empty one for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
