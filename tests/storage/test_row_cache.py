"""The cache of encoded rows: a list that is read again encodes only what has changed, and is never stale."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.storage import row_cache
from sidecar.storage.database import PAGE_BYTES, Database, open_connection
from sidecar.storage.row_cache import RowCache

ROW_JSON = "CAST(json_object('name', encoding(name), 'text', text) AS BLOB)"


class Names:
    """A table that is read through a cache."""

    def __init__(self, path: Path) -> None:
        self.encoded: list[str] = []
        """The names of the rows that were encoded since `page` was last called."""
        connection = open_connection(path)
        connection.execute("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT, text TEXT, version INTEGER)")
        connection.create_function("encoding", 1, self._note)
        self.database = Database(connection, path, lambda: None)
        self.cache = RowCache(self.database, "names", "id", ROW_JSON, "version")

    def _note(self, name: str) -> str:
        self.encoded.append(name)
        return name

    def put(self, row_id: int, name: str, text: str = "", version: int | None = 1) -> None:
        with self.database.write():
            self.database.execute("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?)", (row_id, name, text, version))

    def page(self, limit: int = 10, *, keep: bool = True) -> tuple[list[tuple[str, str]], bool]:
        """Returns (name, text) of the rows, highest id first, and whether more follow."""
        self.encoded.clear()
        rows, more = self.cache.page("FROM names ORDER BY id DESC LIMIT ?", (limit + 1,), limit, keep=keep)
        found: list[dict[str, Any]] = [json.loads(row) for row, _ in rows]
        return [(one["name"], one["text"]) for one in found], more


@pytest.fixture
def names(data_dir: Path) -> Iterator[Names]:
    names = Names(data_dir / "names.db")
    yield names
    names.database.close()


def test_only_rows_that_were_not_read_before_or_have_changed_are_encoded(names: Names) -> None:
    for number in range(4):
        names.put(number, f"n{number}")
    assert names.page(2) == ([("n3", ""), ("n2", "")], True)
    assert names.encoded == ["n3", "n2"]
    assert names.page() == ([("n3", ""), ("n2", ""), ("n1", ""), ("n0", "")], False)
    assert names.encoded == ["n1", "n0"]
    names.put(1, "n1", "changed", version=2)
    assert names.page()[0][2] == ("n1", "changed")
    assert names.encoded == ["n1"]


def test_rows_that_are_not_to_be_kept_are_encoded_each_time(names: Names) -> None:
    for number in range(3):
        names.put(number, f"n{number}")
    for _ in range(2):
        assert names.page(2, keep=False) == ([("n2", ""), ("n1", "")], True)
        assert names.encoded[:2] == ["n2", "n1"]


def test_rows_at_keys_come_highest_key_first(names: Names) -> None:
    for number in range(4):
        names.put(number, f"n{number}")
    for _ in range(2):
        rows, more = names.cache.at([3, 1, 0], 2)
        assert ([key for _, key in rows], more) == ([3, 1], True)


def test_a_row_without_a_version_is_encoded_each_time(names: Names) -> None:
    names.put(1, "plain")
    names.put(2, "unsteady", "a", version=None)
    assert names.page() == ([("unsteady", "a"), ("plain", "")], False)
    names.put(2, "unsteady", "b", version=None)
    assert names.page() == ([("unsteady", "b"), ("plain", "")], False)
    assert names.encoded == ["unsteady"]


@pytest.mark.parametrize("part", ["a block", "the commit"])
def test_what_was_read_of_a_transaction_that_is_rolled_back_is_forgotten(names: Names, part: str) -> None:
    names.put(1, "row", "first")
    names.database.commit()
    if part == "a block":
        with contextlib.suppress(RuntimeError), names.database.write():
            names.put(1, "row", "rolled back", version=2)
            assert names.page()[0] == [("row", "rolled back")]
            raise RuntimeError
    else:
        names.database.execute("CREATE TABLE late (of INTEGER REFERENCES names (id) DEFERRABLE INITIALLY DEFERRED)")
        with names.database.write():
            names.put(1, "row", "rolled back", version=2)
            names.database.execute("INSERT INTO late VALUES (99)")
        assert names.page()[0] == [("row", "rolled back")]
        with pytest.raises(sqlite3.IntegrityError):
            names.database.commit()
    assert names.page()[0] == [("row", "first")]
    names.put(1, "row", "second", version=2)
    assert names.page()[0] == [("row", "second")]


def test_changes_of_another_program_are_noticed_though_they_keep_the_version(names: Names) -> None:
    names.put(1, "row", "ours")
    names.database.commit()
    names.page()
    with contextlib.closing(sqlite3.connect(names.database.path, isolation_level=None)) as other:
        other.execute("UPDATE names SET text = 'theirs'")
    assert names.page()[0] == [("row", "theirs")]


def test_rows_are_forgotten_when_vacuum_may_have_given_them_new_rowids(names: Names) -> None:
    names.put(1, "row")
    names.database.commit()
    names.page()
    names.database.vacuum()
    names.page()
    assert names.encoded == ["row"]


def test_rows_that_could_be_inserted_again_are_forgotten_by_clear(names: Names) -> None:
    names.put(1, "row", "first")
    names.page()
    with names.database.write():
        names.database.execute("DELETE FROM names")
        names.cache.clear()
    names.put(1, "row", "second")
    assert names.page()[0] == [("row", "second")]


def test_a_page_ends_before_its_size_is_exceeded_whether_rows_are_kept_or_not(names: Names) -> None:
    third = "x" * (PAGE_BYTES // 3)
    for number, text in enumerate((third, third, "small", third, third)):
        names.put(number, f"n{number}", text)
    for _ in range(2):
        page, more = names.page()
        assert ([name for name, _ in page], more) == (["n4", "n3", "n2"], True)
    names.put(9, "larger than a page", "x" * (PAGE_BYTES + 1))
    assert [name for name, _ in names.page()[0]] == ["larger than a page"]


def test_the_oldest_rows_are_dropped_beyond_the_maximum_size(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cache, "MAX_BYTES", 3_500)
    for number in range(4):
        names.put(number, f"n{number}", "x" * 1_000)
    names.page()
    names.page()
    assert names.encoded == ["n3"]
