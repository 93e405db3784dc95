"""Full-text search: an FTS5 index beside a table, and the parts of searching that do not depend on which table it is.

The index is derived data, made at a start and not by a migration: SQLite can lack FTS5 or its trigram tokenizer, and
then searching works all the same, by LIKE.  A trigger on an index that this SQLite cannot open would refuse every write
to its table, so each start looks whether it can.

A long table is taken in step by step, while others read and write it: triggers keep what has been taken in already, and
until the last step searching goes without.

Trigrams find any part of a word, and Chinese, Japanese and Korean text, which has no spaces between its words.  What
has fewer than three characters has no trigram: it is found by LIKE on the table (on the index LIKE finds nothing for
it).
"""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeVar

from sidecar.storage.database import Database
from sidecar.text import utf16_length

log = logging.getLogger(__name__)

TRIGRAM: Final = 3
STEP_ROWS: Final = 200
"""So many are taken in before others have their turn: about 6 ms."""
ALL: Final = 2**63 - 1
"""Up to which key a table is taken in, once all of it is: SQLite's largest."""
NO_MERGE: Final = 2
"""With fewer changes than this there was nothing to merge (FTS5's documentation of `merge`)."""
SNIPPET_CHARS: Final = 160
SNIPPET_LEAD: Final = 50
"""How much is shown before the first hit."""
ELLIPSIS: Final = "…"

Result = TypeVar("Result")

