"""Workspace trust: whether what a folder brings along, such as hooks and MCP servers, may run.

Claude Code asks this in a terminal before its first work in a folder, but not when another program starts it.  So the
sidecar looks before each start and each turn, and follows Claude Code's own answers besides its own.
"""

from enum import StrEnum
from typing import ClassVar, Protocol

from sidecar_protocol.contract import Model, RpcError, method
from sidecar_protocol.errors import InvalidParams
from sidecar_protocol.scalars import Flag, FolderPath, UtcTime


class WorkspaceUntrusted(RpcError):
    """The folder brings hooks, MCP servers or settings of its own, and the user has not said that they may run."""

    code = 4035


class FolderUnresponsive(RpcError):
    """The folder did not answer within ten seconds, as on a network drive that is not connected."""

    code = 5040
    retryable: ClassVar[bool] = True


FOLDER_ERRORS = (WorkspaceUntrusted, FolderUnresponsive)
"""The errors of methods that name a folder for Claude to work in."""


class FolderContents(Model):
    """The parts of a folder that Claude Code would run or obey: names only, at most 50 of a kind.

    Looked for in the folder itself; MCP servers and extensions also in the folders above it, as Claude Code does.
    CLAUDE.md and other mere texts are not listed: Claude reads them in every folder.
    """

    hooks: list[str]
    """Events with commands that run at them: SessionStart, PreToolUse."""
    mcp_servers: list[str]
    """Servers of .mcp.json, which are started."""
    commands: list[str]
    """Settings with a command that Claude Code runs: apiKeyHelper, statusLine."""
    environment: list[str]
    """Environment variables that the settings set."""
    settings: list[str]
    """Other settings, such as `permissions.allow`; the name of a file if that cannot be read."""
    extensions: list[str]
    """Skills, subagents, slash commands and other parts of .claude: skills/deploy."""
    git: list[str]
    """Settings and hooks of the git repository that run programs: core.fsmonitor."""


class TrustState(StrEnum):
    """Whether Claude may work in a folder with the folder's own settings."""

    CLAUDE = "claude"
    """Trusted in Claude Code: the user has said so in a terminal."""
    SIDECAR = "sidecar"
    """Trusted by `trust`."""
    NOTHING = "nothing"
    """Not trusted, but the folder brings nothing to be asked about."""
    UNTRUSTED = "untrusted"
    """Refused, unless `settings` is `user`."""


class FolderTrust(Model):
    """The trust in a folder."""

    cwd: str
    """The folder, without symbolic links."""
    folder: str
    """The folder that trust is about: `cwd`, or the root of its git repository (for a worktree, of the main one)."""
    state: TrustState
    contents: FolderContents


class TrustedFolder(Model):
    """A folder that is trusted in the sidecar, with all below it that is not a git repository of its own."""

    folder: str
    trusted_at: UtcTime


class TrustedFolders(Model):
    """All folders that are trusted in the sidecar, at most 1,000, newest first."""

    folders: list[TrustedFolder]


class TrustRemoved(Model):
    """A folder that is no longer trusted in the sidecar."""

    folder: str
    removed: Flag
    """False if it was not."""


class Trust(Protocol):
    """Folders whose own hooks, MCP servers and settings may run."""

    @method("claude.trust.check", raises=(FolderUnresponsive,), waits=True)
    async def check(self, *, cwd: FolderPath | None = None) -> FolderTrust:
        """Returns whether Claude may work in a folder, by default the home folder, and what the folder brings along."""
        ...

    @method("claude.trust.add", raises=(InvalidParams, FolderUnresponsive), waits=True)
    async def add(self, *, cwd: FolderPath) -> FolderTrust:
        """Trusts a folder from now on, as `trust` does.  Ask the user first, and name what `contents` names."""
        ...

    @method("claude.trust.list")
    async def list(self) -> TrustedFolders:
        """Returns the folders that are trusted in the sidecar.  Those of Claude Code are in its own settings."""
        ...

    @method("claude.trust.remove")
    async def remove(self, *, folder: FolderPath) -> TrustRemoved:
        """Withdraws the trust in a `folder` of `claude.trust.list`.

        Idle processes end at once, those of running turns and runs with them.
        """
        ...
