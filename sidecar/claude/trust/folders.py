"""Finds which folder trust is about, and whether Claude Code itself trusts it.

Measured with 2.1.332 and 2.1.197.  The answers to the question whether a folder is trusted are in `projects` of
Claude Code's .claude.json, by real path.  One for a folder is valid for all below it, but 2.1.332 does not look above
the root of the folder's git repository: a clone inside of a trusted folder is asked about.  For a worktree, the
answer for the main repository is valid as well.  2.1.197 looks further; the stricter rule is used for both.
"""

import os
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.claude.process.user_settings import config_dir
from sidecar.claude.trust.plain_file import read_plain
from sidecar.json_reader import get, get_object, parse_object

CONFIG_BYTES: Final = 32 * 1024 * 1024
"""Maximum size of .claude.json, in which older releases kept the prompts of all projects as well."""
LINK_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class Folder:
    """A working directory: its real path, and the git repository that it is in."""

    path: Path
    git_root: Path | None
    """The folder that has `.git`."""
    git_dir: Path | None
    """The folder with the repository's `config`."""
    main_root: Path | None
    """The root of the main repository for a worktree; otherwise as `git_root`."""

    @classmethod
    def at(cls, cwd: Path) -> "Folder":
        """Returns the folder at a path.  Raises OSError if a link cannot be followed."""
        path = Path(os.path.realpath(cwd))
        root = next((one for one in (path, *path.parents) if os.path.lexists(one / ".git")), None)
        if root is None:
            return cls(path, None, None, None)
        git_dir = root / ".git"
        if git_dir.is_dir():
            return cls(path, root, git_dir, root)
        main = _main_git_dir(git_dir)
        if main is None:
            return cls(path, root, _named(git_dir, "gitdir:"), root)
        return cls(path, root, main, main.parent if main.name == ".git" else root)

    @property
    def trusted_root(self) -> Path:
        """The folder for which trust is stored."""
        return self.main_root or self.path

    def is_trusted_by(self, trusted: Container[str]) -> bool:
        """Returns whether one of the paths covers the folder."""
        return any(_key(one) in trusted for one in self._covering())

    def _covering(self) -> Iterator[Path]:
        for one in (self.path, *self.path.parents):
            yield one
            if one == self.git_root:
                break
        if self.main_root is not None:
            yield self.main_root


def trusted_in_claude(environment: Mapping[str, str], home: Path) -> frozenset[str]:
    """Returns the paths that the user has trusted in Claude Code; none if its file cannot be read."""
    named = environment.get("CLAUDE_CONFIG_DIR")
    path = (config_dir(environment, home) if named else home) / ".claude.json"
    try:
        projects = get_object(parse_object(read_plain(path, CONFIG_BYTES) or b""), "projects")
    except OSError:
        return frozenset()
    return frozenset(name for name in projects if get(projects, name, "hasTrustDialogAccepted") is True)


def _key(path: Path) -> str:
    return path.as_posix() if sys.platform == "win32" else str(path)


def _main_git_dir(link: Path) -> Path | None:
    """Returns the git folder of the main repository if `link` is the `.git` of one of its worktrees.

    A foreign folder could have a `.git` that names a trusted repository; but that repository names its worktrees.
    """
    own = _named(link, "gitdir:")
    back = None if own is None else _named(own / "gitdir", "")
    common = None if own is None else _named(own / "commondir", "")
    if own is None or back is None or common is None or os.path.realpath(back) != str(link):
        return None
    return common if own.parent == common / "worktrees" else None


def _named(file: Path, prefix: str) -> Path | None:
    """Returns the real path that a file of git names after `prefix`, relative to the file's folder."""
    try:
        text = os.fsdecode(read_plain(file, LINK_BYTES) or b"").strip()
    except OSError:
        return None
    named = text.removeprefix(prefix).strip()
    if not text.startswith(prefix) or not named or "\0" in named:
        return None
    return Path(os.path.realpath(file.parent / named))
