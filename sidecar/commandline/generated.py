"""`sidecar schema`: the files that the contract and the migrations generate, written or compared.

A test compares them too, so that none is committed stale.
"""

import sqlite3
from pathlib import Path

import click
from sidecar_protocol.export import openrpc as export

from sidecar.storage.migrations import migrate, migration_files
from sidecar.storage.schema_sql import schema_text

ROOT = Path(__file__).parent.parent.parent


def generated_files(root: Path = ROOT) -> list[tuple[Path, str]]:
    """(path in the checkout, text) of every generated file; reads the migrations, writes nothing."""
    texts = {**export.generated_files(), "schema/schema.sql": migrated_schema(root / "schema")}
    return [(Path(path), text) for path, text in texts.items()]


def migrated_schema(directory: Path) -> str:
    """What the migrations in a schema folder add up to."""
    known = migration_files(directory)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, known, list(known))
        return schema_text(connection, known.values())
    finally:
        connection.close()


def stale_files(root: Path = ROOT) -> list[tuple[Path, str]]:
    """Those of the generated files whose text on disk is another one, or that are missing."""
    return [(path, text) for path, text in generated_files(root) if _text_of(root / path) != text]


def check() -> int:
    """Name the stale files; 1 where there are any."""
    _require_checkout()
    stale = stale_files()
    for path, _ in stale:
        click.echo(f"{path.as_posix()} is stale: run `sidecar schema`", err=True)
    return 1 if stale else 0


def write() -> int:
    """Write the files that are not as they should be, and say so."""
    _require_checkout()
    stale = dict(stale_files())
    for path, _ in generated_files():
        if path in stale:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(stale[path], "utf-8", newline="\n")
        click.echo(f"{'written  ' if path in stale else 'unchanged'} {path.as_posix()}")
    return 0


def _require_checkout() -> None:
    if not (ROOT / "schema" / "migrations").is_dir():
        raise click.ClickException("The generated files belong to a checkout of the source, and this is none.")


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None
