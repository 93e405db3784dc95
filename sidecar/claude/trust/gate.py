"""Decides, before each start of the CLI and each turn, whether it may work in a folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio
from sidecar_protocol.claude.runs import ClaudeSettings
from sidecar_protocol.claude.trust import (
    FolderContents,
    FolderTrust,
    FolderUnresponsive,
    TrustState,
    WorkspaceUntrusted,
)
from sidecar_protocol.contract import RpcError

from sidecar.claude.process.command_output import command_output
from sidecar.claude.process.user_settings import config_dir
from sidecar.claude.trust.contents import MAX_NAMES, in_words, is_empty, read_contents
from sidecar.claude.trust.folders import Folder, trusted_in_claude
from sidecar.claude.trust.git_settings import without_programs
from sidecar.claude.trust.store import TrustStore
from sidecar.files import TimedThreads
from sidecar.job_handler import JobFailed

T = TypeVar("T")
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
    threads: TimedThreads = field(default_factory=TimedThreads)
    _in_order: anyio.Lock = field(default_factory=anyio.Lock)
    """Keeps requests in the order in which they were received."""

    async def admit(
        self, cwd: Path, settings: ClaudeSettings, *, has_worktree: bool = False, is_trusted: bool = False
    ) -> Mapping[str, str]:
        """Returns variables for the environment of a CLI that works in a folder; with `is_trusted`, trusts it first.

        `has_worktree` if the CLI creates a worktree there.  Raises `WorkspaceUntrusted` and `FolderUnresponsive`.
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
        """Returns what `admit` does, for a job.

        Raises `JobFailed` (`cwd_missing`, `folder_unresponsive`, `workspace_untrusted`).
        """
        try:
            if not await self.is_folder(cwd):
                hint = "If it was moved, name its new place: claude.sessions.update with cwd, or cwd of the next run."
                raise JobFailed(f"The folder {cwd} does not exist.", kind="cwd_missing", hint=hint)
            return await self.admit(cwd, settings, has_worktree=has_worktree)
        except (FolderUnresponsive, WorkspaceUntrusted) as refusal:
            raise _job_failure(refusal) from refusal

    async def look(self, cwd: Path, *, for_worktree: bool = False) -> FolderTrust:
        """Returns the trust in a folder.  A folder that does not exist brings nothing.  Raises `FolderUnresponsive`."""
        folder, in_claude, contents = await self._in_time(cwd, partial(self._read, cwd, for_worktree=for_worktree))
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
        if await self.is_folder(cwd):
            folder = await self._in_time(cwd, partial(Folder.at, cwd))
            self.store.add(str(folder.trusted_root))

    async def is_folder(self, cwd: Path) -> bool:
        """Returns whether a path is absolute and that of a folder.  Raises `FolderUnresponsive`."""
        return cwd.is_absolute() and await self._in_time(cwd, cwd.is_dir)

    async def _in_time(self, cwd: Path, look: Callable[[], T]) -> T:
        try:
            return await self.threads.run(str(cwd), look)
        except TimeoutError:
            message = f"The folder {cwd} does not answer."
            raise FolderUnresponsive(
                message, hint="Connect the drive that it is on, or choose another folder."
            ) from None

    def _read(self, cwd: Path, *, for_worktree: bool) -> tuple[Folder, frozenset[str], FolderContents]:
        folder = Folder.at(cwd)
        own = (config_dir(self.environment, self.home), self.home / ".claude")
        contents = read_contents(folder, own, for_worktree=for_worktree)
        return folder, trusted_in_claude(self.environment, self.home), contents

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


def _job_failure(refusal: RpcError) -> JobFailed:
    data = refusal.data
    details = next(iter(data.get("details", ())), None)
    return JobFailed(
        refusal.message, kind=data["kind"], hint=data["hint"], details=details, retryable=data["retryable"]
    )
