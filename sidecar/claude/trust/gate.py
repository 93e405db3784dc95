"""Decides, before each start of the CLI and each turn, whether it may work in a folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync
from sidecar_protocol.claude.runs import ClaudeSettings
from sidecar_protocol.claude.trust import FolderContents, FolderTrust, TrustState, WorkspaceUntrusted

from sidecar.claude.process.command_output import command_output
from sidecar.claude.process.user_settings import config_dir
from sidecar.claude.trust.contents import MAX_NAMES, in_words, is_empty, read_contents
from sidecar.claude.trust.folders import Folder, trusted_in_claude
from sidecar.claude.trust.git_settings import without_programs
from sidecar.claude.trust.store import TrustStore
from sidecar.job_handler import JobFailed

GIT_TIMEOUT_S: Final = 10.0
HINT: Final = (
    "Ask the user.  Then repeat this with trust: true, or with settings: user to leave out what the folder brings;"
    " claude.trust.add trusts the folder for jobs that are queued or have failed."
)
HARMLESS_PATHS: Final = (".claude/CLAUDE.md", ".claude/output-styles/", ".claude/rules/", ".claude/worktrees/")
COMMITS: Final = ("HEAD", "refs/remotes/origin/HEAD")
"""The commits that Claude Code makes a worktree from."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Looks again each time, since the files and Claude Code's own answers may change at any moment."""

    environment: Mapping[str, str]
    home: Path
    store: TrustStore
    _in_order: anyio.Lock = field(default_factory=anyio.Lock)
    """Keeps requests in the order in which they were received."""

    async def admit(
        self, cwd: Path, settings: ClaudeSettings, *, has_worktree: bool = False, is_trusted: bool = False
    ) -> Mapping[str, str]:
        """Returns variables for the environment of a CLI that works in a folder; with `is_trusted`, trusts it first.

        `has_worktree` if the CLI creates a worktree there.  Raises `WorkspaceUntrusted`.
        """
        if is_trusted:
            await self.trust(cwd)
        found = await self.look(cwd, for_worktree=has_worktree)
        if found.state in (TrustState.CLAUDE, TrustState.SIDECAR):
            return {}
        if settings is ClaudeSettings.USER:
            return without_programs(self.environment, found.contents.git)
        if found.state is TrustState.UNTRUSTED:
            raise untrusted(found)
        return {}

    async def admit_at(
        self, cwd: str | None, settings: ClaudeSettings, *, has_worktree: bool = False, is_trusted: bool = False
    ) -> None:
        """Does what `admit` does, for the folder of a request; null for the home folder."""
        folder = self.home if cwd is None else Path(cwd)
        if folder.is_absolute():  # otherwise the job fails with `cwd_missing`
            async with self._in_order:
                await self.admit(folder, settings, has_worktree=has_worktree, is_trusted=is_trusted)

    async def require(self, cwd: Path, settings: ClaudeSettings, *, has_worktree: bool = False) -> Mapping[str, str]:
        """Returns what `admit` does, for a job.  Raises `JobFailed` (`workspace_untrusted`)."""
        try:
            return await self.admit(cwd, settings, has_worktree=has_worktree)
        except WorkspaceUntrusted as refusal:
            data = refusal.data
            raise JobFailed(
                refusal.message, kind=data["kind"], hint=data["hint"], details=data["details"][0]
            ) from refusal

    async def look(self, cwd: Path, *, for_worktree: bool = False) -> FolderTrust:
        """Returns the trust in a folder.  A folder that does not exist brings nothing."""
        folder = await run_sync(Folder.at, cwd)
        in_claude = await run_sync(trusted_in_claude, self.environment, self.home)
        contents = await run_sync(self._read, folder, for_worktree)
        if for_worktree and folder.git_root is not None:
            contents = await self._add_commits(folder.git_root, contents)
        if folder.is_trusted_by(in_claude):
            state = TrustState.CLAUDE
        elif folder.is_trusted_by({one.folder for one in self.store.all()}):
            state = TrustState.SIDECAR
        else:
            state = TrustState.NOTHING if is_empty(contents) else TrustState.UNTRUSTED
        return FolderTrust(cwd=str(folder.path), folder=str(folder.trusted_root), state=state, contents=contents)

    async def trust(self, cwd: Path) -> None:
        """Trusts a folder from now on.  One that does not exist is left alone."""
        folder = await run_sync(Folder.at, cwd)
        if folder.path.is_dir():
            self.store.add(str(folder.trusted_root))

    def _read(self, folder: Folder, for_worktree: bool) -> FolderContents:  # noqa: FBT001 - for run_sync
        own = (config_dir(self.environment, self.home), self.home / ".claude")
        return read_contents(folder, own, for_worktree=for_worktree)

    async def _add_commits(self, root: Path, contents: FolderContents) -> FolderContents:
        """Adds what the commits bring that a worktree may be made from.  Without git, no worktree is made."""
        paths = dict[str, None]()
        environment = {**self.environment, **without_programs(self.environment, contents.git)}
        environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0"}
        for commit in COMMITS:
            listing = ["git", "-C", str(root), "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit]
            printed = await command_output([*listing, ".claude", ".mcp.json"], environment, GIT_TIMEOUT_S)
            paths |= dict.fromkeys(path for path in printed.split("\0") if path)
        brought = [f"{path} (in the commit)" for path in paths if not path.startswith(HARMLESS_PATHS)]
        settings = [*contents.settings, *(brought if is_empty(contents) else [])]
        return contents.model_copy(update={"settings": settings[:MAX_NAMES]})


def untrusted(found: FolderTrust) -> WorkspaceUntrusted:
    """Returns the refusal, which names what would run."""
    name = Path(found.folder).name or found.folder
    message = f"The folder {name} is not trusted, and brings {in_words(found.contents)}."
    return WorkspaceUntrusted(message, hint=HINT, details=[found.model_dump(mode="json")])
