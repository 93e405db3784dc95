"""Full-text indexes of earlier versions, which are replaced while they are searched."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from sidecar.storage.database import Database
from sidecar.storage.fulltext import MAX_KEY
from tests.storage.texts import TEXTS, find, index_of, long_table, open_texts

OLD_INDEX = (
    """CREATE VIRTUAL TABLE texts_search
    USING fts5 (title, body, content='texts', content_rowid='id', tokenize='trigram')""",
    "CREATE TABLE texts_search_upto (key INTEGER NOT NULL) STRICT",
    """CREATE TRIGGER texts_search_added AFTER INSERT ON texts
    BEGIN INSERT INTO texts_search (rowid, title, body) VALUES (new.id, new.title, new.body); END""",
    "INSERT INTO texts_search (texts_search) VALUES ('rebuild')",
    f"INSERT INTO texts_search_upto (key) VALUES ({MAX_KEY})",
)
"""The complete index of a version that did not fold texts."""


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """An open database with the table `texts`."""
    with open_texts(data_dir) as opened:
        yield opened


def add_old_index(database: Database) -> list[int]:
    """Adds a long table with the index of an earlier version; returns the ids of the added rows."""
    ids = long_table(database)[len(TEXTS) :]
    with database.write():
        database.execute("UPDATE texts SET body = body || hex(randomblob(12000)) WHERE id >= ?", (ids[0],))
        for statement in OLD_INDEX:
            database.execute(statement)
    database.commit()
    return ids


def objects(database: Database) -> list[str]:
    """Returns the names of everything that belongs to the index."""
    return database.values("SELECT name FROM sqlite_schema WHERE name LIKE 'texts_search%' ORDER BY name")


def test_an_index_of_an_earlier_version_is_replaced_in_steps(database: Database) -> None:
    ids = add_old_index(database)
    index = index_of(database)
    was_available, changes = [index.is_available], []
    for _ in index.fill():
        changes.append(database.rows("SELECT total_changes()")[0][0])
        database.commit()
        assert find(database, index, "ＴＥＸＴ common") == ids
    was_available.append(index.is_available)
    assert (was_available, len(changes) > 10) == ([False, True], True)
    assert max(after - before for before, after in pairwise(changes)) < 5_000
    index.check()
    kept = objects(database)
    assert not [name for name in kept if "replaced" in name]
    assert list(index.fill()) == []
    database.execute("DROP TABLE texts_search")
    index_of(database)
    assert objects(database) == kept


def test_a_replacement_that_was_interrupted_is_continued_by_the_next_start(database: Database) -> None:
    ids = add_old_index(database)
    for _ in range(6):  # each start does one step, and each second one finds an index of yet another version
        index = index_of(database)
        next(index.fill())
        database.commit()
        with database.write():
            database.execute("DROP TRIGGER texts_search_changed")
        database.commit()
    index = index_of(database)
    for _ in index.fill():
        database.commit()
    index.check()
    assert find(database, index, "Ｔｅｘｔ common") == ids
    assert not [name for name in objects(database) if "replaced" in name]


def test_a_python_with_other_unicode_data_makes_a_new_index(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_of(database)
    monkeypatch.setattr("sidecar.storage.fulltext.unidata_version", "99.0.0")
    index = index_of(database)
    list(index.fill())
    assert "Unicode 99.0.0" in database.value("SELECT sql FROM sqlite_schema WHERE name = 'texts_search_upto'")
    index.check()
    assert find(database, index, "brûlée") == [4]
