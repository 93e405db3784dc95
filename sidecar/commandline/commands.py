"""The `sidecar` command group, which imports a command's module when the command is used."""

import signal
import sys
from argparse import ArgumentParser
from importlib import import_module
from io import StringIO, TextIOWrapper
from textwrap import indent
from typing import Final, NoReturn, cast

import click

from sidecar import __version__
from sidecar.text import printable

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
    "mcp": "commandline.mcp",
    "methods": "commandline.methods",
    "restore": "commandline.upkeep.restore",
    "schema": "commandline.schema",
    "verify": "commandline.verify",
}
"""The module of each command; the command is the attribute of the same name."""
SERVERS: Final = {"replay": "transcripts.replay.server", "serve": "serve"}
"""Modules of the commands that a host starts; `__main__` runs them, and this only shows their help."""


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
            return ServerCommand(cmd_name, import_module(f"sidecar.{SERVERS[cmd_name]}").parser())
        if cmd_name not in MODULES:
            return None
        return cast("click.Command", getattr(import_module(f"sidecar.{MODULES[cmd_name]}"), cmd_name))


class ServerCommand(click.Command):
    """Shows the help of a command that a host starts, in the form of the other commands."""

    def __init__(self, name: str, parser: ArgumentParser) -> None:
        super().__init__(name, help=parser.description)
        self._parser = parser

    def get_help(self, ctx: click.Context) -> str:
        usage, description, *rest = self._parser.format_help().rstrip().split("\n\n")
        arguments = " FILE..." if "FILE ..." in usage else ""
        text = "\n\n".join([f"Usage: {ctx.command_path} [OPTIONS]{arguments}", indent(description, "  "), *rest])
        return text.replace("\npositional arguments:\n", "\nArguments:\n").replace("\noptions:\n", "\nOptions:\n")


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
