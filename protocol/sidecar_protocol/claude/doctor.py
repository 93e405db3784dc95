"""How the user's own Claude Code is: found, working, logged in, and what to do where it is not."""

from enum import StrEnum
from typing import Protocol

from sidecar_protocol.contract import Model, method
from sidecar_protocol.scalars import Flag, UtcTime


class ExecutableSource(StrEnum):
    """Who knew where `claude` is."""

    SETTING = "setting"
    """CLAUDE_PATH."""
    PATH = "path"
    """A folder of the PATH that the sidecar was started with."""
    LOGIN_SHELL = "login_shell"
    """The user's login shell: a terminal has a PATH that an app started from a desktop has not."""
    KNOWN_PLACE = "known_place"
    """A folder where an installer puts it."""


class ClaudeCandidate(Model):
    """A `claude` that was found."""

    path: str
    source: ExecutableSource
    version: str | None
    """What `--version` says: `2.1.330 (Claude Code)`.  Null: it does not run."""


class LoginState(StrEnum):
    """Whether Claude has an account to work with; that the account still works shows when it is used."""

    LOGGED_IN = "logged_in"
    LOGGED_OUT = "logged_out"
    UNKNOWN = "unknown"


class ClaudeLogin(Model):
    """What shows of the login without spending anything, and without anything secret."""

    state: LoginState
    method: str | None = None
    """Claude's word: `api_key`, `oauth_token`, `third_party`; null where it did not say."""
    provider: str | None = None
    """`firstParty`, `bedrock`, `vertex`."""
    expires_at: UtcTime | None = None


class FindingState(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    """Claude works, but not in every case or not as expected."""
    PROBLEM = "problem"
    """Claude does not work."""


class FindingName(StrEnum):
    """What was looked at."""

    EXECUTABLE = "executable"
    VERSION = "version"
    NODE = "node"
    """Only where `claude` is a script."""
    LOGIN = "login"
    PATH = "path"
    ROOT = "root"
    """Only for root."""
    FILES = "files"
    """The folder of Claude's own settings and sessions."""


class ClaudeFinding(Model):
    """One thing that was looked at."""

    name: FindingName
    state: FindingState
    detail: str
    advice: str | None = None
    """What to do, in words for the user."""


class ClaudeReport(Model):
    """How Claude is."""

    ok: Flag
    """No finding is a problem."""
    path: str | None
    """The one that is used; null: none can be."""
    source: ExecutableSource | None
    version: str | None
    candidates: list[ClaudeCandidate]
    """All that were found, in the order in which they would be used."""
    login: ClaudeLogin
    findings: list[ClaudeFinding]


class ClaudeDoctor(Protocol):
    """The state of the user's own Claude Code."""

    @method("claude.doctor", waits=True)
    async def doctor(self) -> ClaudeReport:
        """Look at everything that keeps Claude from working, without a request to its API.

        It takes a second, or as long as a slow shell profile does; half a minute at the very worst.
        """
        ...
