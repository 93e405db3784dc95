"""The state of the user's own Claude Code: whether it is installed, runs and is logged in."""

from enum import StrEnum
from typing import Protocol, Self

from sidecar_protocol.contract import Model, method
from sidecar_protocol.scalars import Flag, UtcTime


class ExecutableSource(StrEnum):
    """How the path of `claude` was found."""

    SETTING = "setting"
    """The environment variable CLAUDE_PATH."""
    PATH = "path"
    """A directory on the sidecar's PATH."""
    LOGIN_SHELL = "login_shell"
    """The user's login shell; an app started from a desktop has a shorter PATH than a terminal."""
    KNOWN_PLACE = "known_place"
    """A directory that an installer of Claude Code uses."""


class ClaudeCandidate(Model):
    """One `claude` executable on this computer."""

    path: str
    source: ExecutableSource
    version: str | None
    """The output of `--version`, for example `2.1.330 (Claude Code)`; null if it does not run."""


class LoginState(StrEnum):
    """Whether Claude has credentials.  Only a request to its API would show whether they are still valid."""

    LOGGED_IN = "logged_in"
    LOGGED_OUT = "logged_out"
    UNKNOWN = "unknown"


class ClaudeLogin(Model):
    """Claude's login, without secrets; reading it costs nothing."""

    state: LoginState
    method: str | None = None
    """Claude's own word: `api_key`, `oauth_token`, `third_party`; null if unknown."""
    provider: str | None = None
    """`firstParty`, `bedrock` or `vertex`; null if unknown."""
    expires_at: UtcTime | None = None


class FindingState(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, but not in every case or not as expected."""
    PROBLEM = "problem"
    """It does not work."""


class Finding(Model):
    """The result of one check of a doctor."""

    name: str
    """The name of the check.  `claude.doctor` checks `executable`, `version`, `node` (only if `claude` is a script for
    Node), `login`, `path`, `root` (only if the user is root), `files` (the folder of Claude's settings and
    sessions), `mcp` and `mcp:NAME` (MCP servers) and `load:NAME` (plugins that could not be loaded).
    """
    state: FindingState
    detail: str
    advice: str | None = None
    """A way to solve the problem, for the user; null if nothing is wrong."""

    @classmethod
    def ok(cls, name: str, detail: str) -> Self:
        return cls(name=name, state=FindingState.OK, detail=detail)

    @classmethod
    def warning(cls, name: str, detail: str, advice: str | None) -> Self:
        return cls(name=name, state=FindingState.WARNING, detail=detail, advice=advice)

    @classmethod
    def problem(cls, name: str, detail: str, advice: str | None) -> Self:
        return cls(name=name, state=FindingState.PROBLEM, detail=detail, advice=advice)


class ClaudeReport(Model):
    """The state of the user's Claude Code."""

    ok: Flag
    """True if no finding has the state `problem`."""
    path: str | None
    """The executable that runs use; null if none can be used."""
    source: ExecutableSource | None
    version: str | None
    candidates: list[ClaudeCandidate]
    """All executables found, in order of preference."""
    login: ClaudeLogin
    findings: list[Finding]


class ClaudeDoctor(Protocol):
    """Checks of the user's own Claude Code."""

    @method("claude.doctor", waits=True)
    async def doctor(self) -> ClaudeReport:
        """Check everything that can keep Claude from working, without a request to its API.

        Takes two seconds, or as long as the profile of the user's login shell and the user's MCP servers; at most a
        minute.
        """
        ...
