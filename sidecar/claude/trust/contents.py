"""Reads what a folder would make Claude Code run or obey, without running anything.

Measured with 2.1.332 and 2.1.197: `settings.json` and `settings.local.json` count only in the working directory itself,
`.mcp.json`, skills, subagents and slash commands also in all folders above it.  What cannot be read counts as present.
"""

import json
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.claude.trust import FolderContents

from sidecar.claude.trust.folders import Folder
from sidecar.claude.trust.git_settings import git_programs
from sidecar.claude.trust.plain_file import read_plain
from sidecar.json_reader import get_object

FILE_BYTES: Final = 1024 * 1024
MAX_NAMES: Final = 50
MAX_ENTRIES: Final = 1_000
"""Maximum number of files of a folder that are looked at."""
NAME_CHARS: Final = 100
SETTINGS: Final = ("settings.json", "settings.local.json")
HARMLESS_SETTINGS: Final = frozenset(
    {"$schema", "attribution", "includeCoAuthoredBy", "language", "model", "outputStyle"}
    | {"permissions.ask", "permissions.deny"}
)
"""Settings that run nothing and permit nothing.  All others count, also those of later releases."""
HARMLESS_FILES: Final = frozenset({".gitignore", "CLAUDE.md", "output-styles", "rules", "worktrees", *SETTINGS})
"""Texts for Claude, and the folder of our own worktrees."""
EXTENSIONS: Final = frozenset({"agents", "commands", "plugins", "skills", "workflows"})
"""Extensions that are loaded from the folders above as well."""
COMMAND_NAMES: Final = re.compile(r".*(Helper|Refresh|Export|Command)")

Names = dict[str, dict[str, None]]
"""The fields of `FolderContents`, with names in order and each once."""


def read_contents(folder: Folder, own: Iterable[Path], *, for_worktree: bool = False) -> FolderContents:
    """Returns what a folder brings.  `own` are the user's own folders of settings, which belong to no project."""
    names: Names = {name: {} for name in FolderContents.model_fields}
    users = {os.path.realpath(one) for one in own}
    for place in (folder.path, *folder.path.parents):
        _read_servers(place / ".mcp.json", names)
        if os.path.realpath(place / ".claude") not in users:
            _read_claude_folder(place / ".claude", names, is_working_directory=place == folder.path)
    if folder.git_dir is not None:
        _add(names, "git", git_programs(folder.git_dir, for_worktree=for_worktree))
    return FolderContents(**{field: list(found)[:MAX_NAMES] for field, found in names.items()})


def is_empty(contents: FolderContents) -> bool:
    return not any(contents.model_dump().values())


def in_words(contents: FolderContents) -> str:
    """Returns `hooks (SessionStart), MCP servers (docs)`."""
    labels = {
        "hooks": contents.hooks,
        "MCP servers": contents.mcp_servers,
        "commands": contents.commands,
        "environment variables": contents.environment,
        "settings": contents.settings,
        "extensions": contents.extensions,
        "programs of git": contents.git,
    }
    return ", ".join(f"{label} ({_few(found)})" for label, found in labels.items() if found)


def _few(names: list[str], limit: int = 5) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def _read_servers(path: Path, names: Names) -> None:
    found = _read_json(path)
    if found is None:
        _add(names, "settings", [".mcp.json (unreadable)"])
    else:
        _add(names, "mcp_servers", get_object(found, "mcpServers"))


def _read_claude_folder(folder: Path, names: Names, *, is_working_directory: bool) -> None:
    if is_working_directory:
        for file in SETTINGS:
            _read_settings(folder / file, names)
    try:
        entries = _entries(folder)
        for entry in entries:
            if entry.name in HARMLESS_FILES or not (is_working_directory or entry.name in EXTENSIONS):
                continue
            if entry.is_dir():
                _add(names, "extensions", (f"{entry.name}/{one.name}" for one in _entries(Path(entry.path))))
            elif is_working_directory:
                _add(names, "extensions", [entry.name])
    except OSError:
        _add(names, "settings", [".claude (unreadable)"])


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Returns the entries of a folder in order of their names; none if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            entries = [one for one, _ in zip(found, range(MAX_ENTRIES), strict=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(entries, key=lambda one: one.name)


def _read_settings(path: Path, names: Names) -> None:
    found = _read_json(path)
    if found is None:
        _add(names, "settings", [f"{path.name} (unreadable)"])
        return
    for name, value in found.items():
        match name:
            case "hooks":
                _add(names, "hooks", (event for event, matchers in get_object(found, name).items() if matchers))
            case "env":
                _add(names, "environment", get_object(found, name))
            case "permissions" if isinstance(value, dict):
                _add(names, "settings", (f"permissions.{one}" for one in value if value[one]), HARMLESS_SETTINGS)
            case _ if _is_command(name, value):
                _add(names, "commands", [name])
            case _:
                _add(names, "settings", [name], HARMLESS_SETTINGS)


def _is_command(name: str, value: object) -> bool:
    if isinstance(value, dict):
        return value.get("type") == "command"
    return isinstance(value, str) and COMMAND_NAMES.fullmatch(name) is not None


def _read_json(path: Path) -> Mapping[str, Any] | None:
    """Returns a JSON object: empty if there is no such file, None if it cannot be read or is not an object."""
    try:
        data = read_plain(path, FILE_BYTES)
        found = {} if data is None else json.loads(data.decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _add(names: Names, field: str, found: Iterable[str], harmless: frozenset[str] = frozenset()) -> None:
    for name in found:
        if name not in harmless and len(names[field]) < MAX_NAMES:
            names[field][_shown(name)] = None


def _shown(name: str) -> str:
    """Returns a name that shows all of itself: no control characters, none that change the direction of writing."""
    visible: Iterator[str] = (one if unicodedata.category(one)[0] not in "CZ" or one == " " else "?" for one in name)
    return "".join(visible)[:NAME_CHARS] or "?"
