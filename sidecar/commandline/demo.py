"""`sidecar demo`: runs a console script against a sidecar with a temporary data folder."""

import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import click

from sidecar import __version__
from sidecar.commandline.commands import INTERRUPTED
from sidecar.commandline.console.command import converse
from sidecar.commandline.formatting import duration
from sidecar.commandline.options import DATABASE
from sidecar.commandline.timeline import TimelineOutput
from sidecar.days import computer_zone_name

FILES: Final = Path(__file__).parent / "demo_files"
LONG_PROMPT: Final = "Write an essay of at least 800 words about this: {}"
"""The prompt of the run that is cancelled, which must not end before that."""
QUIT: Final = "\n# Quit: close the sidecar's stdin\n"
RETRIES: Final = {"CLAUDE_CODE_MAX_RETRIES": "2"}
"""Without a network, the ten retries of Claude Code take minutes."""


@click.command()
@click.option("--calendar", metavar="PATH|URL", help="Your own calendar: an .ics file or its secret iCal address.")
@click.option("--prompt", metavar="TEXT", help="Also send this prompt to Claude Code; your account pays for it.")
@DATABASE
@click.option("--keep", is_flag=True, help="Keep the temporary data folder.")
def demo(*, calendar: str | None, prompt: str | None, database: str | None, keep: bool) -> None:
    """Show the messages between an app and a sidecar.

    Starts a sidecar with a temporary data folder, prints every message, connects a sample
    calendar, syncs and reads it, backs up the database and cancels a job.  It is a script for `sidecar console`.
    """
    if keep and database is not None:
        raise click.UsageError("--keep applies to the temporary data folder, which --db replaces.")
    folder = Path(tempfile.mkdtemp(prefix="sidecar-demo-"))
    env = {name: value for name, value in RETRIES.items() if name not in os.environ}
    if database is None:
        env |= {"APP_DATA_DIR": str(folder / "data"), "LOG_DIR": str(folder / "data" / "logs")}
    where = f"data folder {folder / 'data'} ({'kept' if keep else 'removed at the end'})"
    click.echo(f"sidecar {__version__}, {where if database is None else f'database {database}'}")
    script = (FILES / "demo.txt").read_text("utf-8")
    variables = _variables(calendar, folder)
    if prompt is not None:
        script += (FILES / "claude.txt").read_text("utf-8")
        variables |= {"prompt": prompt, "long_prompt": LONG_PROMPT.format(prompt)}
    begin = time.perf_counter()
    try:
        code = anyio.run(partial(converse, TimelineOutput(), script + QUIT, variables=variables, env=env, db=database))
    except KeyboardInterrupt:
        click.echo("Interrupted; the sidecar has been stopped.")
        code = INTERRUPTED
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        click.secho(f"\nDone in {duration(time.perf_counter() - begin)}.", fg="green")
    sys.exit(code)


def _variables(calendar: str | None, folder: Path) -> dict[str, Any]:
    if calendar is None:
        calendar = str(FILES / "sample.ics")
    elif "://" not in calendar:
        calendar = str(Path(calendar).expanduser().absolute())
    now = datetime.now().astimezone()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    times = {
        "now": now,
        "today": today,
        "last_week": today - timedelta(days=7),
        "next_week": today + timedelta(days=7),
        "in_an_hour": now + timedelta(hours=1),
    }
    wire_times = {name: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name, moment in times.items()}
    return {"calendar": calendar, "folder": str(folder), "time_zone": computer_zone_name() or "UTC", **wire_times}
