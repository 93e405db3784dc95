"""`sidecar schema`: writes or checks the files that are generated from the contract and the migrations.

A test checks them too, so that no stale file is committed.
"""

import sqlite3
import sys
from pathlib import Path

import click
from sidecar_protocol.export import openrpc as export

from sidecar.storage.migrations import migrate, migration_files
from sidecar.storage.schema_sql import schema_text

ROOT = Path(__file__).parent.parent.parent


def generated_files(root: Path = ROOT) -> list[tuple[Path, str]]:
    """Returns the path, relative to `root`, and the text of every generated file."""
    texts = {**export.generated_files(), "schema/schema.sql": migrated_schema(root / "schema")}
    return [(Path(path), text) for path, text in texts.items()]


def migrated_schema(directory: Path) -> str:
    """Returns the schema that the migrations in a folder produce."""
    known = migration_files(directory)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, known, list(known))
        return schema_text(connection, [path.read_text("utf-8") for path in known.values()])
    finally:
        connection.close()


def stale_files(root: Path = ROOT) -> list[tuple[Path, str]]:
    """Returns the generated files that are missing or have another text on disk."""
    return [(path, text) for path, text in generated_files(root) if _text_of(root / path) != text]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file is stale.")
def schema(*, check: bool) -> None:
    """Write the generated files of a source checkout.

    They are the contract as OpenRPC and TypeScript, and the database schema.
    """
    if not (ROOT / "schema" / "migrations").is_dir():
        raise click.ClickException("This command needs a checkout of the source code.")
    stale = dict(stale_files())
    if check:
        for path in stale:
            click.echo(f"{path.as_posix()} is stale: run `sidecar schema`", err=True)
        sys.exit(1 if stale else 0)
    for path, _ in generated_files():
        if path in stale:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(stale[path], "utf-8", newline="\n")
        click.echo(f"{'written  ' if path in stale else 'unchanged'} {path.as_posix()}")


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None
