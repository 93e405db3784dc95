"""`sidecar demo`: runs a console script against a sidecar with a temporary data folder, and prints a line per step."""

import os
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
import click

from sidecar import __version__
from sidecar.commandline.commands import INTERRUPTED
from sidecar.commandline.console.command import converse
from sidecar.commandline.digest import DigestOutput
from sidecar.commandline.formatting import duration
from sidecar.commandline.options import DATABASE, NOW
from sidecar.commandline.timeline import TimelineOutput
from sidecar.commandline.views.local_times import LocalTimes
from sidecar.days import computer_zone_name

FILES: Final = Path(__file__).parent / "demo_files"
QUESTION: Final = "What is on this week?"
LONG_PROMPT: Final = "Write an essay of at least 800 words about this: {}"
"""The prompt of the run that is cancelled, which must not end before that."""
TIMES: Final = {
    "now": "now",
    "today": "today",
    "last_week": "-7d 0:00",
    "next_week": "+7d 0:00",
    "in_an_hour": "+1h",
}
"""The times that the script uses."""
RETRIES: Final = {"CLAUDE_CODE_MAX_RETRIES": "2"}
"""Without a network, the ten retries of Claude Code take minutes."""


@click.command()
@click.option("--calendar", metavar="PATH|URL", help="Your own calendar: an .ics file or its secret iCal address.")
@click.option(
    "--prompt",
    metavar="[TEXT]",
    is_flag=False,
    flag_value=QUESTION,
    help=f"Also ask Claude Code this, or “{QUESTION}”; your account pays for it.",
)
@DATABASE
@click.option("--keep", is_flag=True, help="Keep the temporary data folder.")
@click.option("--verbose", is_flag=True, help="Print every message between the app and the sidecar, with its time.")
@NOW
def demo(*, calendar: str | None, prompt: str | None, database: str | None, now: str | None, **flags: bool) -> None:
    """Show what a sidecar does for an app, in a few lines.

    Starts a sidecar with a temporary data folder, connects a sample calendar, syncs and reads it, backs up the
    database, cancels a job, and calls a tool of `sidecar mcp`; with --prompt, Claude uses such tools to answer.  It is
    a script for `sidecar console`; --verbose prints all its messages.
    """
    keep, verbose = flags["keep"], flags["verbose"]
    if keep and database is not None:
        raise click.UsageError("--keep applies to the temporary data folder, which --db replaces.")
    times = LocalTimes.of_this_computer(now)
    folder = Path(tempfile.mkdtemp(prefix="sidecar-demo-"))
    env = {name: value for name, value in RETRIES.items() if name not in os.environ}
    if database is None:
        env |= {"APP_DATA_DIR": str(folder / "data"), "LOG_DIR": str(folder / "data" / "logs")}
    where = f"data folder {folder / 'data'} ({'kept' if keep else 'removed at the end'})"
    if keep or verbose or database is not None:
        click.echo(f"sidecar {__version__}, {where if database is None else f'database {database}'}")
    script = (FILES / "demo.txt").read_text("utf-8")
    variables = _variables(calendar, folder, times)
    if prompt is not None:
        script += (FILES / "claude.txt").read_text("utf-8")
        variables |= {"prompt": prompt, "long_prompt": LONG_PROMPT.format(prompt)}
    elif database is None:
        script += (FILES / "mcp.txt").read_text("utf-8")
    script += (FILES / "end.txt").read_text("utf-8")
    begin = time.perf_counter()
    try:
        output = TimelineOutput(times=times) if verbose else DigestOutput(times)
        code = anyio.run(partial(converse, output, script, variables=variables, env=env, db=database, now=now))
    except KeyboardInterrupt:
        click.echo("Interrupted; the sidecar has been stopped.")
        code = INTERRUPTED
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        more = "" if prompt is not None else ", --prompt asks Claude"
        hint = "" if verbose else f"  --verbose shows every message{more}."
        click.echo(("\n" if verbose else "") + f"Done in {duration(time.perf_counter() - begin)}.{hint}")
    sys.exit(code)


def _variables(calendar: str | None, folder: Path, times: LocalTimes) -> dict[str, Any]:
    if calendar is None:
        calendar = str(FILES / "sample.ics")
    elif "://" not in calendar:
        calendar = str(Path(calendar).expanduser().absolute())
    wire_times = {name: times.parse(text) for name, text in TIMES.items()}
    return {"calendar": calendar, "folder": str(folder), "time_zone": computer_zone_name() or "UTC", **wire_times}
