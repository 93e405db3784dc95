"""Where the files of the installation are, how it is started, and how private folders and files are made."""

import contextlib
import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

OURS: Final = ("BACKEND_", "APP_DATA_DIR", "LOG_DIR", "RUN_ENV", "GOOGLE_", "ATLASSIAN_", "CLAUDE", "SIDECAR_", "SHELL")
"""Prefixes of the variables that change what a sidecar does."""


def schema_dir() -> Path:
    """Returns the folder with openrpc.json and the migrations, in the installed package or in a checkout."""
    packaged = Path(__file__).parent / "_schema"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "schema"


def make_private_dir(path: Path) -> None:
    """Creates a folder and its missing parents, readable by their owner only."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def make_private(*paths: Path) -> None:
    """Takes the rights to files from everyone but their owner: the old backend, or a copy, made them with others.

    A file of another user stays as it is, and so does a missing one.
    """
    for path in paths if os.name == "posix" else ():
        with contextlib.suppress(OSError):
            mode = path.stat().st_mode
            if mode & 0o077:
                path.chmod(mode & 0o700)


def create_file(path: Path, data: bytes) -> None:
    """Creates a small private file that is complete or does not exist, whatever fails and whenever the process ends.

    Raises `FileExistsError` if the name is taken, another `OSError` if the disk refuses.
    """
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)  # left by a crash; it can be the same file under another name, see `publish`
    try:
        with open(part, "xb", opener=open_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(part, path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def publish(part: Path, path: Path) -> None:
    """Gives a complete file its final name, for good.  Raises `FileExistsError` if the name is taken."""
    try:
        os.link(part, path)  # fails if the name is taken, unlike a rename
    except FileExistsError:
        raise
    except OSError:  # this file system has no hard links
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.replace(path)
    else:
        part.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names of new files durable; Windows does so by itself."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def command(*arguments: str) -> list[str]:
    """Returns the command line of this installation: a frozen executable, or this interpreter."""
    return [sys.executable, *([] if getattr(sys, "frozen", False) else ["-m", "sidecar"]), *arguments]


def options_of(**values: object) -> list[str]:
    """Returns command-line options: `--upstream-record FILE` for `upstream_record=FILE`; None is omitted."""
    options = {f"--{name.replace('_', '-')}": value for name, value in values.items() if value is not None}
    return [str(part) for option in options.items() for part in option]


def relative_to(folder: Path, value: str) -> str:
    """Resolves a value that begins with ./ or ../ from a folder; returns any other value unchanged."""
    return str((folder / value).resolve()) if value.startswith(("./", "../")) else value


def isolated_environment(data_dir: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Returns an environment without our variables, with own data and without the user's Claude, except for `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    own = {"APP_DATA_DIR": str(data_dir), "CLAUDE_PATH": str(data_dir / "no-claude-here")}
    return {**kept, **own, "CLAUDE_CONFIG_DIR": str(data_dir / "claude"), **more}
