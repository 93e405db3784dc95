"""A table of texts with a full-text index, for tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sidecar.storage.database import Database, open_connection
from sidecar.storage.fulltext import STEP_ROWS, FullTextIndex, SearchPlan, search_terms, term_conditions

COLUMNS = ("title", "body")
TEXTS = (
    ("PROJ-123 is late", "the NEAR future OR not"),
    ("日本語の題名", "東京都に住む"),
    ("100% of a_b", "C:\\temp\\new"),
    ("Éclair", "crème brûlée"),
    ('say "cheese"', None),
)


@contextmanager
def open_texts(data_dir: Path) -> Iterator[Database]:
    """Opens a database with the table `texts`."""
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


def find(database: Database, index: FullTextIndex, query: str) -> list[int]:
    """Returns the ids of the matching rows, with a query like a store's."""

    def run(plan: SearchPlan) -> list[int]:
        conditions, parameters = term_conditions(COLUMNS, plan.unindexed)
        values: Sequence[object] = parameters
        if plan.match is not None:
            conditions = ["id IN (SELECT rowid FROM texts_search WHERE texts_search MATCH ?)", *conditions]
            values = [plan.match, *parameters]
        rows = database.rows(f"SELECT id FROM texts WHERE {' AND '.join(conditions)} ORDER BY id", tuple(values))
        return [row[0] for row in rows]

    return index.search(search_terms(query), run)


def long_table(database: Database) -> list[int]:
    """Adds more rows than the first steps index; returns all ids."""
    put(database, *((f"Text {number}", "common words") for number in range(3 * STEP_ROWS)))
    return [row[0] for row in database.rows("SELECT id FROM texts ORDER BY id")]
