"""`sidecar doctor`: checks the installation, and prints each problem with a remedy.

It changes nothing.  The user's database is only read, since a sidecar would migrate it and start its queued jobs; that
a sidecar starts, and finds Claude, is checked with a temporary data folder.
"""

import contextlib
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
import click
from rich.console import Console
from rich.filesize import decimal as file_size
from rich.text import Text
from sidecar_protocol.calendar.accounts import CalendarAccounts, CalendarProviderList
from sidecar_protocol.claude.doctor import ClaudeDoctor, ClaudeReport, Finding, FindingState

from sidecar import __version__
from sidecar.clock import SystemClock
from sidecar.commandline.client import RemoteError
from sidecar.commandline.connect import SidecarStopped, connect, handshake_params
from sidecar.commandline.formatting import duration, hanging
from sidecar.commandline.options import DATABASE, JSON, run
from sidecar.commandline.output import compact
from sidecar.paths import schema_dir
from sidecar.settings import process_settings
from sidecar.storage.backups import lost_database, read_only
from sidecar.storage.database import SqliteTooOld, check_sqlite, open_connection
from sidecar.storage.identity import rows_of
from sidecar.storage.inspection import (
    DatabaseNewer,
    DatabaseUnusable,
    advice,
    inspect,
    integrity,
    start_problem,
    unusable,
)
from sidecar.storage.lock_file import DatabaseLocked, LockFile, LocksUnsupported
from sidecar.storage.migrations import InstallationDamaged, migration_files
from sidecar.system.service import LOW_DISK_BYTES, WAL_RESET_FIXED

INTEGRITY_TIMEOUT_S: Final = 20.0
START_TIMEOUT_S: Final = 30.0
OTHER_USERS: Final = 0o077
"""The permission bits of the group and of all others."""
VARIABLES: Final = ("APP_DATA_DIR", "LOG_DIR", "RUN_ENV", "CLAUDE_PATH", "CLAUDE_CONCURRENCY", "GOOGLE_CLIENT_ID")
SECRETS: Final = ("BACKEND_TOKEN", "GOOGLE_CLIENT_SECRET", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")
HIDDEN: Final = {name: f"{name} (secret)" for name in SECRETS} | {"BACKEND_PORT": "BACKEND_PORT (ignored)"}
"""Variables of which only the name is printed."""
SYMBOLS: Final = {
    FindingState.OK: ("✓", "green"),
    FindingState.WARNING: ("!", "yellow"),
    FindingState.PROBLEM: ("✗", "red"),
}


@click.command()
@DATABASE
@JSON
def doctor(*, database: str | None, as_json: bool) -> None:
    """Check the installation, the database and Claude Code.

    Changes nothing.  Exits with 1 if there is a problem; a missing Claude Code is only a warning.
    """
    run(_examine, database, as_json)


async def _examine(database: str | None, as_json: bool) -> int:  # noqa: FBT001 - anyio.run passes no keywords
    findings = [Finding.ok("Python", f"{platform.python_version()}, {sys.executable}"), _sqlite()]
    try:
        settings = process_settings(database)
    except ValueError as error:
        findings.append(Finding.problem("settings", f"{error}.", "Correct the environment variable."))
    else:
        findings += [_data_folder(settings.data_dir), await anyio.to_thread.run_sync(_database, settings.database)]
        findings += [_log_folder(settings.log_dir), *await _start_sidecar()]
    findings.append(_environment())
    ok = all(finding.state is not FindingState.PROBLEM for finding in findings)
    if as_json:
        click.echo(compact({"ok": ok, "findings": [finding.model_dump() for finding in findings]}))
    else:
        print_findings(Console(highlight=False), findings)
    return 0 if ok else 1


def _sqlite() -> Finding:
    try:
        check_sqlite()
    except SqliteTooOld as error:
        return Finding.problem("SQLite", f"{error}.", None)
    version, fixed = sqlite3.sqlite_version, ".".join(map(str, WAL_RESET_FIXED))
    if sqlite3.sqlite_version_info < WAL_RESET_FIXED:
        version += f" (before {fixed}, no other program may write to the database while the sidecar runs)"
    return Finding.ok("SQLite", version)


def _data_folder(folder: Path) -> Finding:
    unusable = _unusable("data folder", folder, "Give yourself the right to write there.")
    if unusable is not None:
        return unusable
    if folder.exists() and (unsuitable := _unsuitable(folder)) is not None:
        return Finding.problem("data folder", f"{unsuitable}.", None)
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        return Finding.problem("data folder", f"{folder}: only {file_size(free)} free.", "Free some disk space.")
    if os.name == "posix" and folder.stat().st_mode & OTHER_USERS:
        return Finding.warning("data folder", f"{folder} is open to other users.", f"chmod 700 '{folder}'")
    return Finding.ok("data folder", f"{folder}, private, {file_size(free)} free")


def _log_folder(folder: Path) -> Finding:
    unusable = _unusable("log folder", folder, "Set LOG_DIR to another folder.")
    if unusable is not None:
        return unusable
    written = sum(file.stat().st_size for file in folder.glob("sidecar.log*"))
    return Finding.ok("log folder", f"{folder}, {file_size(written)} of logs")


def _unusable(name: str, folder: Path, advice: str) -> Finding | None:
    """Returns a finding if the folder does not exist or cannot be written."""
    if folder.exists():
        if os.access(folder, os.W_OK | os.X_OK):
            return None
        return Finding.problem(name, f"{folder} cannot be written.", advice)
    parent = next(parent for parent in folder.parents if parent.exists())
    if os.access(parent, os.W_OK | os.X_OK):
        return Finding.ok(name, f"{folder}, will be created at the first start")
    return Finding.problem(name, f"{folder} does not exist, and {parent} cannot be written.", "Set APP_DATA_DIR.")


def _unsuitable(folder: Path) -> str | None:
    """Returns why a file system cannot hold the database: it needs locks and shared memory.  Tries it."""
    now_ms = SystemClock().now_ms()
    with tempfile.TemporaryDirectory(prefix="sidecar-doctor-", dir=folder) as tried:
        path = Path(tried) / "sidecar.db"
        try:
            lock = LockFile(path)
            with contextlib.closing(open_connection(path)) as connection:
                connection.execute("CREATE TABLE tried (x)")
            lock.close()
        except LocksUnsupported as error:
            return str(error)
        except sqlite3.Error as error:
            return str(unusable(path, error, now_ms))
        except OSError as error:
            return start_problem(error, folder)
    return None


def _database(path: Path) -> Finding:
    if not path.exists() or path.stat().st_size == 0:
        return Finding.ok("database", f"{path.name}, will be created at the first start")
    now_ms = SystemClock().now_ms()
    try:
        known = migration_files(schema_dir())
        contents = inspect(path, known, now_ms)
    except InstallationDamaged as error:
        return Finding.problem("installation", f"{error}.", None)
    except DatabaseLocked as error:
        return Finding.warning("database", f"{error}.", None)
    except (DatabaseNewer, DatabaseUnusable) as error:
        return Finding.problem("database", f"{error}.", None)
    if (result := integrity(path, INTEGRITY_TIMEOUT_S)) != "ok":
        return Finding.problem("database", f"{path.name}: {result}.", f"{advice(path, now_ms)}.")
    pending = set(known) - set(contents.applied)
    applied = f"{len(known) - len(pending)} of {len(known)} migrations"
    stored = sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if not file.name.endswith(".lock"))
    facts = f"{path.name}, {file_size(stored)}, {applied}, integrity ok"
    if (owner := _lock_owner(path.resolve())) is not None:
        return Finding.warning("database", f"{facts}; in use by process {owner}", "Nothing to do if that is the app.")
    if pending:
        return Finding.warning(
            "database", facts, "Nothing to do: the next start makes a backup and applies the others."
        )
    with contextlib.closing(read_only(path)) as connection:
        lost = lost_database(path, rows_of(connection))
    return Finding.ok("database", facts) if lost is None else Finding.problem("database", f"{lost}.", None)


