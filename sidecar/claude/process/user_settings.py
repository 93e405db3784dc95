"""The user's own Claude Code: the folder of its settings, credentials and records, and what the settings say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sidecar.json_reader import get_text, parse_object

SETTINGS_BYTES: Final = 1024 * 1024


def config_dir(environment: Mapping[str, str], home: Path) -> Path:
    """Returns the folder of the settings, records and credentials."""
    named = environment.get("CLAUDE_CONFIG_DIR")
    return Path(named).expanduser() if named else home / ".claude"


def read_settings(path: Path) -> Mapping[str, Any]:
    """Returns a settings file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return parse_object(file.read(SETTINGS_BYTES)) or {}
    except OSError:
        return {}


def default_model(environment: Mapping[str, str], home: Path, cwd: Path) -> str:
    """Returns the model of a new conversation in a folder, in the order in which the CLI reads the settings."""
    if model := environment.get("ANTHROPIC_MODEL"):
        return model
    project, user = cwd / ".claude", config_dir(environment, home)
    for path in (project / "settings.local.json", project / "settings.json", user / "settings.json"):
        if model := get_text(read_settings(path), "model"):
            return model
    return "default"
