"""`sidecar verify`: replays transcripts against a sidecar and prints the differences."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from sidecar.commandline.formatting import printable
from sidecar.commandline.options import NOW, SEED, environment_option
from sidecar.transcripts.file.format import NotATranscript
from sidecar.transcripts.sidecar_process import TIMEOUT_S
from sidecar.transcripts.verify.check import VerifyOptions, verified
from sidecar.transcripts.verify.findings import explain_all
from sidecar.transcripts.verify.update import EndedEarly

STYLES = {"  -": "red", "  +": "green", "  @": "cyan"}


def _secrets(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[int, str]:
    pairs = [value.partition("=") for value in values]
    for number, sign, _ in pairs:
        if not number.isascii() or not number.isdigit() or not sign:
            raise click.BadParameter("give the number of a secret and its value: 1=/home/me/calendar.ics")
    return {int(number): value for number, _, value in pairs}


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Rewrite transcripts that differ with the sidecar's present responses.")
@click.option("--strict", is_flag=True, help="Members that the recording's contract did not have are differences.")
@click.option(
    "--secret",
    "secrets",
    metavar="N=VALUE",
    multiple=True,
    callback=_secrets,
    help='Send this value for {"$secret": N}, for example the path of a calendar file.',
)
@click.option("--slower-than", metavar="FACTOR", type=float, help="Report methods that take longer than recorded.")
@click.option("--exact", is_flag=True, help="Also compare ids and times; the clock and the seed must be fixed.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Start with a copy of this data folder instead of an empty one.",
)
@NOW
@SEED
@environment_option("Set an environment variable of the sidecar.")
@click.option("--command", metavar="COMMAND", default="", help="Start this sidecar, for example a packaged one.")
@click.option("--patience", metavar="SECONDS", type=float, default=TIMEOUT_S, help="Time limit of a response (30).")
def verify(files: tuple[Path, ...], *, update: bool, command: str, patience: float, **options: Any) -> None:
    """Compare a sidecar's responses with recorded transcripts.

    Starts a sidecar, sends it the recorded requests and compares what it sends back, for each job, session or account
    in order.  Ids, times and cursors may differ.  Prints a diff for each message that does not match, and exits with 1.
    """
    if options["exact"] and update:
        raise click.UsageError("--update keeps the recorded ids; for an exact transcript, record it again.")
    verify_options = VerifyOptions(command=tuple(shlex.split(command)), timeout_s=patience, **options)
    console = Console(highlight=False)
    results = [_result(console, path, verify_options, update=update) for path in files]
    sys.exit(0 if all(results) else 1)


def _result(console: Console, path: Path, options: VerifyOptions, *, update: bool) -> bool:
    """Verifies one file; one that cannot be read does not keep the others from being verified."""
    try:
        return _verify(console, path, options, update=update)
    except click.ClickException as error:
        click.echo(printable(f"not verified  {error.format_message()}"), err=True)
        return False


def _verify(console: Console, path: Path, options: VerifyOptions, *, update: bool) -> bool:
    """Verifies one file and prints the result; returns whether it matches."""
    try:
        report, updated = verified(path, options, can_update=update)
    except EndedEarly as error:
        raise click.ClickException(f"{path}: {error}") from None
    except (NotATranscript, OSError) as error:
        raise click.ClickException(str(error)) from None
    if report.mismatches:
        word = ("updated, and differs again  " if updated else "differs  ", "red")
    else:
        word = ("updated  ", "yellow") if updated else ("as recorded  ", "green")
    console.print(Text.assemble(word, str(path)), soft_wrap=True)
    notes = [f"  accepted: {updated}"] if updated else []
    notes += [] if report.mismatches else [f"  {note}" for note in report.notes]
    for line in [*notes, *explain_all(path, report).splitlines()]:
        console.print(Text(printable(line), style=STYLES.get(line[:3], "")), soft_wrap=True)
    return not report.mismatches
