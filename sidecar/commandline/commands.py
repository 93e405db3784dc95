"""The commands and their options.  What they do stands in modules of their own, imported when one is called."""

import signal
import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click
from click.shell_completion import CompletionItem

from sidecar import __version__
from sidecar.commandline.transcripts import COMMANDS

if TYPE_CHECKING:
    from sidecar.commandline.output import Output

INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""
DATABASE = click.option("--db", "database", metavar="PATH", help="The database (default: sidecar.db in APP_DATA_DIR).")
JSON = click.option("--json", "form", flag_value="machines", default="people", help="One compact line, for programs.")


def main() -> NoReturn:
    """Run the command that the arguments name, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow that the terminal cannot show must not end the command
    for name in ("SIGTERM", "SIGHUP"):  # a terminal that is closed ends a command as Ctrl-C does: in good order
        if signal.getsignal(getattr(signal, name, signal.SIGINT)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        sys.exit(commands.main(prog_name="sidecar", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Completion: eval "$(_SIDECAR_COMPLETE=bash_source sidecar)" (also zsh_source, fish_source).',
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """One person's work hub as a child process: JSON-RPC 2.0 over stdin and stdout.

    Without a command and without a terminal it serves, for the host that spawned it.
    """


@commands.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Serve on stdin and stdout until stdin ends."""
    from sidecar.serve import main as serve_main  # noqa: PLC0415 - see the module's docstring

    serve_main(list(arguments))


def _complete_method(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del context, param
    from sidecar.commandline.assignments import callable_methods  # noqa: PLC0415

    known = callable_methods().values()
    return [CompletionItem(one.name, help=_first_line(one.doc)) for one in known if one.name.startswith(incomplete)]


def _complete_param(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    del param
    from sidecar.commandline.assignments import META, callable_methods, choices, param_schemas  # noqa: PLC0415

    declared = callable_methods().get(context.params.get("method", ""))
    if declared is None:
        return []
    schemas = param_schemas(declared)
    name, equals, start = incomplete.partition("=")
    if equals:
        words = choices(schemas.get(name, {}))
        return [CompletionItem(f"{name}={word}") for word in words if word.startswith(start)]
    return [CompletionItem(f"{one}=") for one in schemas if one.startswith(incomplete) and one != META]


@commands.command()
@click.argument("method", shell_complete=_complete_method)
@click.argument("params", nargs=-1, metavar="[key=value]...", shell_complete=_complete_param)
@DATABASE
@JSON
@click.option("--follow", "after", flag_value="follow", help="Go on printing notifications until Ctrl-C.")
@click.option("--wait", "after", flag_value="wait", help="Wait for the job; Ctrl-C cancels it.")
def call(method: str, params: tuple[str, ...], database: str | None, form: str, after: str | None) -> None:
    """Call METHOD and print its result.

    \b
    key=value    by the declared type: limit=5, prompt="say hi", payload='{"keep": 2}'
    key:=JSON    exactly this JSON value: request_id:=7
    key=@FILE    a file's text, @- for standard input: prompt=@question.txt
    A list of words may be given one by one: allowed_tools=Read allowed_tools=Grep

    A sidecar is spawned for it and closed again.  Exit code 1: the sidecar answered with an error, or the awaited job
    did not succeed; 2: the call makes no sense; else what the sidecar that did not start exited with.
    """  # noqa: D301 - \b is click's mark for lines that are to stay as they are
    from sidecar.commandline import call as calling  # noqa: PLC0415
    from sidecar.commandline.assignments import find_method, params_of  # noqa: PLC0415
    from sidecar.commandline.jobview import holds_job  # noqa: PLC0415

    declared = find_method(method)
    if after == "wait" and not holds_job(declared.result):
        raise click.UsageError(f"{method} does not answer with a job, so that there is nothing to wait for.")
    question = calling.Question(declared, params_of(declared, params), database)
    afters = {None: calling.show, "follow": calling.follow, "wait": calling.wait}
    _run(calling.ask, question, _output(form), afters[after])


@commands.command()
@JSON
def methods(form: str) -> None:
    """List the methods that can be called."""
    from sidecar.commandline.assignments import META, callable_methods, param_schemas  # noqa: PLC0415

    known = callable_methods().values()
    if form == "machines":
        _output(form).result(
            None,
            [
                {"name": one.name, "doc": one.doc, "params": [name for name in param_schemas(one) if name != META]}
                for one in known
            ],
        )
        return
    from sidecar.commandline.tables import print_methods  # noqa: PLC0415

    print_methods(known)


@commands.command()
@click.option("--prompt", metavar="TEXT", help="What Claude is asked.")
@click.option("--calendar", metavar="PATH|URL", help="Your own calendar: an .ics file, or its secret iCal address.")
@click.option("--db", "database", metavar="PATH", help="Use this database instead of a temporary one.")
@click.option("--keep", is_flag=True, help="Keep the temporary data folder.")
@click.option("--plain", is_flag=True, help="No colours, nothing that moves.")
def demo(
    prompt: str | None,
    calendar: str | None,
    database: str | None,
    keep: bool,  # noqa: FBT001 - a command line flag
    plain: bool,  # noqa: FBT001
) -> None:
    """Show a real conversation with a spawned sidecar, from handshake to exit.

    A calendar is connected, synced and read.  Claude is asked something if it is installed; without it the database is
    backed up.
    """
    if keep and database is not None:
        raise click.UsageError("--keep is about the temporary folder; with --db there is none.")
    from sidecar.commandline.demo import run_demo  # noqa: PLC0415

    run_demo(prompt=prompt, calendar=calendar, database=database, keep=keep, plain=plain)


@commands.command()
@click.option("--check", "task", flag_value="check", default="write", help="Write nothing; exit 1 if a file is stale.")
def schema(task: str) -> None:
    """Write the files that are generated from the contract and the migrations, in a checkout."""
    from sidecar.commandline import generated  # noqa: PLC0415

    sys.exit(generated.check() if task == "check" else generated.write())


@commands.command()
@DATABASE
@JSON
def doctor(database: str | None, form: str) -> None:
    """Say what is installed and what is wrong.  Nothing is changed."""
    from sidecar.commandline.doctor import examine  # noqa: PLC0415

    _run(examine, database, form)


for command in COMMANDS:
    commands.add_command(command)


def _output(form: str) -> "Output":
    from sidecar.commandline.output import ForMachines, ForPeople  # noqa: PLC0415

    return ForMachines() if form == "machines" else ForPeople()


def _run(command: Any, *arguments: Any) -> NoReturn:
    import anyio  # noqa: PLC0415

    sys.exit(anyio.run(command, *arguments))


def _first_line(doc: str) -> str:
    return doc.partition("\n")[0]
