"""The full-text index of a table, and searches without it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.storage.database import Database, add_text_functions, open_connection
from sidecar.storage.fulltext import (
    STEP_ROWS,
    FullTextIndex,
    match_expression,
    phrase_terms,
    search_terms,
)
from tests.storage.texts import COLUMNS, TEXTS, find, index_of, long_table, open_texts, put


class WithoutTrigrams(sqlite3.Connection):
    """A connection of an SQLite without the trigram tokenizer: older than 3.34, or built without it."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if "fts5 (" in sql or "MATCH" in sql:
            raise sqlite3.OperationalError("no such tokenizer: trigram")
        return super().execute(sql, parameters)


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """An open database with the table `texts`."""
    with open_texts(data_dir) as opened:
        yield opened


def without_trigrams(path: Path) -> Database:
    connection = sqlite3.connect(path, isolation_level=None, factory=WithoutTrigrams)
    add_text_functions(connection)
    return Database(connection, path, lambda: None)


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
    assert search_terms("Ｏｎｅ　“ﾃﾞﾓ” ＂two three＂\u200b Ａ−１") == ["one", "“デモ”", "two three", "a-1"]
    assert search_terms(' "" \0 \t \u3000 ＂ \u200b\u00ad') == []
    assert (phrase_terms(" Ｏne  two "), phrase_terms('"one"')) == (["one  two"], ['"one"'])
    assert phrase_terms(" ") == phrase_terms("\u200b") == []
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


def test_the_check_detects_a_missing_row_and_the_next_start_repairs_it(database: Database) -> None:
    index = index_of(database)
    with database.write():
        database.execute("DROP TRIGGER texts_search_added")
    put(database, ("unseen", None))
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        index.check()
    index = index_of(database)
    index.check()
    assert find(database, index, "unseen") == [6]


def test_what_another_program_writes_is_indexed(database: Database) -> None:
    index = index_of(database)
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.execute("INSERT INTO texts (title) VALUES ('ＡＤＤＥＤ'), ('removed')")
        other.execute("UPDATE texts SET title = 'ﾃﾞﾓ' WHERE id = 1")
        other.execute("UPDATE texts SET id = 77 WHERE id = 2")
        other.execute("DELETE FROM texts WHERE id = 7")
        other.execute("REPLACE INTO texts (id, title) VALUES (3, 'replaced')")
    queries = ("added", "デモ", "日本語", "removed", "replaced", "100%", "PROJ-123")
    assert [find(database, index, query) for query in queries] == [[6], [1], [77], [], [3], [], []]
    index.check()


def test_a_search_does_not_wait_for_another_program_that_writes(database: Database) -> None:
    index = index_of(database)
    database.execute("PRAGMA busy_timeout = 0")
    with contextlib.closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("INSERT INTO texts (title) VALUES ('Ａｄｄｅｄ')")
        other.execute("BEGIN IMMEDIATE")
        assert find(database, index, "added") == [6]
        assert database.in_transaction is False
    assert find(database, index, "added") == [6]
    index.check()


def test_so_many_changes_of_another_program_are_found_before_they_are_indexed(database: Database) -> None:
    index = index_of(database)
    with contextlib.closing(sqlite3.connect(database.path)) as other, other:
        other.executemany("INSERT INTO texts (title) VALUES (?)", ((f"Row {number}",) for number in range(999)))
    assert find(database, index, "ＲＯＷ 998") == [1004]
    database.commit()
    index = index_of(database)  # the next start
    for _ in index.fill():
        database.commit()
    assert find(database, index, "ＲＯＷ 998") == [1004]
    index.check()


def test_a_merge_leaves_one_segment(database: Database) -> None:
    index = index_of(database)
    for number in range(40):
        put(database, *((f"title {number} {one}", "body " * 20) for one in range(20)))
        index.update()
        database.commit()

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


def test_steps_go_on_without_a_commit_for_as_long_as_they_may(database: Database) -> None:
    long_table(database)
    index = index_of(database)
    assert 0 < (index.indexed() or 0) < 1
    assert (len(list(index.fill(lambda: True))), index.is_available, index.indexed()) == (1, True, 1.0)
    index.check()


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


def test_texts_that_look_the_same_are_found_with_and_without_the_index(database: Database) -> None:
    put(database, ("e\u0301clair", None), ("ＥＣＬＡＩＲ", "ﾃﾞﾓ"), ("ÉCLAIR", "\u30c6\u3099モ"))
    with_index, without_index = index_of(database), index_of(database)
    without_index.is_available = False
    for index in (with_index, without_index):
        assert find(database, index, "éclair") == [4, 6, 8]
        assert find(database, index, "eclair") == [7]
        assert find(database, index, "デモ") == [7, 8]
    with database.write():  # the index forgets the folded texts that it was given
        database.execute("UPDATE texts SET title = NULL, body = NULL WHERE id > 5")
    database.commit()
    with_index.check()
    assert find(database, with_index, "デモ") == []
