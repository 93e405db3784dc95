"""The checks of `claude.doctor`: each thing that can be wrong with Claude Code, and what the user can do about it."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Final

from sidecar_protocol.claude.doctor import ClaudeCandidate, ClaudeLogin, Finding, LoginState
from sidecar_protocol.claude.runs import PermissionMode

from sidecar.claude.process.discovery import REINSTALL_HINT, Executable
from sidecar.claude.process.user_settings import config_dir, read_settings
from sidecar.json_reader import get

OLDEST_RELEASE: Final = (2, 1, 197)
"""The oldest release that the tests run."""
RETENTION_DAYS: Final = 30
"""Claude's default of `cleanupPeriodDays` (2.1.332)."""


@dataclass(frozen=True, slots=True)
class User:
    """The user who runs the sidecar: its environment, the home folder, and whether the user is root."""

    environment: Mapping[str, str]
    home: Path
    is_root: bool

    @property
    def config_dir(self) -> Path:
        """The folder of Claude's settings, sessions and credentials."""
        return config_dir(self.environment, self.home)


def this_user() -> User:
    return User(os.environ, Path.home(), is_root=hasattr(os, "geteuid") and os.geteuid() == 0)


def check_executable(used: ClaudeCandidate) -> Finding:
    if used.version is None:
        return Finding.problem("executable", f"{used.path} does not answer to --version.", REINSTALL_HINT)
    return Finding.ok("executable", f"{used.path} ({used.source})")


def check_version(used: ClaudeCandidate, candidates: list[ClaudeCandidate]) -> Iterator[Finding]:
    """Checks that the release is one that is known to work, and the newest one on this computer."""
    if used.version is None:
        return
    release, oldest = release_of(used.version), ".".join(map(str, OLDEST_RELEASE))
    newer = [one for one in candidates if (release_of(one.version) or ()) > (release or ())]
    if release is None:
        detail = f"{used.version!r} is not a version of Claude Code."
        yield Finding.warning("version", detail, "Check that CLAUDE_PATH names Claude Code.")
    elif release < OLDEST_RELEASE:
        detail = f"{used.version} is older than {oldest}, the oldest tested release."
        yield Finding.warning("version", detail, "Run `claude update`.")
    elif newer:
        detail = f"{used.version} is used, but {newer[0].path} is newer: {newer[0].version}."
        advice = f"Update {used.path} or remove it, or set CLAUDE_PATH to {newer[0].path}."
        yield Finding.warning("version", detail, advice)
    else:
        yield Finding.ok("version", used.version)


def check_node(used: Executable, path: str) -> Iterator[Finding]:
    """Checks that Node is on Claude's PATH if `claude` is a script for it, as older npm packages install it."""
    first = _read(used.path, 256).partition(b"\n")[0]
    if not (first.startswith(b"#!") and re.search(rb"\bnode\b", first)):
        return
    interpreter = first[2:].split()[0].decode(errors="replace")
    node = which("node", path=path) if interpreter.endswith("env") else which(interpreter)
    if node is None:
        detail = f"{used.path} is a script that needs Node, which is neither next to it nor on the PATH."
        advice = "Put Node's folder on the PATH that the app is started with, or install Claude Code's native build."
        yield Finding.problem("node", detail, advice)
    else:
        yield Finding.ok("node", node)


def check_login(login: ClaudeLogin, user: User) -> Finding:
    match login.state:
        case LoginState.LOGGED_IN:
            method = ", ".join(filter(None, [login.method, login.provider])) or "credentials found"
            elsewhere = ", to ANTHROPIC_BASE_URL" if user.environment.get("ANTHROPIC_BASE_URL") else ""
            return Finding.ok("login", method + elsewhere)
        case LoginState.LOGGED_OUT:
            advice = "Run `claude auth login` in a terminal, or set ANTHROPIC_API_KEY for the app."
            return Finding.problem("login", "Claude is not logged in.", advice)
        case LoginState.UNKNOWN:
            advice = "If a prompt fails because of that, run `claude` in a terminal once and log in."
            return Finding.warning("login", "It is unknown whether Claude is logged in.", advice)


