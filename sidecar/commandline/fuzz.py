"""`sidecar fuzz`: sends damaged conversations to a sidecar and prints the smallest one that breaks a promise."""

import random
import shlex
import sys
from pathlib import Path

import click

from sidecar.commandline.options import EXISTING_FILE
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.format import NotATranscript
from sidecar.transcripts.fuzz.damage import sent_lines
from sidecar.transcripts.fuzz.fuzz import Failure, FuzzOptions, readable
from sidecar.transcripts.fuzz.fuzz import fuzz as rounds_of
from sidecar.transcripts.sidecar_process import TIMEOUT_S


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=EXISTING_FILE)
@click.option("--seed", metavar="NUMBER", type=int, help="Seed of the first round; printed, and random by default.")
@click.option("--rounds", metavar="NUMBER", type=click.IntRange(1, 100_000), default=10, help="Conversations (10).")
@click.option("--command", metavar="COMMAND", default="", help="Start this sidecar, for example a packaged one.")
@click.option("--patience", metavar="SECONDS", type=float, default=TIMEOUT_S, help="Time limit of a round (30).")
def fuzz(files: tuple[Path, ...], *, seed: int | None, rounds: int, command: str, patience: float) -> None:
    """Damage recorded conversations, send them to a sidecar, and check that it keeps its promises.

    Lines of the transcripts are dropped, doubled, swapped, cut, garbled and joined.  A lost answer, one too many, an
    `internal` error, a wrong order, a crash or no end is a failure: it is repeated with fewer and shorter lines, the
    smallest conversation is printed, and the exit code is 1.  Each round has an empty data folder, no Claude and no
    network.
    """
    try:
        contract = contract_facts()
        sources = [lines for path in files if (lines := sent_lines(path, contract))]
    except (NotATranscript, OSError) as error:
        raise click.ClickException(str(error)) from None
    if not sources:
        raise click.ClickException("No client has sent anything in these transcripts.")
    first = random.randrange(1_000_000) if seed is None else seed  # noqa: S311 - no secret
    options = FuzzOptions(tuple(shlex.split(command)), patience)
    names = " ".join(shlex.quote(str(path)) for path in files)
    click.echo(f"{rounds} rounds from seed {first}")
    failures = 0
    for number, failure in enumerate(rounds_of(sources, range(first, first + rounds), options), 1):
        if failure is not None:
            failures += 1
            _print(failure, f"sidecar fuzz {names} --seed {failure.seed} --rounds 1")
        elif sys.stderr.isatty():
            click.echo(f"\r{number} of {rounds}", nl=number == rounds, err=True)
    click.echo(f"{failures} of {rounds} rounds failed" if failures else f"all {rounds} rounds kept their promises")
    sys.exit(int(failures > 0))


def _print(failure: Failure, again: str) -> None:
    for reason in failure.reasons:
        click.secho(readable(reason.encode()), fg="red")
    if failure.is_repeatable:
        click.echo(f"  after `initialize`, {len(failure.lines)} lines are enough:")
    else:
        click.echo("  It did not happen again with the same lines, so it depends on timing; all that was sent:")
    for line in failure.lines:
        click.echo(f"  → {readable(line)}")
    click.echo(f"  again: {again}")
