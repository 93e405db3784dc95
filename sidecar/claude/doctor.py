"""Implements `claude.doctor`: examines the executable that runs would use.

Nothing here costs money: Claude is started for its version and the state of its login, and never gets a prompt.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.claude.doctor import (
    ClaudeCandidate,
    ClaudeDoctor,
    ClaudeLogin,
    ClaudeReport,
    Finding,
    FindingState,
    LoginState,
)
from sidecar_protocol.scalars import canonical_time

from sidecar.claude import checks
from sidecar.claude.checks import User
from sidecar.claude.process.command_output import command_output
from sidecar.claude.process.discovery import Discovery, Executable, read_version
from sidecar.claude.process.environment import cli_environment
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_text, parse_object
from sidecar.runtime import Program

STATUS_TIMEOUT_S: Final = 10.0
"""Time limit in seconds; `claude auth status` takes 0.2 to 0.5."""
CREDENTIALS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")


MoreFindings = Callable[[], Awaitable[list[Finding]]]


async def no_findings() -> list[Finding]:
    return []


class DoctorService(ClaudeDoctor):
    """Implements `ClaudeDoctor` for the user who runs the sidecar."""

    def __init__(self, discovery: Discovery, user: User, more: MoreFindings = no_findings) -> None:
        """`user` has the same environment as `discovery`; `more` starts the executable, if there is one."""
        self._more = more
        self._discovery = discovery
        self._user = user

    async def doctor(self) -> ClaudeReport:
        found, shell_path = await self._discovery.find_all()
        candidates = await self._read_versions({one: await self._discovery.cli_environment(one.path) for one in found})
        chosen, findings = None, list[Finding]()
        try:
            chosen = self._discovery.choose(found)
        except JobFailed as failure:
            findings.append(Finding.problem("executable", failure.message, failure.hint))
        used = next((one for one in candidates if chosen is not None and one.path == str(chosen.path)), None)
        environment = await self._discovery.cli_environment(chosen.path) if chosen is not None else {}
        login = await self._read_login(used, environment)

        def check() -> Iterator[Finding]:
            if chosen is not None and used is not None:
                yield checks.check_executable(used)
                yield from checks.check_version(used, candidates)
                yield from checks.check_node(chosen, environment["PATH"])
            yield checks.check_login(login, self._user)
            yield from checks.check_path(shell_path, self._user)
            yield from checks.check_root(self._user)
            yield checks.check_files(self._user)
            yield checks.check_retention(self._user)

        findings += await run_sync(lambda: list(check()))
        if used is not None and used.version is not None:
            findings += await self._more()
        return ClaudeReport(
            ok=all(finding.state is not FindingState.PROBLEM for finding in findings),
            path=used.path if used is not None else None,
            source=used.source if used is not None else None,
            version=used.version if used is not None else None,
            candidates=candidates,
            login=login,
            findings=findings,
        )

    async def program(self) -> Program:
        """Returns the executable that runs use and its version, for `system.diagnostics`."""
        try:
            found = await self._discovery.find()
        except JobFailed as failure:
            return Program(problem=f"{failure.message} {failure.hint}")
        # Without the login shell's PATH, since a profile may take seconds.
        (used,) = await self._read_versions({found: cli_environment(self._user.environment, found.path)})
        finding = checks.check_executable(used)
        return Program(used.path, used.version, f"{finding.detail} {finding.advice}" if finding.advice else None)

    async def _read_versions(self, found: Mapping[Executable, Mapping[str, str]]) -> list[ClaudeCandidate]:
        """Runs `--version` of all executables, each in its environment, at the same time."""
        versions: dict[Path, str] = {}

        async def read(path: Path, environment: Mapping[str, str]) -> None:
            with contextlib.suppress(JobFailed):
                versions[path] = await read_version(path, environment)

        async with anyio.create_task_group() as tasks:
            for one, environment in found.items():
                tasks.start_soon(read, one.path, environment)
        return [ClaudeCandidate(path=str(one.path), source=one.source, version=versions.get(one.path)) for one in found]

    async def _read_login(self, used: ClaudeCandidate | None, environment: Mapping[str, str]) -> ClaudeLogin:
        """Runs `claude auth status`, except with older releases, which might take it for a prompt."""
        release = checks.release_of(used.version) if used is not None else None
        if used is not None and release is not None and release >= checks.OLDEST_RELEASE:
            output = await command_output([used.path, "auth", "status"], environment, STATUS_TIMEOUT_S)
            status = parse_object(output) or {}
            if isinstance(status.get("loggedIn"), bool):
                return ClaudeLogin(
                    state=LoginState.LOGGED_IN if status["loggedIn"] else LoginState.LOGGED_OUT,
                    method=_word(get_text(status, "authMethod")),
                    provider=_word(get_text(status, "apiProvider")),
                    expires_at=_time(get_text(status, "loginExpiresAt")),
                )
        if any(self._user.environment.get(name) for name in CREDENTIALS):
            return ClaudeLogin(state=LoginState.LOGGED_IN)
        has_credentials = await anyio.Path(self._user.config_dir / ".credentials.json").exists()
        return ClaudeLogin(state=LoginState.LOGGED_IN if has_credentials else LoginState.UNKNOWN)


def _word(value: str | None) -> str | None:
    """Returns a single word, or None for longer text, which could be an e-mail address."""
    return value if value is not None and re.fullmatch(r"\w{1,40}", value) else None


def _time(value: str | None) -> str | None:
    """Returns a time in the wire's form, or None if the value is not an ISO 8601 time with an offset."""
    try:
        time = datetime.fromisoformat(value or "")
        return None if time.tzinfo is None else canonical_time(time)
    except (ValueError, OverflowError):
        return None