def check_path(shell_path: str | None, user: User) -> Iterator[Finding]:
    """Checks whether Claude gets the PATH of a terminal.  Windows has no login shell and needs none."""
    if shell_path is not None:
        yield Finding.ok("path", "the same as in a terminal")
    elif shell := user.environment.get("SHELL"):
        detail = f"{shell} did not print its PATH in time, so that Claude has only the app's, {_path_of(user)}."
        advice = f"Run `{shell} -ilc true` in a terminal; what it waits for is in the shell's start-up files."
        yield Finding.warning("path", detail, advice)


def check_root(user: User) -> Iterator[Finding]:
    """Checks for root: Claude then refuses to run without permission prompts, unless IS_SANDBOX is set (2.1.330)."""
    if not user.is_root or user.environment.get("IS_SANDBOX"):
        return
    settings = user.config_dir / "settings.json"
    mode = get(read_settings(settings), "permissions", "defaultMode")
    if mode == PermissionMode.BYPASS_PERMISSIONS:
        detail = f"The sidecar runs as root, and {settings} sets the permission mode bypassPermissions."
        advice = "Run the app as another user, or choose another permissions.defaultMode."
        yield Finding.problem("root", detail, advice)
    else:
        detail = "The sidecar runs as root, for whom Claude refuses the permission mode bypassPermissions."
        advice = "Run the app as another user, or set IS_SANDBOX=1 if this computer is a sandbox."
        yield Finding.warning("root", detail, advice)


def check_files(user: User) -> Finding:
    """Checks that Claude can write its folder: it stores sessions and the login there."""
    folder, state = user.config_dir, user.home / ".claude.json"
    existing = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if not os.access(existing, os.W_OK | os.X_OK) or (folder.exists() and not folder.is_dir()):
        wrong = existing
    elif not user.environment.get("CLAUDE_CONFIG_DIR") and state.exists() and not os.access(state, os.W_OK):
        wrong = state
    else:
        return Finding.ok("files", f"{folder}" + ("" if folder.exists() else ", not created yet"))
    own = f"Take ownership of it (`sudo chown -R $(whoami) '{wrong}'`)"
    if sys.platform == "win32":
        own = "Give yourself the right to write there"
    detail = f"{wrong} cannot be written; Claude stores its sessions and its login there."
    return Finding.problem("files", detail, f"{own}, or set CLAUDE_CONFIG_DIR to another folder.")


def check_retention(user: User) -> Finding:
    """Checks how long Claude keeps its records of conversations (`cleanupPeriodDays`; 30 days by default)."""
    settings = user.config_dir / "settings.json"
    named = get(read_settings(settings), "cleanupPeriodDays")
    days = named if isinstance(named, int) and not isinstance(named, bool) else RETENTION_DAYS
    source = f"cleanupPeriodDays in {settings}" if days is named else "cleanupPeriodDays is not set"
    detail = f"Claude deletes its records of conversations that were not used for {days} days ({source})."
    if days >= RETENTION_DAYS:
        return Finding.ok("retention", f"{detail} Sessions keep their messages and go on in a new conversation.")
    advice = f"Set cleanupPeriodDays in {settings} to {RETENTION_DAYS} or more: sessions then go on with all they know."
    return Finding.warning("retention", detail, advice)


def release_of(version: str | None) -> tuple[int, ...] | None:
    """Parses `2.1.330 (Claude Code)` into (2, 1, 330)."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version or "")
    return tuple(map(int, found.groups())) if found is not None else None


def _path_of(user: User) -> str:
    return user.environment.get("PATH") or "which is empty"


def _read(path: Path, limit: int) -> bytes:
    """Returns the beginning of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError:
        return b""
