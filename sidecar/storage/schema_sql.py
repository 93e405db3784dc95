"""The text of schema/schema.sql: the tables that the migrations create, one column a line, each with its indexes.

SQLite stores a column that ALTER TABLE added at the end of the table's line, without the comment above the statement.
Here it gets its own line, with the comment from the migration.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

HEADER: Final = "-- Generated from schema/migrations by `sidecar schema`.\n"

_LEXEME: Final = re.compile(r"--[^\n]*|'[^']*'|\"[^\"]*\"|[(),]|[^-'\"(),]+|-")
_DOCUMENTED: Final = re.compile(
    r"((?:^--.*\n)+)(?:CREATE (?:UNIQUE )?(?:TABLE|INDEX)|ALTER TABLE (\w+) ADD COLUMN) (\w+)", re.MULTILINE
)


def schema_text(connection: sqlite3.Connection, migrations: Iterable[str]) -> str:
    """Returns the schema of the database as SQL, with the comments that stand above statements of the migrations."""
    comments = {(table, name): text for sql in migrations for text, table, name in _DOCUMENTED.findall(sql)}
    rows = connection.execute(
        r"""
        SELECT type, name, tbl_name, sql FROM sqlite_schema
        WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
        ORDER BY tbl_name, type = 'index', rowid
        """
    )
    text = HEADER
    for kind, name, table, sql in rows:
        comment = comments.get(("", name), "")
        if kind == "table":
            columns = ",\n".join(_indented(part, comments, table) for part in _parts(sql))
            text += f"\n{comment}{sql[: sql.index('(')]}(\n{columns}\n{sql[sql.rindex(')') :]};\n"
        else:
            text += f"{comment}{sql};\n"
    return text


def _parts(sql: str) -> Iterator[str]:
    """Yields the definitions of columns and constraints in a CREATE TABLE statement."""
    depth, part = 0, ""
    for lexeme in _LEXEME.findall(sql):
        depth += (lexeme == "(") - (lexeme == ")")
        if depth == 0 and lexeme == ")":
            yield part.strip()
            return
        if depth == 1 and lexeme == ",":
            yield part.strip()
            part = ""
        elif depth > 1 or (depth == 1 and lexeme != "("):
            part += lexeme


def _indented(part: str, comments: dict[tuple[str, str], str], table: str) -> str:
    added = comments.get((table, part.split(maxsplit=1)[0]), "")
    return "".join(f"  {line}\n" for line in added.splitlines()) + f"  {part}"
