"""Full-text search: an FTS5 index of a table, and the parts of a search that are the same for every table.

Queries and texts are compared in the form that `sidecar.text.folded` gives them, which ignores case, width and Unicode
normal form.  The index stores folded texts.  Triggers remove changed rows from it and list them; `update` adds the
listed rows.  So other programs, which cannot fold texts, can write to the table as well.

A trigger on an index that SQLite cannot open would make every write to the table fail, so each start checks whether it
can be opened.  Until all rows are indexed, and without FTS5, searches read the table.

Trigrams match any part of a word, and text in languages without spaces between words.  A term of fewer than three
characters has no trigram: it is searched for in the table.
"""

import contextlib
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Final, TypeVar
from unicodedata import unidata_version

from pydantic_core import to_json

from sidecar.storage.database import Database, Row
from sidecar.text import continues, folded, folded_spans, utf16_length

log = logging.getLogger(__name__)

TRIGRAM: Final = 3
STEP_ROWS: Final = 100
"""Rows that are indexed in one step, which takes about 6 ms."""
UPDATE_ROWS: Final = 2_000
"""Changed rows that one update adds: more than one write changes; another program may have changed any number."""
MAX_KEY: Final = 2**63 - 1
"""SQLite's largest integer: the table is indexed up to this key once it is indexed completely."""
NO_MERGE: Final = 2
"""If `merge` changes fewer rows than this, nothing was left to merge (FTS5's documentation of `merge`)."""
DISCARD_ROWS: Final = 500
"""Rows of a replaced index that are deleted in one step, which takes about 10 ms; each is up to 4 KB."""
FIRST_SEGMENT: Final = 11
"""First row of an index's data that is not its structure, without which FTS5 cannot open the index to drop it."""
SNIPPET_CHARS: Final = 160
SNIPPET_LEAD: Final = 50
"""Characters before the first match in a snippet."""
ELLIPSIS: Final = "…"

Result = TypeVar("Result")

_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The condition of a search: an FTS5 expression, None if the index is not used, and terms to find in the table."""

    match: str | None
    unindexed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snippet:
    """An excerpt of a text around the first match; `highlights` are [start, end) in UTF-16 code units of `text`."""

    text: str
    highlights: list[tuple[int, int]]


def search_terms(query: str) -> list[str]:
    """Splits a query into folded terms that must all occur, in any order: its words; "words in quotes" are one term.

    The list is empty for a query of blanks, quotes and invisible characters, which finds nothing.  The query's length
    must be limited (500 characters are fine): each term is one look-up in the index, and SQLite limits the depth of an
    expression.
    """
    found = [quoted.strip() or word for quoted, word in _TERM.findall(folded(query.replace("\0", " ")))]
    return list(dict.fromkeys(term for term in found if term))


def phrase_terms(query: str) -> list[str]:
    """Returns a whole query as one folded term; an empty list if it has only blanks and invisible characters."""
    phrase = folded(query.replace("\0", " ")).strip()
    return [phrase] if phrase else []


def match_expression(terms: Sequence[str]) -> str | None:
    """Returns the FTS5 expression for rows with all terms, or None if there are no terms.

    Each term is quoted: FTS5 would read PROJ-123 as a column filter, and AND and NEAR as operators.
    """
    return " AND ".join('"{}"'.format(term.replace('"', '""')) for term in terms) or None


def term_conditions(columns: Sequence[str], terms: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the SQL condition that each of the folded terms occurs in one of the columns, and its parameter.

    Both lists are empty if there are no terms.
    """
    return ([f"has_terms(?, {', '.join(columns)})"], [to_json(terms).decode()]) if terms else ([], [])