def _lock_owner(database: Path) -> str | None:
    """Returns the id of the process that has the database open, or None."""
    if not database.with_name(database.name + ".lock").exists():
        return None
    try:
        LockFile(database).close()
    except DatabaseLocked as error:
        return error.pid
    except OSError:
        pass  # the check of the data folder reports that it cannot be used
    return None


async def _start_sidecar() -> list[Finding]:
    """Starts a sidecar with a temporary data folder, and calls its own checks."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sidecar-doctor-") as folder:
        try:
            with anyio.fail_after(START_TIMEOUT_S):
                async with connect(None, env={"APP_DATA_DIR": folder, "LOG_DIR": folder}) as client:
                    await client.call("initialize", handshake_params())
                    took = duration(time.perf_counter() - begin)
                    claude = await client.remote(ClaudeDoctor).doctor()
                    calendars = await client.remote(CalendarAccounts).list_providers()
        except (SidecarStopped, RemoteError) as error:
            return [Finding.problem("sidecar", str(error), None)]
        except TimeoutError:
            return [Finding.problem("sidecar", f"It did not respond within {START_TIMEOUT_S:g} seconds.", None)]
    return [Finding.ok("sidecar", f"{__version__}, starts in {took}"), *_claude(claude), _calendars(calendars)]


def _calendars(known: CalendarProviderList) -> Finding:
    available = ", ".join(one.name for one in known.providers if one.available)
    missing = " ".join(f"For {one.name}: {one.reason}" for one in known.providers if not one.available)
    return Finding.ok("calendars", f"{available or 'none'} available. {missing}".rstrip(" ."))


def _claude(report: ClaudeReport) -> Iterator[Finding]:
    """Yields the findings about Claude, at most as warnings: everything else works without it.

    If no `claude` runs, that is the first finding, and the others do not matter.
    """
    for finding in report.findings if report.version is not None else report.findings[:1]:
        state = FindingState.WARNING if finding.state is FindingState.PROBLEM else finding.state
        yield finding.model_copy(update={"name": f"Claude {finding.name}", "state": state})


def _environment() -> Finding:
    shown = {name: f"{name}={value}" for name, value in os.environ.items() if name in VARIABLES} | HIDDEN
    found = [text for name, text in shown.items() if os.environ.get(name)]
    return Finding.ok("environment", ", ".join(found) or "none of the sidecar's variables is set")


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        symbol, style = SYMBOLS[finding.state]
        head = Text.assemble((f"{symbol} ", style), f"{finding.name:<{width}} ")
        console.print(hanging(console, head, finding.detail))
        if finding.advice:
            console.print(hanging(console, Text(" " * (width + 3) + "→ ", style), finding.advice))
    if all(finding.state is FindingState.OK for finding in findings):
        console.print(Text("\nNo problems found.", style="green"))
