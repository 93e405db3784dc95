"""The environment of the CLI and its tools: what the user's own shell would have.

Left out are our secrets, an outer Claude session, and what the app's packaging (AppImage, PyInstaller, a virtual
environment, Electron) sets for the app's own programs: its libraries break the user's.  PATH is the login shell's, then
the app's.

Other configuration passes through (CLAUDE_CONFIG_DIR, CLAUDE_CODE_USE_BEDROCK, CLAUDE_CODE_OAUTH_TOKEN, ANTHROPIC_*,
proxies).  There are hundreds of such variables and companies rely on them, so this lists what is removed instead of
what is allowed.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

JOB_ENV: Final = "SIDECAR_JOB"
"""Names the job that a CLI runs for.  Its tools inherit it, even those that leave the process group."""
SESSION_ENV: Final = "SIDECAR_SESSION"
"""Names the session that a CLI runs for, which outlives the job that started it."""
OWNER_ENVS: Final = (JOB_ENV, SESSION_ENV)
DATABASE_ENV: Final = "SIDECAR_DATABASE"
"""Names the database of the job or session, since ids repeat in copies of a database, and with `--seed`."""

SECRETS: Final = frozenset({"BACKEND_TOKEN", "GOOGLE_CLIENT_SECRET"})
"""Variables that are meant for the sidecar only."""

# Variables that say where the app's own Python, Node and libraries are, or how Electron starts.
PACKAGING: Final = frozenset(
    {
        "APPDIR",
        "APPIMAGE",
        "ARGV0",
        "ELECTRON_RUN_AS_NODE",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LIBPATH",
        "NODE_OPTIONS",
        "OWD",
        "PYTHONEXECUTABLE",
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONPLATLIBDIR",
        "PYTHONSAFEPATH",
        "_MEIPASS2",
        "__PYVENV_LAUNCHER__",
    }
)
PACKAGING_PREFIXES: Final = ("APPIMAGE_", "APPRUN_", "DYLD_", "_PYI_")
SAVED_SUFFIX: Final = "_ORIG"
"""PyInstaller's bootloader keeps the user's LD_LIBRARY_PATH (LIBPATH on AIX) in LD_LIBRARY_PATH_ORIG:
https://pyinstaller.org/en/stable/common-issues-and-pitfalls.html"""
SAVED: Final = ("LD_LIBRARY_PATH", "LIBPATH")

# Variables that Claude Code 2.1.330 sets for its tools (measured: `env` run by its Bash tool).  A `claude` that
# inherits them joins that session.  They are set if the app was started from a terminal inside Claude Code.
SESSION: Final = frozenset(
    {
        "AI_AGENT",
        "CLAUDECODE",
        "CLAUDE_CODE_CHILD_NOTES_DIR",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_EFFORT",
        "CLAUDE_PID",
    }
)
# Variables that the hosts of a session (IDE, desktop app, cloud) set for their own `claude`.
SESSION_PREFIXES: Final = (
    "CLAUDE_CODE_BRIDGE_",
    "CLAUDE_CODE_HOST_",
    "CLAUDE_CODE_MESSAGING_",
    "CLAUDE_CODE_RELAUNCH_",
    "CLAUDE_CODE_REMOTE",
    "CLAUDE_CODE_RESUME_",
    "CLAUDE_CODE_SESSION",
    "CLAUDE_CODE_WORKER_",
)
# Numbers of open file descriptors, which our child process does not have.
SESSION_SUFFIX: Final = "_FILE_DESCRIPTOR"


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns `environment` without our secrets, the app's packaging and an outer Claude session."""
    own_folders = _own_folders(environment)
    kept = {
        name: value if "://" in value else _without(own_folders, value)
        for name, value in environment.items()
        if name not in SECRETS | PACKAGING | SESSION
        and not name.startswith(PACKAGING_PREFIXES + SESSION_PREFIXES)
        and not (name.startswith("CLAUDE_CODE_") and name.endswith(SESSION_SUFFIX))
    }
    # A list of which nothing is left goes too: an empty entry in PATH or XDG_DATA_DIRS would be the working directory.
    kept = {name: value for name, value in kept.items() if value or not environment[name]}
    for name in SAVED:
        if saved := kept.pop(name + SAVED_SUFFIX, ""):
            kept[name] = saved
    if "VIRTUAL_ENV" not in kept:
        kept.pop("VIRTUAL_ENV_PROMPT", None)
    return kept


def cli_environment(environment: Mapping[str, str], executable: Path, shell_path: str | None = None) -> dict[str, str]:
    """Returns `inherited`, with the PATH of the login shell, if it is known, and the executable's folder.

    The executable's path is not resolved: the folder that has the right Node contains the link, not the target.
    """
    kept = inherited(environment)
    entries = list(dict.fromkeys(_entries(shell_path or "") + _entries(kept.get("PATH", ""))))
    folder = str(executable.parent)
    if folder not in entries:
        entries.insert(0, folder)
    return kept | {"PATH": os.pathsep.join(entries)}


def _own_folders(environment: Mapping[str, str]) -> list[str]:
    """Returns the folders of the app's packaging: the AppImage's, our virtual environment, the frozen program's."""
    bundled: str | None = getattr(sys, "_MEIPASS", None)
    own = [environment.get("APPDIR"), bundled, sys.prefix if sys.prefix != sys.base_prefix else None]
    return [folder.rstrip("/\\") for folder in own if folder]


def _without(folders: list[str], value: str) -> str:
    """Returns a value, or a list of paths, without the entries at or below any of `folders`."""
    if not any(folder in value for folder in folders):
        return value
    return os.pathsep.join(
        entry
        for entry in value.split(os.pathsep)
        if not any(entry == folder or entry.startswith((f"{folder}/", f"{folder}\\")) for folder in folders)
    )


def _entries(path: str) -> list[str]:
    """Returns the folders of a PATH without relative ones, in which the project itself would choose the programs."""
    return [entry for entry in path.split(os.pathsep) if Path(entry).is_absolute()]