def snippet(text: str, terms: Sequence[str]) -> Snippet:
    """Returns the text around the first match of the folded terms in one line, or its beginning if nothing matches."""
    longest_first = sorted(terms, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(term) for term in longest_first) or r"(?!)")
    first = pattern.search(folded(text))
    start, end = 0, SNIPPET_CHARS
    if first is not None:
        spans = list(islice(folded_spans(text), first.start(), first.end()))
        if spans[-1][1] > end:
            start = max(0, spans[0][0] - SNIPPET_LEAD)
            end = max(start + SNIPPET_CHARS, spans[-1][1])
    while start > 0 and continues(text[start]):
        start -= 1
    while end < len(text) and continues(text[end]):
        end -= 1
    excerpt = text[start:end]
    lead = ELLIPSIS if start else ""
    one_line = re.sub(r"\s", " ", excerpt)  # character for character, so that the highlights stay right
    highlights = [
        (utf16_length(lead + excerpt[:begin]), utf16_length(lead + excerpt[:finish]))
        for begin, finish in _matches(pattern, excerpt)
    ]
    return Snippet(lead + one_line + (ELLIPSIS if end < len(text) else ""), highlights)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Yields the ranges of a text whose folded form matches, in order and without overlaps."""
    found = list(pattern.finditer(folded(text)))
    # Only as far as needed: it looks at one character after the other.
    spans = list(islice(folded_spans(text), found[-1].end() if found else 0))
    end = 0
    for match in found:
        begin, finish = spans[match.start()][0], spans[match.end() - 1][1]
        if begin >= end:  # not another part of the same character: the second f of the ligature ﬀ
            yield begin, finish
            end = finish


class FullTextIndex:
    """An index of columns of a table.  `table.key` must be an INTEGER PRIMARY KEY: VACUUM renumbers other rowids.

    Triggers update it.  They do not see rows that `INSERT OR REPLACE` deletes, so use upserts on the table.
    """

    def __init__(self, database: Database, *, name: str, table: str, key: str, columns: Sequence[str]) -> None:
        self.name = name
        self.is_available = False
        """Whether it can be searched: it exists, and the whole table is indexed."""
        self._is_disabled = False
        self._database = database
        self._definitions = _definitions(name, table, key, columns)
        self._last_key_sql = (
            f"SELECT max({key}) FROM (SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?)"
        )
        self._key_range_sql = f"SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})"
        listed = ", ".join(columns)
        self._rows_sql = f"SELECT {key}, {listed} FROM {table} WHERE {key} > ? AND {key} <= ? ORDER BY {key}"
        self._changed_sql = f"""
            SELECT changed.key, {listed} FROM {name}_changes AS changed JOIN {table} ON {table}.{key} = changed.key
            WHERE changed.key <= (SELECT key FROM {name}_upto WHERE rowid = 1) ORDER BY changed.key LIMIT ?
        """
        self._indexed_sql = f"SELECT rowid, {listed} FROM {name} ORDER BY rowid"
        self._add_sql = f"INSERT OR REPLACE INTO {name} (rowid, {listed}) VALUES (?{', ?' * len(columns)})"

    def prepare(self) -> None:
        """Creates the index if it is missing or unusable; must be called at each start, before the first write.

        Indexes a short table completely; `fill` indexes the rest of a long one.  Never raises: without the index
        searches are slower.
        """
        try:
            if self._database.is_read_only:
                self.is_available = self._is_intact() and self._indexed_up_to() == MAX_KEY
                return
            if not self._is_intact():
                self._create()
                self._index_step()
                self._index_step()
            self.update(STEP_ROWS)
            self.is_available = self._indexed_up_to() == MAX_KEY
        except sqlite3.Error as error:
            self._disable(error)

    def update(self, limit: int = UPDATE_ROWS) -> None:
        """Adds up to `limit` changed rows to the index; call it after writes to the table, in the same transaction."""
        if self._database.is_read_only or self._is_disabled or not self._exists():
            return
        for _ in range(0, limit, STEP_ROWS):
            changed = self._database.rows(self._changed_sql, (STEP_ROWS,))
            if not changed:
                return
            with self._database.write():
                self._add(changed)

    def indexed(self) -> float | None:
        """Returns about which share of the texts is indexed; None if they cannot be."""
        if self._is_disabled:
            return None
        first, last = self._database.rows(self._key_range_sql)[0]
        done = self._indexed_up_to()
        return 1.0 if first is None or done >= last else max(0, done - first) / (last - first)

    def fill(self, may_continue: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Indexes the remaining rows in steps; commit after each.  The next start continues after the last step.

        A step goes on as long as `may_continue` returns True: fewer commits index the same rows in less time.  Then it
        deletes the index of an earlier version, which `prepare` has replaced, in steps as well.
        """
        while not self.is_available and not self._is_disabled:
            try:
                self._index_step()
                while self._indexed_up_to() != MAX_KEY and may_continue():
                    self._index_step()
            except sqlite3.Error as error:
                self._disable(error)
                return
            yield
            self.is_available = self._indexed_up_to() == MAX_KEY
        while self._has_changes():
            self.update(STEP_ROWS)
            yield
        while self._has_replaced():
            self._discard_step()
            yield

    def plan(self, terms: Sequence[str]) -> SearchPlan:
        if not self.is_available or not self._exists() or self._has_changes():
            return SearchPlan(None, tuple(terms))
        match = match_expression([term for term in terms if len(term) >= TRIGRAM])
        return SearchPlan(match, tuple(term for term in terms if len(term) < TRIGRAM))

    def search(self, terms: Sequence[str], run: Callable[[SearchPlan], Result]) -> Result:
        """Returns the result of `run` for the terms' plan; runs it again without the index if that is corrupt."""
        try:
            if self._database.is_read_only or (not self._is_disabled and not self._exists()):
                self.prepare()
            # Locked by another program, or no space: the table is read instead.
            with contextlib.suppress(sqlite3.OperationalError):
                self.update(STEP_ROWS)
            return run(self.plan(terms))
        except sqlite3.DatabaseError as error:
            if not self.is_available or getattr(error, "sqlite_errorname", "") != "SQLITE_CORRUPT_VTAB":
                raise
            self._disable(error)
            return run(self.plan(terms))

    def check(self) -> None:
        """Compares the whole index with the table, in memory; raises sqlite3.DatabaseError if they differ."""
        self.update()
        with self._database.write():
            self._database.execute(f"INSERT INTO {self.name} ({self.name}) VALUES ('integrity-check')")
        rows = self._database.rows(self._rows_sql, (-MAX_KEY - 1, MAX_KEY))
        if [_folded(row) for row in rows] != self._database.rows(self._indexed_sql):
            raise sqlite3.DatabaseError(f"the search index {self.name} is malformed: it differs from its table")

    def merge(self, pages: int) -> Iterator[None]:
        """Merges the index's segments into one, in steps of about `pages` pages; commit after each.

        A search reads every segment: with a dozen, it takes several times as long in a table of a million rows.
        """
        for number in count():
            if not self.is_available:
                return
            before = self._total_changes()
            with self._database.write():  # a negative number starts a merge of all segments, whatever their sizes
                self._database.execute(
                    f"INSERT INTO {self.name} ({self.name}, rank) VALUES ('merge', ?)", (pages if number else -pages,)
                )
            if self._total_changes() - before < NO_MERGE:
                return
            yield

    def _total_changes(self) -> int:
        return int(self._database.rows("SELECT total_changes()")[0][0])

    def _is_intact(self) -> bool:
        """Returns whether the index has the current definition; raises sqlite3.Error if SQLite cannot open it."""
        rows = self._database.rows(
            f"SELECT name, sql FROM sqlite_schema WHERE name IN ({', '.join('?' * len(self._definitions))})",
            tuple(self._definitions),
        )
        if dict(rows) != self._definitions:
            return False
        self._database.rows(f"SELECT 1 FROM {self.name} WHERE {self.name} MATCH '\"xyz\"' LIMIT 1")
        return len(self._database.rows(f"SELECT 1 FROM {self.name}_upto")) == 1

    def _create(self) -> None:
        """Creates the index.  An index that it replaces is kept for `fill` to delete, which takes long."""
        with self._database.write():
            self._drop_triggers()
            if self._has(self.name):
                replace = "DROP TABLE {0}" if self._has_replaced() else "ALTER TABLE {0} RENAME TO {0}_replaced"
                self._database.execute(replace.format(self.name))
            for name, statement in self._definitions.items():
                if statement.startswith("CREATE TABLE"):
                    self._database.execute(f"DROP TABLE IF EXISTS {name}")
            for statement in self._definitions.values():
                self._database.execute(statement)
            self._database.execute(f"INSERT INTO {self.name}_upto (key) VALUES (?)", (-MAX_KEY - 1,))
        log.info("created the search index %s", self.name)

    def _exists(self) -> bool:
        """Returns whether the index exists: it does not if the transaction that created it was rolled back."""
        try:
            self._database.rows(f"SELECT key FROM {self.name}_changes WHERE key = 0")
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise
        return True

    def _has(self, table: str) -> bool:
        return self._database.row("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)) is not None

    def _has_replaced(self) -> bool:
        return self._has(f"{self.name}_replaced")

    def _discard_step(self) -> None:
        """Deletes a part of the replaced index.  Dropped at once, a large one would block the loop for seconds."""
        with self._database.write():
            before = self._total_changes()
            for part in ("data", "content"):  # the index of an earlier version has no content of its own
                table = f"{self.name}_replaced_{part}"
                if self._has(table):
                    self._database.execute(
                        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE id >= ? LIMIT ?)",
                        (FIRST_SEGMENT, DISCARD_ROWS),
                    )
            if self._total_changes() == before:
                self._database.execute(f"DROP TABLE {self.name}_replaced")

    def _indexed_up_to(self) -> int:
        return int(self._database.rows(f"SELECT key FROM {self.name}_upto")[0][0])

    def _index_step(self) -> None:
        with self._database.write():
            start = self._indexed_up_to()
            last = self._database.rows(self._last_key_sql, (start, STEP_ROWS))[0][0]
            if last is not None:
                self._add(self._database.rows(self._rows_sql, (start, last)))
            self._database.execute(f"UPDATE {self.name}_upto SET key = ?", (MAX_KEY if last is None else last,))

    def _has_changes(self) -> bool:
        """Returns whether rows were changed that the index does not have yet."""
        return not self._is_disabled and bool(self._database.rows(self._changed_sql, (1,)))

    def _add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._database.execute(self._add_sql, _folded(row))
        keys = to_json([row[0] for row in rows]).decode()
        self._database.execute(
            f"DELETE FROM {self.name}_changes WHERE key IN (SELECT value FROM json_each(?))", (keys,)
        )

    def _disable(self, error: sqlite3.Error) -> None:
        """Drops the triggers, so that the table stays writable; the next start finds them missing and rebuilds."""
        self.is_available = False
        self._is_disabled = True
        log.warning("the search index %s cannot be used (%s); searches are slower without it", self.name, error)
        try:
            with self._database.write():
                self._drop_triggers()
        except sqlite3.Error:  # the disk is full, or another program has locked the database
            log.exception("cannot drop the triggers of the search index %s", self.name)

    def _drop_triggers(self) -> None:
        for name, statement in self._definitions.items():
            if statement.startswith("CREATE TRIGGER"):
                self._database.execute(f"DROP TRIGGER IF EXISTS {name}")


