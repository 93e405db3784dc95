"""Options that several commands share."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import anyio
import click

DATABASE: Final = click.option(
    "--db", "database", metavar="PATH", help="Database file (default: sidecar.db in the data folder, APP_DATA_DIR)."
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print compact JSON, one value per line.")
NOW: Final = click.option("--now", metavar="TIME", help="Stop the sidecar's clock at this time.")
SEED: Final = click.option(
    "--seed", metavar="NUMBER", type=int, help="Make the sidecar's ids and random values repeatable."
)
EXISTING_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE: Final = click.Path(dir_okay=False, path_type=Path)


def environment_option(help: str) -> Callable[[Any], Any]:
    return click.option("--env", metavar="NAME=VALUE", multiple=True, callback=parse_pairs, help=help)


def parse_pairs(context: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """Parses the values of an option that takes NAME=VALUE several times."""
    parsed = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair} is not of the form NAME=VALUE.", context, option)
        parsed[name] = value
    return parsed


def run(command: Callable[..., Awaitable[int]], *arguments: Any) -> NoReturn:
    sys.exit(anyio.run(command, *arguments))
