"""`sidecar doctor`: what is installed, what is wrong, and what to do about it.

It changes nothing.  The user's own database is only read: a sidecar that opened it would migrate it and begin what is
queued there.  Whether a sidecar starts at all, and what it says of Claude, is tried on a temporary folder.
"""

import json
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import anyio
import click
from rich.console import Console
from rich.text import Text
from sidecar_protocol.calendar.accounts import CalendarAccounts, CalendarProviderList
from sidecar_protocol.claude.doctor import ClaudeDoctor, ClaudeReport, FindingName, FindingState

from sidecar import __version__
from sidecar.commandline.client import RemoteError
from sidecar.commandline.session import SidecarStopped, greeting, session
from sidecar.commandline.wording import duration, hanging, size
from sidecar.paths import schema_dir
from sidecar.settings import process_settings
from sidecar.storage.database import DatabaseLocked, LockFile
from sidecar.storage.migrations import DatabaseNewer, DatabaseUnusable, inspect_file, migration_files, quick_check
from sidecar.system.service import LOW_DISK_BYTES, WAL_RESET_FIXED

CHECK_S: Final = 20.0
START_S: Final = 30.0
EVERYBODY_ELSE: Final = 0o077
"""The permissions of everybody but the owner."""
VARIABLES: Final = ("APP_DATA_DIR", "LOG_DIR", "RUN_ENV", "CLAUDE_PATH", "CLAUDE_CONCURRENCY", "GOOGLE_CLIENT_ID")
SECRETS: Final = ("BACKEND_TOKEN", "GOOGLE_CLIENT_SECRET", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
"""Told by name only."""
IGNORED: Final = ("BACKEND_PORT",)


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


MARKS: Final = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.PROBLEM: ("✗", "red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    detail: str
    advice: str | None = None


async def examine(database: str | None, form: str) -> int:
    """Look at everything and print it; 1 where something is a problem."""
    findings = [_python(), _sqlite()]
    try:
        settings = process_settings(database)
    except ValueError as error:
        findings.append(Finding("settings", State.PROBLEM, f"{error}.", "Correct the environment variable."))
    else:
        integrity = await _integrity(settings.database)
        findings += [_data_folder(settings.data_dir), _database(settings.database, integrity)]
        findings.append(_log_folder(settings.log_dir))
        findings += await _trial()
    findings.append(_environment())
    healthy = all(finding.state is not State.PROBLEM for finding in findings)
    if form == "machines":
        report = {"ok": healthy, "findings": [asdict(finding) for finding in findings]}
        click.echo(json.dumps(report, separators=(",", ":")))
    else:
        _print(findings)
    return 0 if healthy else 1


def _python() -> Finding:
    return Finding("Python", State.OK, f"{platform.python_version()}, {sys.executable}")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info >= WAL_RESET_FIXED:
        return Finding("SQLite", State.OK, version)
    fixed = ".".join(map(str, WAL_RESET_FIXED))
    note = f"before {fixed}: let no other program write to the database while the sidecar runs"
    return Finding("SQLite", State.OK, f"{version} ({note})")


def _data_folder(folder: Path) -> Finding:
    if not folder.exists():
        return _to_be_made("data folder", folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("data folder", State.PROBLEM, f"{folder} cannot be written.", "Give yourself the right to.")
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        return Finding("data folder", State.PROBLEM, f"{folder}: only {size(free)} free.", "Make room on the disk.")
    if os.name == "posix" and folder.stat().st_mode & EVERYBODY_ELSE:
        return Finding("data folder", State.WARNING, f"{folder} is open to other users.", f"chmod 700 '{folder}'")
    return Finding("data folder", State.OK, f"{folder}, private, {size(free)} free")


def _log_folder(folder: Path) -> Finding:
    if not folder.exists():
        return _to_be_made("log folder", folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("log folder", State.PROBLEM, f"{folder} cannot be written.", "Set LOG_DIR to another one.")
    written = sum(file.stat().st_size for file in folder.glob("sidecar.log*"))
    return Finding("log folder", State.OK, f"{folder}, {size(written)} of logs")


def _to_be_made(name: str, folder: Path) -> Finding:
    above = next(parent for parent in folder.parents if parent.exists())
    if os.access(above, os.W_OK | os.X_OK):
        return Finding(name, State.OK, f"{folder}, which the first start will make")
    return Finding(name, State.PROBLEM, f"{folder} is missing, and {above} cannot be written.", "Set APP_DATA_DIR.")


async def _integrity(database: Path) -> str | None:
    """What SQLite's check says; None where there is nothing to check."""
    return await quick_check(database, CHECK_S) if _has_content(database) else None


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _database(path: Path, integrity: str | None) -> Finding:
    """Read-only; see the module's docstring."""
    if integrity is None:
        return Finding("database", State.OK, f"{path.name}, which the first start will make")
    known = migration_files(schema_dir())
    try:
        pending = inspect_file(path, known)
    except DatabaseNewer as error:
        return Finding("database", State.PROBLEM, f"{error}.", "Update the app, or open a backup.")
    except DatabaseUnusable as error:
        return Finding("database", State.PROBLEM, f"{error}.", f"Restore the newest of {path.parent / 'backups'}.")
    if integrity != "ok":
        advice = f"Restore the newest of {path.parent / 'backups'}."
        return Finding("database", State.PROBLEM, f"{path.name}: {integrity}.", advice)
    taken = f"{len(known) - len(pending)} of {len(known)} migrations"
    stored = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if not file.name.endswith(".lock"))
    facts = f"{path.name}, {size(stored)}, {taken}, integrity ok"
    holder = _holder(path.with_name(path.name + ".lock"))
    if holder is not None:
        return Finding(
            "database", State.WARNING, f"{facts}; in use by process {holder}", "Nothing, if that is the app."
        )
    if pending:
        return Finding("database", State.WARNING, facts, "Nothing: the next start takes a backup and then the rest.")
    return Finding("database", State.OK, facts)


def _holder(lock: Path) -> str | None:
    """The process that has the database open; None where none has."""
    if not lock.exists():
        return None
    try:
        LockFile(lock).release()
    except DatabaseLocked:
        return lock.read_text("ascii", "replace").strip() or "unknown"
    except OSError:
        return None  # a folder that cannot be written is told of elsewhere
    return None


async def _trial() -> list[Finding]:
    """A sidecar on a temporary folder: whether it starts, and what it finds."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sidecar-doctor-") as folder:
        try:
            with anyio.fail_after(START_S):
                async with session(None, env={"APP_DATA_DIR": folder, "LOG_DIR": folder}) as client:
                    await client.call("initialize", greeting())
                    took = duration(time.perf_counter() - begin)
                    claude = await client.remote(ClaudeDoctor).doctor()
                    calendars = await client.remote(CalendarAccounts).list_providers()
        except (SidecarStopped, RemoteError) as error:
            return [Finding("sidecar", State.PROBLEM, str(error))]
        except TimeoutError:
            return [Finding("sidecar", State.PROBLEM, f"It did not answer within {START_S:g} seconds.")]
    start = Finding("sidecar", State.OK, f"{__version__}, answers {took} after its spawn")
    return [start, *_claude(claude), _calendars(calendars)]


def _calendars(known: CalendarProviderList) -> Finding:
    ready = ", ".join(one.name for one in known.providers if one.available)
    missing = " ".join(f"For {one.name}: {one.reason}" for one in known.providers if not one.available)
    return Finding("calendars", State.OK, f"{ready or 'none'} ready. {missing}".rstrip(" ."))


def _claude(report: ClaudeReport) -> Iterator[Finding]:
    """Where Claude is, and what is not as it should be.  No more than a warning: all else works without Claude."""
    judged = {finding.name: finding for finding in report.findings}
    found = judged.pop(FindingName.EXECUTABLE)
    if found.state is FindingState.OK:
        yield Finding("Claude", State.OK, f"{report.version}, {report.path}")
    else:
        yield Finding(
            "Claude", State.WARNING, report.path or "not found", f"{found.detail} {found.advice or ''}".strip()
        )
        return
    for finding in judged.values():
        if finding.state is not FindingState.OK:
            yield Finding(f"Claude {finding.name}", State.WARNING, finding.detail, finding.advice)


def _environment() -> Finding:
    told = [f"{name}={os.environ[name]}" for name in VARIABLES if os.environ.get(name)]
    told += [f"{name} (secret)" for name in SECRETS if os.environ.get(name)]
    told += [f"{name} (ignored)" for name in IGNORED if os.environ.get(name)]
    return Finding("environment", State.OK, ", ".join(told) or "none of our variables is set")


def _print(findings: list[Finding]) -> None:
    console = Console(highlight=False)
    for finding in findings:
        mark, style = MARKS[finding.state]
        head = Text.assemble((f"{mark} ", style), f"{finding.name:<12} ")
        console.print(hanging(console, head, finding.detail))
        if finding.advice:
            console.print(hanging(console, Text(" " * 15 + "→ ", style), finding.advice))
    if all(finding.state is State.OK for finding in findings):
        console.print(Text("\nAll is well.", style="green"))