def _folded(row: Row) -> Row:
    """Returns a row of the table, key and texts, as the index stores it."""
    key, *texts = row
    return (key, *(folded(text) if isinstance(text, str) else None for text in texts))


def _definitions(name: str, table: str, key: str, columns: Sequence[str]) -> dict[str, str]:
    """Returns the statements that create the index, as SQLite stores them, by the name of the created object.

    Another version of the Unicode data folds some texts differently, so it makes a new index.
    """
    differs = " OR ".join(f"old.{one} IS NOT new.{one}" for one in (key, *columns))
    remove = f"DELETE FROM {name} WHERE rowid = old.{key}; DELETE FROM {name}_changes WHERE key = old.{key};"
    note = f"DELETE FROM {name}_changes WHERE key = new.{key}; INSERT INTO {name}_changes (key) VALUES (new.{key});"
    return {
        name: f"CREATE VIRTUAL TABLE {name} USING fts5 ({', '.join(columns)}, tokenize='trigram')",
        f"{name}_upto": f"CREATE TABLE {name}_upto (key INTEGER NOT NULL /* Unicode {unidata_version} */) STRICT",
        f"{name}_changes": f"CREATE TABLE {name}_changes (key INTEGER PRIMARY KEY) STRICT",
        f"{name}_added": f"CREATE TRIGGER {name}_added AFTER INSERT ON {table} BEGIN {note} END",
        f"{name}_removed": f"CREATE TRIGGER {name}_removed AFTER DELETE ON {table} BEGIN {remove} END",
        f"{name}_changed": f"CREATE TRIGGER {name}_changed AFTER UPDATE ON {table} WHEN {differs} "
        f"BEGIN {remove} {note} END",
    }
