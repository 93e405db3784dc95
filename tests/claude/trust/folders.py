"""Folders that bring something, and git repositories, for the tests of workspace trust."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = """
import json, pathlib, sys
pathlib.Path(sys.argv[1]).touch()
for line in sys.stdin:
    message = json.loads(line)
    version = message.get("params", {}).get("protocolVersion")
    info = {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "docs", "version": "1"}}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": info}), flush=True)
"""


class ForeignFolder:
    """A folder with a hook and an MCP server, each of which leaves a mark when it runs."""

    def __init__(self, path: Path, marks: Path) -> None:
        self.path = path
        self.marks = marks
        marks.mkdir(parents=True, exist_ok=True)
        self.write_settings(hooks={"SessionStart": [self.hook("hook")]}, env={"FROM_FOLDER": "secret-value"})
        (path / "server.py").write_text(SERVER)
        server = {"command": sys.executable, "args": [str(path / "server.py"), str(marks / "server")]}
        (path / ".mcp.json").write_text(json.dumps({"mcpServers": {"docs": server}}))

    def hook(self, mark: str) -> dict[str, object]:
        return {"hooks": [{"type": "command", "command": f"touch '{self.marks / mark}'"}]}

    def write_settings(self, **settings: object) -> None:
        (self.path / ".claude").mkdir(parents=True, exist_ok=True)
        (self.path / ".claude" / "settings.json").write_text(json.dumps(settings))

    @property
    def has_run(self) -> list[str]:
        return sorted(mark.name for mark in self.marks.iterdir())


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """Has an empty folder in the place of another one."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    yield
    folder.rmdir()
    aside.rename(folder)


def git(*arguments: str, cwd: Path) -> None:
    """Runs git in a folder, which is created."""
    cwd.mkdir(parents=True, exist_ok=True)
    who = ("-c", "user.name=Tests", "-c", "user.email=tests@example.com", "-c", "protocol.file.allow=always")
    subprocess.run(("git", *who, *arguments), cwd=cwd, check=True, capture_output=True)


def commit_all(root: Path) -> None:
    """Makes a folder a git repository with all that is in it."""
    git("init", "-q", cwd=root)
    (root / "readme").write_text("a project")
    git("add", "-A", cwd=root)
    git("commit", "-qm", "First", cwd=root)


def trust_in_claude(config_dir: Path, *folders: Path) -> None:
    """Writes Claude Code's own answers, as after its question in a terminal."""
    config_dir.mkdir(parents=True, exist_ok=True)
    projects = {str(folder): {"hasTrustDialogAccepted": True} for folder in folders}
    (config_dir / ".claude.json").write_text(json.dumps({"projects": projects}))
