"""Settings and hooks of a git repository that run programs, and how git is kept from running them.

A clone has none of it, but an unpacked archive may.  Claude Code 2.1.197 runs `git status` in each folder at its start,
and creates worktrees, with all of that (measured); 2.1.332 does neither, but lets Claude run `git status` unasked.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from sidecar.claude.trust.plain_file import read_plain

CONFIG_BYTES: Final = 256 * 1024
RUNS: Final = re.compile(
    r"core\.(fsmonitor|sshcommand|gitproxy|alternaterefscommand)|diff\.external|diff\..+\.(command|textconv)"
    r"|filter\..+\.(clean|smudge|process)|include\.path|includeif\..+\.path"
)
"""Settings that name programs which git runs for reading, or files with more settings."""
SECTION: Final = re.compile(r"\[\s*([A-Za-z0-9.-]+)(?:\s+\"((?:[^\"\\]|\\.)*)\")?\s*\](.*)")
SETTING: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*(?:=\s*(.*))?")
BUILT_IN: Final = re.compile(r"(true|yes|on|1|false|no|off|0|)", re.IGNORECASE)
"""Values of core.fsmonitor that name no program."""
LARGE_FILES: Final = re.compile(r"git[- ]lfs ")
WORKTREE_HOOKS: Final = ("post-checkout", "post-index-change", "reference-transaction")
"""Hooks that git runs when it creates a worktree."""


def git_programs(git_dir: Path, *, for_worktree: bool) -> Iterator[str]:
    """Yields the names of settings that run programs, and of hooks if a worktree is to be created."""
    settings = read_config(git_dir / "config")
    if settings is None:
        yield "config (unreadable)"
        return
    for name, value in settings.items():
        is_harmless = (name == "core.fsmonitor" and BUILT_IN.fullmatch(value)) or LARGE_FILES.match(value)
        if RUNS.fullmatch(name) and not is_harmless:
            yield name
    if for_worktree:
        if "core.hookspath" in settings:
            yield "core.hookspath"
        yield from (f"hooks/{name}" for name in WORKTREE_HOOKS if os.path.lexists(git_dir / "hooks" / name))


def read_config(path: Path) -> dict[str, str] | None:
    """Returns the settings of a git configuration by name, in lower case; None if it cannot be read."""
    try:
        data = read_plain(path, CONFIG_BYTES) or b""
    except OSError:
        return None
    section, settings = "", dict[str, str]()
    for line in data.decode(errors="replace").replace("\\\n", " ").splitlines():
        rest = line.strip()
        if found := SECTION.match(rest):
            section = found[1].lower() + (f".{found[2].lower()}" if found[2] is not None else "")
            rest = found[3].strip()
        if found := SETTING.match(rest):
            settings[f"{section}.{found[1].lower()}"] = (found[2] or "").strip().strip('"')
    return settings


def without_programs(environment: Mapping[str, str], names: list[str]) -> dict[str, str]:
    """Returns variables with which git runs no hooks, no monitor and none of the programs of these settings."""
    off = {"core.fsmonitor": "false", "core.hooksPath": os.devnull}
    off |= {name: "" for name in names if RUNS.fullmatch(name) and not name.startswith(("core.fsmonitor", "include"))}
    count = environment.get("GIT_CONFIG_COUNT", "")
    first = int(count) if count.isascii() and count.isdecimal() else 0
    variables = {"GIT_CONFIG_COUNT": str(first + len(off))}
    for number, (name, value) in enumerate(off.items(), start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
