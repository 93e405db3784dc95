"""How this installation's sidecar is started, and in which environment nothing of the user's machine matters."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OURS: Final = ("BACKEND_", "APP_DATA_DIR", "LOG_DIR", "RUN_ENV", "GOOGLE_", "ATLASSIAN_", "CLAUDE", "SIDECAR_")
"""Prefixes of the variables that change what a sidecar does."""


def command(*arguments: str) -> list[str]:
    """Returns the command line of this installation: a frozen executable, or this interpreter."""
    return [sys.executable, *([] if getattr(sys, "frozen", False) else ["-m", "sidecar"]), *arguments]


def isolated_environment(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without our variables, an own data folder and no Claude, except for `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "APP_DATA_DIR": str(data_dir), "CLAUDE_PATH": str(data_dir / "no-claude-here"), **more}
