"""The full-text index of a table, and searches without it."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.storage.database import Database, open_connection
from sidecar.storage.fulltext import (
    STEP_ROWS,
    FullTextIndex,
    SearchPlan,
    like_conditions,
    match_expression,
    search_terms,
    snippet,
)

COLUMNS = ("title", "body")
TEXTS = (
    ("PROJ-123 is late", "the NEAR future OR not"),
    ("日本語の題名", "東京都に住む"),
    ("100% of a_b", "C:\\temp\\new"),
    ("Éclair", "crème brûlée"),
    ('say "cheese"', None),
)


class WithoutTrigrams(sqlite3.Connection):
    """A connection of an SQLite without the trigram tokenizer: older than 3.34, or built without it."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if "fts5 (" in sql or "MATCH" in sql:
            raise sqlite3.OperationalError("no such tokenizer: trigram")
        return super().execute(sql, parameters)


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """An open database with the table `texts`."""
    connection = open_connection(data_dir / "sidecar.db")
    connection.execute("CREATE TABLE texts (id INTEGER PRIMARY KEY, title TEXT, body TEXT) STRICT")
    database = Database(connection, data_dir / "sidecar.db", lambda: None)
    put(database, *TEXTS)
    yield database
    database.close()


def put(database: Database, *texts: tuple[str | None, str | None]) -> None:
    with database.write():
        for title, body in texts:
            database.execute("INSERT INTO texts (title, body) VALUES (?, ?)", (title, body))
    database.commit()


def index_of(database: Database) -> FullTextIndex:
    index = FullTextIndex(database, name="texts_search", table="texts", key="id", columns=COLUMNS)
    index.prepare()
    database.commit()
    return index


def without_trigrams(path: Path) -> Database:
    connection = sqlite3.connect(path, isolation_level=None, factory=WithoutTrigrams)
    return Database(connection, path, lambda: None)


def find(database: Database, index: FullTextIndex, query: str) -> list[int]:
    """Returns the ids of the matching rows, with a query like a store's."""

    def run(plan: SearchPlan) -> list[int]:
        conditions, parameters = like_conditions(COLUMNS, plan.like)
        values: Sequence[object] = parameters
        if plan.match is not None:
            conditions = ["id IN (SELECT rowid FROM texts_search WHERE texts_search MATCH ?)", *conditions]
            values = [plan.match, *parameters]
        rows = database.rows(f"SELECT id FROM texts WHERE {' AND '.join(conditions)} ORDER BY id", tuple(values))
        return [row[0] for row in rows]

    return index.search(search_terms(query), run)


FOUND = {
    "PROJ-123": [1],
    "proj-123 late": [1],
    "NEAR OR not": [1],
    '"late is"': [],
    '"is late"': [1],
    "日本": [2],
    "東京都": [2],
    "京都に 題": [2],
    "100%": [3],
    "%": [3],
    "_": [3],
    "\\t": [3],
    "BRÛLÉE": [4],
    "é": [4],
    "nothing": [],
    "x* AND (": [],
    "{title} : late": [],
}


@pytest.mark.parametrize("query", FOUND)
def test_a_query_is_searched_for_literally(database: Database, query: str) -> None:
    assert find(database, index_of(database), query) == FOUND[query]


@pytest.mark.parametrize("query", FOUND)
def test_a_query_finds_the_same_without_the_trigram_tokenizer(database: Database, query: str) -> None:
    without = without_trigrams(database.path)
    index = index_of(without)
    assert index.is_available is False
    assert find(without, index, query) == FOUND[query]
    without.close()


def test_terms_are_words_and_quoted_phrases() -> None:
    assert search_terms('one  "two three" one four"five six') == ["one", "two three", "four", "five six"]
    assert search_terms(' "" \0 \t ') == []
    assert match_expression([]) is None
    assert match_expression(['a"b', "c"]) == '"a""b" AND "c"'


def test_a_query_may_have_as_many_terms_as_fit_into_500_characters(database: Database) -> None:
    index = index_of(database)
    assert find(database, index, " ".join("ab" for _ in range(160))) == []
    letters = [f"{chr(0x4E00 + one)}" for one in range(250)]
    put(database, ("".join(letters), None))
    assert find(database, index, " ".join(letters)) == [6]
    assert find(database, index, " ".join("".join(letters[at : at + 3]) for at in range(125))) == [6]


def test_the_index_follows_updates_and_deletions(database: Database) -> None:
    index = index_of(database)
    with database.write():
        database.execute("UPDATE texts SET title = 'PROJ-456' WHERE id = 1")
        database.execute("DELETE FROM texts WHERE id = 2")
        database.execute(
            "INSERT INTO texts (id, title) VALUES (3, 'half') ON CONFLICT (id) DO UPDATE SET title = excluded.title"
        )
        database.execute("UPDATE texts SET id = 50 WHERE id = 4")
    database.commit()
    index.check()
    queries = ("PROJ-456", "PROJ-123", "東京都", "half", "100%", "brûlée", "temp")
    assert [find(database, index, query) for query in queries] == [[1], [], [], [3], [], [50], [3]]


def test_a_backup_can_be_searched_like_the_original(database: Database, tmp_path: Path) -> None:
    index_of(database)
    with database.write():
        database.execute("DELETE FROM texts WHERE id = 1")  # a gap in the keys, which VACUUM must not close
    database.commit()
    database.row("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    copy = Database(open_connection(tmp_path / "copy.db"), tmp_path / "copy.db", lambda: None)
    index = index_of(copy)
    index.check()
    assert find(copy, index, "brûlée") == [4]
    copy.close()


def test_rows_written_without_the_tokenizer_are_found_by_the_next_start_with_it(database: Database) -> None:
    index_of(database)
    without = without_trigrams(database.path)
    index_of(without)  # drops the triggers, with which the next line would fail
    put(without, ("written without", None))
    without.close()
    index = index_of(database)
    assert index.is_available
    index.check()
    assert find(database, index, "written") == [6]


def test_the_check_detects_a_missing_row_and_a_rebuild_repairs_it(database: Database) -> None:
    index = index_of(database)
    with database.write():
        database.execute("DROP TRIGGER texts_search_added")
    put(database, ("unseen", None))
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        index.check()
    index.rebuild()
    index.check()
    assert find(database, index, "unseen") == [6]


def test_a_merge_leaves_one_segment(database: Database) -> None:
    index = index_of(database)
    for number in range(40):
        put(database, *((f"title {number} {one}", "body " * 20) for one in range(20)))

    def segments() -> int:
        return int(database.rows("SELECT count(DISTINCT segid) FROM texts_search_idx")[0][0])

    assert segments() > 1
    steps = 0
    for _ in index.merge(1):
        assert database.in_transaction
        database.commit()
        steps += 1
    database.commit()
    assert (segments(), steps > 1) == (1, True)
    assert list(index.merge(1)) == []
    index.check()
    assert find(database, index, "title 39") != []


def test_a_corrupt_index_is_disabled_and_the_next_start_rebuilds_it(database: Database) -> None:
    index = index_of(database)
    with database.write():
        database.execute("DELETE FROM texts_search_data WHERE id > 10")
    database.commit()
    again = FullTextIndex(database, name="texts_search", table="texts", key="id", columns=COLUMNS)
    again.is_available = True
    assert find(database, again, "brûlée") == [4]
    assert again.is_available is False
    put(database, ("still writable", None))
    index = index_of(database)
    index.check()
    assert (index.is_available, find(database, index, "writable")) == (True, [6])


def test_a_start_with_an_intact_index_writes_nothing(database: Database) -> None:
    index_of(database)
    FullTextIndex(database, name="texts_search", table="texts", key="id", columns=COLUMNS).prepare()
    assert database.in_transaction is False


def long_table(database: Database) -> list[int]:
    """Adds more rows than the first steps index; returns all ids."""
    put(database, *((f"Text {number}", "common words") for number in range(3 * STEP_ROWS)))
    return [row[0] for row in database.rows("SELECT id FROM texts ORDER BY id")]


def test_a_long_table_is_indexed_in_steps_and_can_be_searched_meanwhile(database: Database) -> None:
    ids = long_table(database)
    index = index_of(database)
    was_available = [index.is_available]
    for _ in index.fill():
        database.commit()
        was_available.append(index.is_available)
        assert find(database, index, "common words") == ids[len(TEXTS) :]
    assert was_available == [False] * len(was_available)
    assert index.is_available
    assert find(database, index, "common words") == ids[len(TEXTS) :]
    index.check()
    assert list(index.fill()) == []


def test_rows_written_while_a_table_is_indexed_are_found(database: Database) -> None:
    ids = long_table(database)
    index = index_of(database)
    with database.write():
        for place in (0, -1):  # a row that is indexed already, and one that is not
            database.execute("UPDATE texts SET title = 'changed' WHERE id = ?", (ids[place],))
            database.execute("DELETE FROM texts WHERE id = ?", (ids[place + (1 if place == 0 else -1)],))
        database.execute("UPDATE texts SET id = ? WHERE id = ?", (ids[-1] + 9, ids[3]))
        database.execute("UPDATE texts SET id = -1 WHERE id = ?", (ids[-4],))
        database.execute("INSERT INTO texts (id, title) VALUES (-5, 'added'), (?, 'added')", (ids[-1] + 20,))
    database.commit()
    for _ in index.fill():
        database.commit()
    assert index.is_available
    index.check()
    assert find(database, index, "changed") == [ids[0], ids[-1]]
    assert find(database, index, "added") == [-5, ids[-1] + 20]
    assert find(database, index, "日本語") == []
    assert find(database, index, "crème") == [ids[-1] + 9]
    assert len(find(database, index, "common words")) == 3 * STEP_ROWS - 1


def test_the_next_start_continues_indexing_after_the_last_step(database: Database) -> None:
    long_table(database)
    steps = index_of(database).fill()
    next(steps)
    database.commit()
    progress = "SELECT key FROM texts_search_upto"
    before = database.rows(progress)
    again = index_of(database)
    assert (again.is_available, database.rows(progress)) == (False, before)
    assert len(list(again.fill())) == 2
    assert again.is_available
    again.check()


def test_a_snippet_shows_the_first_match_and_highlights_all_of_its_matches() -> None:
    text = "x" * 200 + " 𝄞 one\nNeedle, another needle " + "y" * 200
    found = snippet(text, ["needle", "one"])
    assert found.text.startswith("…xxx")
    assert found.text.endswith("yyy…")
    assert "\n" not in found.text
    units = found.text.encode("utf-16-le")
    marked = [units[2 * start : 2 * end].decode("utf-16-le") for start, end in found.highlights]
    assert marked == ["one", "Needle", "needle"]


def test_a_snippet_without_a_match_is_the_beginning_of_the_text() -> None:
    assert snippet("short", []) == snippet("short", ["other"])
    assert snippet("short", ["other"]).highlights == []
    assert snippet("a" * 300, ["other"]).text == "a" * 160 + "…"


def test_a_snippet_has_the_whole_of_a_long_match() -> None:
    term = "b" * 300
    found = snippet("a " * 100 + term + " c", [term])
    assert found.text[found.highlights[0][0] : found.highlights[0][1]] == term
