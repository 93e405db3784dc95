"""The commands about transcripts and their options; see `commands`."""

import sys
from pathlib import Path
from typing import Any

import click

FILE = click.Path(dir_okay=False, path_type=Path)
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def replay(arguments: tuple[str, ...]) -> None:
    """Stand in for the sidecar with the answers of transcripts."""
    from sidecar.transcripts.replay.server import main  # noqa: PLC0415 - see `commands`

    main(list(arguments))


@click.command()
@FILES
@click.option("--update", is_flag=True, help="Record anew what is no longer as recorded.")
@click.option("--exact", is_flag=True, help="Ids and times must be the recorded ones, too.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Begin with a copy of this data folder.",
)
@click.option("--now", metavar="TIME", help="Let the sidecar's clock stand still there.")
@click.option("--seed", metavar="NUMBER", type=int, help="Let it make the same ids every time.")
@click.option("--env", metavar="NAME=VALUE", multiple=True, help="Add to its environment: CLAUDE_PATH=…")
@click.option("--command", metavar="COMMAND", help="What serves, such as a packaged sidecar.")
@click.option("--patience", metavar="SECONDS", type=float, help="How long an answer may take (30).")
def verify(
    files: tuple[Path, ...],
    *,
    update: bool,
    exact: bool,
    data: Path | None,
    now: str | None,
    seed: int | None,
    env: tuple[str, ...],
    command: str | None,
    patience: float | None,
) -> None:
    """Drive a real sidecar by transcripts and compare what it says.

    Exit code 1: something is not as recorded, with a diff for each message.
    """
    import shlex  # noqa: PLC0415 - see `commands`

    if exact and update:
        raise click.UsageError("--update keeps the recorded ids wherever they fit: what shall be exact, record anew.")
    from sidecar.commandline.verification import verify_all  # noqa: PLC0415
    from sidecar.transcripts.verify.check import VerifyOptions  # noqa: PLC0415
    from sidecar.transcripts.verify.sidecar_process import TIMEOUT_S  # noqa: PLC0415

    options = VerifyOptions(
        command=tuple(shlex.split(command or "")),
        env=_environment(env),
        data=data,
        now=now,
        seed=seed,
        exact=exact,
        timeout_s=patience or TIMEOUT_S,
    )
    sys.exit(verify_all(files, options, update=update))


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "form", flag_value="json", default="people", help="One line, for programs.")
@click.option(
    "--html",
    "target",
    metavar="PAGE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with a waterfall.",
)
@click.option("--all", "everything", is_flag=True, help="Show every message of a long transcript.")
def inspect(file: Path, form: str, target: Path | None, everything: bool) -> None:  # noqa: FBT001 - a command line flag
    """Show what happened in a transcript: calls, latency, sizes, errors, notifications, silences."""
    from sidecar.commandline import inspection  # noqa: PLC0415 - see `commands`
    from sidecar.transcripts.file.format import NotATranscript  # noqa: PLC0415

    try:
        if target is not None:
            inspection.as_html(file, target)
        elif form == "json":
            inspection.as_json(file)
        else:
            inspection.show(file, everything=everything)
    except NotATranscript as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option("--db", "database", metavar="PATH", help="The database (default: sidecar.db in APP_DATA_DIR).")
@click.option("--record", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Record a transcript.")
@click.option("--upstream-record", metavar="FILE", type=FILE, help="Record what the vendors' clouds answer, too.")
@click.option("--now", metavar="TIME", help="Let the sidecar's clock stand still there.")
@click.option("--seed", metavar="NUMBER", type=int, help="Let it make the same ids every time.")
@click.option("--env", metavar="NAME=VALUE", multiple=True, help="Add to its environment, and to the record's header.")
@click.option("--json", "form", flag_value="machines", default="people", help="One compact line, for programs.")
def console(*, form: str, env: tuple[str, ...], **wishes: Any) -> None:
    """Talk to a live sidecar: call methods, see what it tells.  Reads a script from standard input, too."""
    import anyio  # noqa: PLC0415 - see `commands`

    from sidecar.commandline.console import Wishes, converse  # noqa: PLC0415
    from sidecar.commandline.output import ForMachines, ForPeople  # noqa: PLC0415

    wanted = Wishes(env=_environment(env), **wishes)
    sys.exit(anyio.run(converse, wanted, ForMachines() if form == "machines" else ForPeople()))


def _environment(pairs: tuple[str, ...]) -> dict[str, str]:
    made = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--env {pair} is not of the form NAME=VALUE.")
        made[name] = value
    return made


COMMANDS = (replay, verify, inspect, console)
