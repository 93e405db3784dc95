"""`claude.doctor`: looks at everything that keeps the user's Claude Code from working; `findings` judges what was seen.

The same search finds the executable here and for a run, so that both see the same one.  Nothing here costs anything:
Claude is asked for its version and for the state of its login, and is given no prompt.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.claude.doctor import (
    ClaudeCandidate,
    ClaudeFinding,
    ClaudeLogin,
    ClaudeReport,
    ExecutableSource,
    FindingState,
    LoginState,
)
from sidecar_protocol.scalars import canonical_time

from sidecar.claude import findings
from sidecar.claude.findings import OLDEST, User
from sidecar.claude.process.discovery import Discovery, Executable, output, version
from sidecar.claude.process.environment import cli_environment
from sidecar.job_handler import JobFailed

STATUS_TIMEOUT_S: Final = 10.0
"""0.2 to 0.5 s measured."""
KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")


async def glance(discovery: Discovery, user: User) -> tuple[ClaudeCandidate | None, ClaudeFinding]:
    """Which one is used, and whether it runs; the search ends with the first."""
    try:
        used = await discovery.find()
    except JobFailed as failure:
        return None, findings.missing(failure)
    (mine,) = await _try([used], user)
    return mine, findings.executable(mine)


async def examine(discovery: Discovery, user: User) -> ClaudeReport:
    """Look at everything.  `user` has the environment that the search has."""
    found, shell_path = await discovery.survey()
    candidates = await _try(found, user)
    used, judged = None, list[ClaudeFinding]()
    try:
        used = discovery.chosen(found)
    except JobFailed as failure:
        judged.append(findings.missing(failure))
    mine = next((one for one in candidates if used is not None and one.path == str(used.path)), None)
    login = await _login(used, mine, user)
    judged += await run_sync(lambda: list(_judge(used, mine, candidates, login, shell_path, user)))
    return ClaudeReport(
        ok=all(finding.state is not FindingState.PROBLEM for finding in judged),
        path=mine.path if mine is not None else None,
        source=mine.source if mine is not None else None,
        version=mine.version if mine is not None else None,
        candidates=candidates,
        login=login,
        findings=judged,
    )


def _judge(
    used: Executable | None,
    mine: ClaudeCandidate | None,
    candidates: list[ClaudeCandidate],
    login: ClaudeLogin,
    shell_path: str | None,
    user: User,
) -> Iterator[ClaudeFinding]:
    if used is not None and mine is not None:
        yield findings.executable(mine)
        yield from findings.versions(mine, candidates)
        yield from findings.node(used, user.environment)
    yield findings.logged_in(login, user)
    if shell_path is not None:
        yield findings.path(shell_path, used, user)
    yield from findings.root(user)
    yield findings.files(user)


async def _try(found: list[Executable], user: User) -> list[ClaudeCandidate]:
    """Start each of them, at the same time."""
    versions: dict[Path, str] = {}

    async def ask(path: Path) -> None:
        try:
            versions[path] = await version(path, user.environment)
        except JobFailed:
            return

    async with anyio.create_task_group() as tasks:
        for one in found:
            tasks.start_soon(ask, one.path)
    return [
        ClaudeCandidate(path=str(one.path), source=ExecutableSource(one.source), version=versions.get(one.path))
        for one in found
    ]


async def _login(used: Executable | None, mine: ClaudeCandidate | None, user: User) -> ClaudeLogin:
    """What `claude auth status` says.  A release without that command could take it for a prompt."""
    release = findings.release_of(mine.version) if mine is not None else None
    if used is not None and release is not None and release >= OLDEST:
        environment = cli_environment(user.environment, used.path)
        printed = await output([str(used.path), "auth", "status"], environment, STATUS_TIMEOUT_S)
        told = findings.json_object(printed)
        if isinstance(told.get("loggedIn"), bool):
            return ClaudeLogin(
                state=LoginState.LOGGED_IN if told["loggedIn"] else LoginState.LOGGED_OUT,
                method=_word(told.get("authMethod")),
                provider=_word(told.get("apiProvider")),
                expires_at=_moment(told.get("loginExpiresAt")),
            )
    if any(user.environment.get(name) for name in KEYS):
        return ClaudeLogin(state=LoginState.LOGGED_IN)
    kept = await anyio.Path(user.config_dir / ".credentials.json").exists()
    return ClaudeLogin(state=LoginState.LOGGED_IN if kept else LoginState.UNKNOWN)


def _word(value: Any) -> str | None:
    """A word of Claude's own; anything longer could be somebody's address."""
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,40}", value) else None


def _moment(value: Any) -> str | None:
    """A moment in ISO 8601; what Claude may tell otherwise is left out."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return canonical_time(moment) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