_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Plan:
    """How to search: `match` for FTS5's MATCH (None: the index is not of use), and what LIKE must find beside it."""

    match: str | None
    like: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a text around its first hit, and the hits in it: [start, end) in UTF-16 code units of `text`."""

    text: str
    marks: list[tuple[int, int]]


def terms_of(query: str) -> list[str]:
    """What must all be in the text, in any order: the words of a query; "words in quotes" are one term.

    Each costs a look into the index and SQL nests so deep only, so bound a query's length: 500 characters are fine.
    """
    found = [quoted.strip() or word for quoted, word in _TERM.findall(query.replace("\0", " "))]
    return list(dict.fromkeys(term for term in found if term))


def match_of(terms: Sequence[str]) -> str | None:
    """An FTS5 query that finds rows with all of `terms`; None for none.

    Each is quoted: bare, PROJ-123 would be read as a column's name, AND and NEAR as operators.
    """
    return " AND ".join('"{}"'.format(term.replace('"', '""')) for term in terms) or None


def like(columns: Sequence[str], terms: Sequence[str]) -> tuple[list[str], list[str]]:
    """SQL conditions, and their parameters, that hold where each term is in one of the columns.

    SQLite's LIKE ignores the case of ASCII letters alone; of others the usual spellings are tried.
    """
    conditions, parameters = [], []
    for term in terms:
        spellings = [term] if term.isascii() else sorted({term, term.lower(), term.upper(), term.capitalize()})
        patterns = [f"%{_escaped(spelling)}%" for spelling in spellings]
        either = [rf"{column} LIKE ? ESCAPE '\'" for column in columns for _ in patterns]
        conditions.append(f"({' OR '.join(either)})")
        parameters += patterns * len(columns)
    return conditions, parameters


def snippet(text: str, terms: Sequence[str]) -> Snippet:
    """The text around the first hit, in one line; its beginning where there is none."""
    longest_first = sorted(terms, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(term) for term in longest_first) or r"\Z", re.IGNORECASE)
    hit = pattern.search(text)
    start, end = 0, SNIPPET_CHARS
    if hit is not None and hit.end() > end:
        start = max(0, hit.start() - SNIPPET_LEAD)
        end = max(start + SNIPPET_CHARS, hit.end())
    piece = text[start:end]
    lead = ELLIPSIS if start else ""
    marks = [
        (utf16_length(lead + piece[: found.start()]), utf16_length(lead + piece[: found.end()]))
        for found in pattern.finditer(piece)
        if found.end() > found.start()
    ]
    one_line = re.sub(r"\s", " ", piece)  # one for one, so that the marks hold
    return Snippet(lead + one_line + (ELLIPSIS if end < len(text) else ""), marks)


class FullTextIndex:
    """An index of some columns of a table.  `table.key` must be an INTEGER PRIMARY KEY: VACUUM renumbers other rowids.

    Triggers keep it; they do not see what `INSERT OR REPLACE` deletes, so use upserts on the table.
    """

    def __init__(self, database: Database, *, name: str, table: str, key: str, columns: Sequence[str]) -> None:
        self.name = name
        self.available = False
        """Whether it can be searched: it is there, and all of the table is in it."""
        self._has_given_up = False
        self._database = database
        self._objects = _objects(name, table, key, columns)
        self._next = f"SELECT max({key}) FROM (SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?)"
        listed = ", ".join(columns)
        self._take = (
            f"INSERT INTO {name} (rowid, {listed}) SELECT {key}, {listed} FROM {table} WHERE {key} > ? AND {key} <= ?"
        )

    def prepare(self) -> None:
        """Make the index, or make it anew, where that is needed; call it at each start, before the first write.

        A short table is taken in at once, the rest of a long one by `fill`.  Never raises: without the index searching
        is slower.
        """
        try:
            if not self._is_there():
                self._make()
                self._step()
                self._step()
            self.available = self._upto() == ALL
        except sqlite3.Error as error:
            self._give_up(error)

    def fill(self) -> Iterator[None]:
        """Take in what is not in it yet, in steps: commit after each.  A next start goes on where this one ends."""
        while not self.available and not self._has_given_up:
            try:
                self._step()
            except sqlite3.Error as error:
                self._give_up(error)
                return
            yield
            self.available = self._upto() == ALL

    def plan(self, terms: Sequence[str]) -> Plan:
        """How to search for rows that have all of `terms`."""
        if not self.available:
            return Plan(None, tuple(terms))
        match = match_of([term for term in terms if len(term) >= TRIGRAM])
        return Plan(match, tuple(term for term in terms if len(term) < TRIGRAM))

    def search(self, terms: Sequence[str], run: Callable[[Plan], Result]) -> Result:
        """What `run` finds with the plan; without the index, should that turn out to be damaged."""
        try:
            return run(self.plan(terms))
        except sqlite3.DatabaseError as error:
            if not self.available or getattr(error, "sqlite_errorname", "") != "SQLITE_CORRUPT_VTAB":
                raise
            self._give_up(error)
            return run(self.plan(terms))

    def check(self) -> None:
        """Compare the index with the table, in full; raises sqlite3.DatabaseError where they differ."""
        with self._database.write():
            self._database.execute(f"INSERT INTO {self.name} ({self.name}, rank) VALUES ('integrity-check', 1)")

    def rebuild(self) -> None:
        """Index the whole table anew, in one piece."""
        with self._database.write():
            self._database.execute(f"INSERT INTO {self.name} ({self.name}) VALUES ('rebuild')")
            self._database.execute(f"INSERT INTO {self.name} ({self.name}) VALUES ('optimize')")
            self._database.execute(f"UPDATE {self.name}_upto SET key = ?", (ALL,))

    def merge(self, pages: int) -> Iterator[None]:
        """Make one piece of those that many writes have left, in steps of so many pages: commit after each.

        A search looks into every piece; of a million rows a dozen pieces cost it several times what one does.
        """
        for number in count():
            if not self.available:
                return
            before = self._changes()
            with self._database.write():  # negative: all pieces are to become one, not only those of one size
                self._database.execute(
                    f"INSERT INTO {self.name} ({self.name}, rank) VALUES ('merge', ?)", (pages if number else -pages,)
                )
            if self._changes() - before < NO_MERGE:
                return
            yield

    def _changes(self) -> int:
        return int(self._database.rows("SELECT total_changes()")[0][0])

    def _is_there(self) -> bool:
        """Whether it is as it should be and can be opened; raises where this SQLite cannot."""
        rows = self._database.rows(
            f"SELECT name, sql FROM sqlite_master WHERE name IN ({', '.join('?' * len(self._objects))})",
            tuple(self._objects),
        )
        if dict(rows) != self._objects:
            return False
        self._database.rows(f"SELECT 1 FROM {self.name} WHERE {self.name} MATCH '\"xyz\"' LIMIT 1")
        return len(self._database.rows(f"SELECT 1 FROM {self.name}_upto")) == 1

    def _make(self) -> None:
        with self._database.write():
            self._drop_triggers()
            self._database.execute(f"DROP TABLE IF EXISTS {self.name}")
            self._database.execute(f"DROP TABLE IF EXISTS {self.name}_upto")
            for statement in self._objects.values():
                self._database.execute(statement)
            self._database.execute(f"INSERT INTO {self.name}_upto (key) VALUES (?)", (-ALL - 1,))
        log.info("the index %s was made", self.name)

    def _upto(self) -> int:
        """Up to which key the table is taken in."""
        return int(self._database.rows(f"SELECT key FROM {self.name}_upto")[0][0])

    def _step(self) -> None:
        with self._database.write():
            upto = self._upto()
            last = self._database.rows(self._next, (upto, STEP_ROWS))[0][0]
            if last is not None:
                self._database.execute(self._take, (upto, last))
            self._database.execute(f"UPDATE {self.name}_upto SET key = ?", (ALL if last is None else last,))

    def _give_up(self, error: sqlite3.Error) -> None:
        """Go on without: the table must stay writable, and triggers that are missing tell the next start."""
        self.available = False
        self._has_given_up = True
        log.warning("the index %s cannot be used (%s); searching goes on without it", self.name, error)
        try:
            with self._database.write():
                self._drop_triggers()
        except sqlite3.Error:  # a full disk, or somebody's database browser
            log.exception("the triggers of %s could not be removed", self.name)

    def _drop_triggers(self) -> None:
        for name, statement in self._objects.items():
            if statement.startswith("CREATE TRIGGER"):
                self._database.execute(f"DROP TRIGGER IF EXISTS {name}")


def _objects(name: str, table: str, key: str, columns: Sequence[str]) -> dict[str, str]:
    """The statements that make the index, as SQLite keeps them, by the name of what they make.

    To what has not been taken in yet the triggers do nothing: FTS5 must not be told to forget what it never had.
    """
    listed = ", ".join(columns)
    upto = f"(SELECT key FROM {name}_upto)"
    new, old = (", ".join(f"{row}.{one}" for one in columns) for row in ("new", "old"))
    add = f"INSERT INTO {name} (rowid, {listed}) SELECT new.{key}, {new} WHERE new.{key} <= {upto};"
    remove = (
        f"INSERT INTO {name} ({name}, rowid, {listed}) SELECT 'delete', old.{key}, {old} WHERE old.{key} <= {upto};"
    )
    differs = " OR ".join(f"old.{one} IS NOT new.{one}" for one in (key, *columns))
    options = f"content='{table}', content_rowid='{key}', tokenize='trigram'"
    return {
        name: f"CREATE VIRTUAL TABLE {name} USING fts5 ({listed}, {options})",
        f"{name}_upto": f"CREATE TABLE {name}_upto (key INTEGER NOT NULL) STRICT",
        f"{name}_added": f"CREATE TRIGGER {name}_added AFTER INSERT ON {table} BEGIN {add} END",
        f"{name}_removed": f"CREATE TRIGGER {name}_removed AFTER DELETE ON {table} BEGIN {remove} END",
        f"{name}_changed": f"CREATE TRIGGER {name}_changed AFTER UPDATE ON {table} WHEN {differs} "
        f"BEGIN {remove} {add} END",
    }


def _escaped(term: str) -> str:
    return term.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
