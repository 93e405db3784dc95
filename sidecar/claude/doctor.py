"""`claude.doctor`: examines the user's Claude Code.  The checks themselves are in `findings`.

It searches for the executable as a run does, so that both use the same one.  Nothing here costs money: Claude is
started for its version and for the state of its login, and never gets a prompt.
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
    ClaudeLogin,
    ClaudeReport,
    ExecutableSource,
    Finding,
    FindingState,
    LoginState,
)
from sidecar_protocol.scalars import canonical_time

from sidecar.claude import findings
from sidecar.claude.findings import OLDEST_RELEASE, User
from sidecar.claude.process.discovery import Discovery, Executable, output, version
from sidecar.claude.process.environment import cli_environment
from sidecar.job_handler import JobFailed

STATUS_TIMEOUT_S: Final = 10.0
"""`claude auth status` takes 0.2 to 0.5 s."""
KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")


async def glance(discovery: Discovery, user: User) -> tuple[ClaudeCandidate | None, Finding]:
    """Returns the executable that runs use, and whether it runs; None if there is none."""
    try:
        found = await discovery.find()
    except JobFailed as failure:
        return None, Finding.problem("executable", failure.message, failure.hint)
    (used,) = await _read_versions([found], user)
    return used, findings.check_executable(used)


async def examine(discovery: Discovery, user: User) -> ClaudeReport:
    """Runs every check.  `user` has the same environment as `discovery`."""
    found, shell_path = await discovery.survey()
    candidates = await _read_versions(found, user)
    chosen, judged = None, list[Finding]()
    try:
        chosen = discovery.chosen(found)
    except JobFailed as failure:
        judged.append(Finding.problem("executable", failure.message, failure.hint))
    used = next((one for one in candidates if chosen is not None and one.path == str(chosen.path)), None)
    login = await _login(used, user)

    def check() -> Iterator[Finding]:
        if chosen is not None and used is not None:
            yield findings.check_executable(used)
            yield from findings.check_version(used, candidates)
            yield from findings.check_node(chosen, user.environment)
        yield findings.check_login(login, user)
        if shell_path is not None:
            yield findings.check_path(shell_path, chosen, user)
        yield from findings.check_root(user)
        yield findings.check_files(user)

    judged += await run_sync(lambda: list(check()))
    return ClaudeReport(
        ok=all(finding.state is not FindingState.PROBLEM for finding in judged),
        path=used.path if used is not None else None,
        source=used.source if used is not None else None,
        version=used.version if used is not None else None,
        candidates=candidates,
        login=login,
        findings=judged,
    )


async def _read_versions(found: list[Executable], user: User) -> list[ClaudeCandidate]:
    """Runs `--version` of all executables at the same time."""
    versions: dict[Path, str] = {}

    async def read(path: Path) -> None:
        try:
            versions[path] = await version(path, user.environment)
        except JobFailed:
            return

    async with anyio.create_task_group() as tasks:
        for one in found:
            tasks.start_soon(read, one.path)
    return [
        ClaudeCandidate(path=str(one.path), source=ExecutableSource(one.source), version=versions.get(one.path))
        for one in found
    ]


async def _login(used: ClaudeCandidate | None, user: User) -> ClaudeLogin:
    """Runs `claude auth status`, except with older releases, which might take it for a prompt."""
    release = findings.release_of(used.version) if used is not None else None
    if used is not None and release is not None and release >= OLDEST_RELEASE:
        environment = cli_environment(user.environment, Path(used.path))
        printed = await output([used.path, "auth", "status"], environment, STATUS_TIMEOUT_S)
        status = findings.json_object(printed)
        if isinstance(status.get("loggedIn"), bool):
            return ClaudeLogin(
                state=LoginState.LOGGED_IN if status["loggedIn"] else LoginState.LOGGED_OUT,
                method=_word(status.get("authMethod")),
                provider=_word(status.get("apiProvider")),
                expires_at=_time(status.get("loginExpiresAt")),
            )
    if any(user.environment.get(name) for name in KEYS):
        return ClaudeLogin(state=LoginState.LOGGED_IN)
    has_credentials = await anyio.Path(user.config_dir / ".credentials.json").exists()
    return ClaudeLogin(state=LoginState.LOGGED_IN if has_credentials else LoginState.UNKNOWN)


def _word(value: Any) -> str | None:
    """Returns a single word of Claude's; anything longer could be an e-mail address."""
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,40}", value) else None


def _time(value: Any) -> str | None:
    """Returns a time in the wire's form, or None if the value is not an ISO 8601 time with an offset."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return canonical_time(time) if time is not None and time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
