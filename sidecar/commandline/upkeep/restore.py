"""`sidecar restore`: lists the backups, and puts one in place of the database while no sidecar runs."""

import contextlib
import sqlite3
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.filesize import decimal as file_size
from rich.table import Table

from sidecar import exit_codes
from sidecar.clock import SystemClock
from sidecar.commandline.options import DATABASE, JSON
from sidecar.commandline.output import JsonOutput, Output, output_for
from sidecar.paths import make_private_dir, schema_dir
from sidecar.settings import process_settings
from sidecar.storage.backups import backups_of
from sidecar.storage.inspection import start_problem
from sidecar.storage.lock_file import DatabaseLocked, LockFile
from sidecar.storage.migrations import migration_files
from sidecar.storage.restore import NotRestorable, described, replaced_files, settle, stage


@click.command()
@click.argument("backup", required=False)
@DATABASE
@JSON
def restore(backup: str | None, *, database: str | None, as_json: bool) -> None:
    """List the backups, or put BACKUP in place of the database.

    BACKUP is a name from the list, or the path of any copy.  The present database is kept, under the name that is
    printed; restore that to undo.  Exits with 73 while a sidecar has the database open: close the app first.
    """
    output = output_for(as_json=as_json)
    try:
        path = process_settings(database).database
        if backup is None:
            _list(path, output)
        else:
            output.result(_restore(path, _find(path, backup)))
    except DatabaseLocked as error:
        _refuse(output, f"{error}. Close the app that uses it, and try again.", exit_codes.LOCKED)
    except NotRestorable as error:
        _refuse(output, f"{error}. Nothing was changed.", 1)
    except ValueError as error:
        _refuse(output, f"{error}.", exit_codes.USAGE)
    except OSError as error:
        _refuse(output, f"{start_problem(error, path.parent)}.", exit_codes.IO)
    except sqlite3.Error as error:
        _refuse(output, f"The backup could not be copied ({error}): check the disk and its free space.", exit_codes.IO)


def _refuse(output: Output, message: str, code: int) -> NoReturn:
    output.problem(message)
    sys.exit(code)


def _list(path: Path, output: Output) -> None:
    now_ms = SystemClock().now_ms()
    known = migration_files(schema_dir())
    files = [*backups_of(path).all(now_ms), *replaced_files(path)]
    rows = [described(one, known, now_ms) for one in files]
    if isinstance(output, JsonOutput):
        output.result({"backups": rows})
    else:
        _print(rows, output.out)


def _print(rows: list[dict[str, Any]], console: Console) -> None:
    if not rows:
        console.print("no backups")
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("name", "made", "size", "contents"):
        table.add_column(name, overflow="fold", no_wrap=name != "contents")
    for row in rows:
        counted = ", ".join(f"{count:,} {what.replace('_', ' ')}" for what, count in row["contents"].items() if count)
        size = file_size(row["size_bytes"])
        made = f"{datetime.fromisoformat(row['made_at']).astimezone():%Y-%m-%d %H:%M}"
        table.add_row(row["name"], made, size, row["problem"] or counted or "empty")
    console.print(table, markup=False)
    console.print("\nRestore one with: sidecar restore NAME", style="dim")


def _find(path: Path, text: str) -> Path:
    """Returns a file by its path, or by its name in the folder of the backups or beside the database."""
    for folder in (Path(), backups_of(path).folder, path.resolve().parent):
        if (found := folder / text).is_file():
            return found.absolute()
    raise NotRestorable(f"there is no backup {text}; `sidecar restore` lists them")


def _restore(path: Path, backup: Path) -> dict[str, Any]:
    now_ms = SystemClock().now_ms()
    real = path.resolve()
    make_private_dir(real.parent)
    lock = LockFile(real)
    with contextlib.closing(lock):
        settle(real, now_ms)
        existed = real.exists()
        kept = stage(backup, real, migration_files(schema_dir()), now_ms)
        settle(real, now_ms)
    return {"restored": str(path), "from": str(backup), "kept": str(kept) if existed else None}
