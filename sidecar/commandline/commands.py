"""The `sidecar` command group, which imports a command's module when the command is used."""

import signal
import sys
from importlib import import_module
from io import StringIO, TextIOWrapper
from typing import Final, NoReturn, cast

import click

from sidecar import __version__
from sidecar.commandline.terminal import printable

INTERRUPTED: Final = 130
"""The exit code that shells expect after Ctrl-C."""
MODULES: Final = {
    "bundle": "packaging.bundle",
    "call": "commandline.call",
    "console": "commandline.console.command",
    "demo": "commandline.demo",
    "doctor": "commandline.upkeep.doctor",
    "fuzz": "commandline.fuzz",
    "inspect": "commandline.inspect",
    "methods": "commandline.call",
    "restore": "commandline.upkeep.restore",
    "schema": "commandline.schema",
    "verify": "commandline.verify",
}
"""The module of each command; the command is the attribute of the same name."""
SERVERS: Final = {
    "replay": "Imitate a sidecar with recorded transcripts.",
    "serve": "Serve JSON-RPC on stdin and stdout until stdin ends.",
}
"""Help of the commands that a host starts; `cli` runs them without click."""


def main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an arrow that the terminal cannot print must not end the command
    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal ends a command in the same way as Ctrl-C
        if signal.getsignal(getattr(signal, name, signal.SIGINT)) is signal.SIG_DFL:
            signal.signal(getattr(signal, name), lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        sys.exit(commands.main(prog_name="sidecar", standalone_mode=False))
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        click.echo(printable(shown.getvalue()), err=True, nl=False)  # it may quote a file
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(INTERRUPTED)


class LazyGroup(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted({*MODULES, *SERVERS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name in SERVERS:
            return click.Command(cmd_name, help=SERVERS[cmd_name])  # for the list of commands; `cli` runs it
        if cmd_name not in MODULES:
            return None
        return cast("click.Command", getattr(import_module(f"sidecar.{MODULES[cmd_name]}"), cmd_name))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog='Shell completion: eval "$(_SIDECAR_COMPLETE=bash_source sidecar)", or zsh_source, fish_source.',
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """A work hub in a child process: jobs, Claude, calendars, Jira and Confluence over JSON-RPC.

    An app starts `sidecar` without a command and talks to it over stdin and stdout; this is the same as `sidecar
    serve`.  The other commands are for people.
    """
