"""Migrations: adoption of an old backend's database, backups, failures, and the generated schema."""

import contextlib
import re
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import schema_dir
from sidecar.storage.backups import BACKUPS_KEPT, back_up
from sidecar.storage.inspection import DatabaseNewer, DatabaseUnusable
from sidecar.storage.migrations import migrate, migration_files, open_database
from sidecar.storage.schema_sql import schema_text
from tests.conftest import StartRawClient
from tests.old_backend import STAMPS, fill, insert, old_database

TABLES = (
    "jobs",
    "job_events",
    "sync_state",
    "calendar_accounts",
    "calendar_calendars",
    "calendar_events",
    "atlassian_accounts",
    "activity_events",
)


@contextlib.contextmanager
def opened(path: Path, directory: Path | None = None, now_ms: int = 0) -> Iterator[sqlite3.Connection]:
    """Opens and migrates the database."""
    with contextlib.closing(open_database(path, directory or schema_dir(), now_ms)) as connection:
        yield connection


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Returns all rows of the old backend's tables, with the columns that it created."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        text = (schema_dir() / "migrations" / "0001_initial.sql").read_text("utf-8")
        with contextlib.closing(sqlite3.connect(":memory:")) as initial:
            initial.executescript(text)
            columns = {
                table: [name for _, name, *_ in initial.execute(f"PRAGMA table_info({table})")] for table in TABLES
            }
        return {
            table: [dict(row) for row in connection.execute(f"SELECT {', '.join(names)} FROM {table} ORDER BY rowid")]
            for table, names in columns.items()
        }


def schema_of(path: Path) -> list[tuple[str, ...]]:
    """Returns the SQL of every table and index."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def backups(path: Path) -> list[str]:
    """Returns the names of the backups, in order."""
    return sorted(backup.name for backup in (path.parent / "backups").iterdir())


def listing(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file in a folder and its subfolders."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def old(data_dir: Path) -> Path:
    """A database of the old backend with one or two rows in each table."""
    data_dir.mkdir()
    with old_database(data_dir) as connection:
        fill(connection)
    return data_dir / "sidecar.db"


def test_a_migration_preserves_every_row_of_the_old_backend(old: Path) -> None:
    before = rows(old)
    with opened(old):
        pass
    after = rows(old)
    assert all(before[table] for table in TABLES)
    assert {table: after[table] for table in TABLES if table != "jobs"} == {
        table: before[table] for table in TABLES if table != "jobs"
    }
    assert after["jobs"] == [{**row, "status": "succeeded"} for row in before["jobs"]]


@pytest.mark.parametrize(
    ("old_status", "expected"),
    [
        ("pending", "queued"),
        ("queued", "queued"),
        ("running", "running"),
        ("completed", "succeeded"),
        ("done", "succeeded"),
        ("success", "succeeded"),
        ("error", "failed"),
        ("failed", "failed"),
        ("canceled", "cancelled"),
        ("cancelled", "cancelled"),
        ("weird", "interrupted"),
        ("", "interrupted"),
    ],
)
def test_a_status_of_the_old_backend_is_translated(old: Path, old_status: str, expected: str) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("UPDATE jobs SET status = ?", (old_status,))
    with opened(old) as connection:
        assert connection.execute("SELECT status FROM jobs").fetchall() == [(expected,)]


def test_a_large_database_is_migrated_with_every_row(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        for number in range(5_000):
            job = {"job_id": f"many-{number}", "type": "claude.run", "status": "pending", **STAMPS}
            insert(connection, "jobs", **job, payload_json="{bad" if number % 2 else "{}")
    with opened(old) as connection:
        assert connection.execute("SELECT count(*) FROM jobs WHERE status = 'queued'").fetchone() == (5_000,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_backup_is_made_before_the_migration(old: Path) -> None:
    before = rows(old), schema_of(old)
    with opened(old, now_ms=1):
        pass
    (backup,) = (old.parent / "backups").iterdir()
    assert backup.name == "sidecar-before-0001_initial-1970-01-01T000000001Z.db"
    assert (rows(backup), schema_of(backup)) == before
    if sys.platform != "win32":
        assert backup.stat().st_mode & 0o777 == 0o600


def test_a_second_start_changes_nothing_and_makes_no_backup(old: Path) -> None:
    with opened(old):
        pass
    first = rows(old), schema_of(old), backups(old)
    with opened(old, now_ms=2):
        pass
    assert (rows(old), schema_of(old), backups(old)) == first


def test_a_new_database_needs_no_backup(data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "sidecar.db").touch()  # left by a start that was killed
    with opened(data_dir / "sidecar.db") as connection:
        assert connection.execute("SELECT count(*) FROM database_metadata").fetchone() == (1,)
    assert not (data_dir / "backups").exists()


def with_migrations(folder: Path, *texts: str) -> Path:
    """Creates a folder with the real migrations, followed by `texts`."""
    directory = folder / "migrations"
    directory.mkdir(parents=True, exist_ok=True)
    for name, file in migration_files(schema_dir()).items():
        (directory / f"{name}.sql").write_bytes(file.read_bytes())
    for number, text in enumerate(texts):
        (directory / f"90{number:02d}_more.sql").write_text(text, "utf-8")
    return folder


def test_only_the_three_newest_backups_remain(old: Path, tmp_path: Path) -> None:
    texts = [f"CREATE TABLE more_{number} (x TEXT) STRICT;" for number in range(5)]
    for number in range(5):
        with opened(old, with_migrations(tmp_path / "schema", *texts[: number + 1]), now_ms=1_000 * number):
            pass
    assert backups(old) == [
        "sidecar-before-0001_initial-1970-01-01T000000000Z.db",  # of the old backend: no copy of this database
        *(f"sidecar-before-90{n:02d}_more-1970-01-01T00000{n}000Z.db" for n in range(5 - BACKUPS_KEPT, 5)),
    ]


def test_a_failed_migration_leaves_the_database_unchanged(old: Path, tmp_path: Path) -> None:
    with opened(old):
        pass
    before = rows(old), schema_of(old)
    bad = "UPDATE jobs SET status = 'lost'; CREATE TABLE more (x TEXT); INSERT INTO nowhere VALUES (1);"
    with pytest.raises(DatabaseUnusable, match="9000_more"):
        open_database(old, with_migrations(tmp_path / "schema", bad), 0)
    assert (rows(old), schema_of(old)) == before
    with opened(old) as connection:  # the older version still works
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_interrupted_migrations_continue_after_the_last_applied_one(old: Path, tmp_path: Path) -> None:
    directory = tmp_path / "schema" / "migrations"
    directory.mkdir(parents=True)
    first, *rest = migration_files(schema_dir()).items()
    (directory / f"{first[0]}.sql").write_bytes(first[1].read_bytes())
    with opened(old, directory.parent, now_ms=1):
        pass
    with opened(old, now_ms=2) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM schema_migrations ORDER BY id")]
    assert names == [first[0], *(name for name, _ in rest)]
    assert backups(old) == [
        "sidecar-before-0001_initial-1970-01-01T000000001Z.db",
        f"sidecar-before-{rest[0][0]}-1970-01-01T000000002Z.db",
    ]


def test_a_missing_table_or_index_of_an_old_database_is_created(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("DROP INDEX idx_events_time")
        connection.execute("DROP TABLE sync_state")
        connection.execute("CREATE TABLE foreign_table (x)")
    with opened(old) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert {"idx_events_time", "sync_state", "foreign_table", *TABLES} <= names


def test_a_newer_database_is_refused_without_writing_to_it(old: Path) -> None:
    with opened(old) as connection:
        connection.execute(
            "INSERT INTO schema_migrations (migration_set, name, applied_at) VALUES ('sidecar', '9999_future', '')"
        )
    before = listing(old.parent)
    with pytest.raises(DatabaseNewer, match="9999_future"):
        open_database(old, schema_dir(), 0)
    assert listing(old.parent) == before


def test_an_interrupted_transaction_is_rolled_back_before_the_migration(old: Path, tmp_path: Path) -> None:
    """The old backend used a rollback journal; without it the file would be inconsistent."""
    before = rows(old)
    crashed = tmp_path / "crashed" / "sidecar.db"
    crashed.parent.mkdir()
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")  # so that the changes reach the file before they are committed
        connection.execute("BEGIN")
        connection.execute("UPDATE activity_events SET title = ?", ("half" * 100_000,))
        connection.execute("DROP TABLE calendar_events")
        for suffix in ("", "-journal"):
            shutil.copy(old.with_name(old.name + suffix), crashed.with_name(crashed.name + suffix))
        connection.execute("ROLLBACK")
    with opened(crashed):
        pass
    after = rows(crashed)
    assert after["activity_events"] == before["activity_events"]
    assert after["calendar_events"] == before["calendar_events"]


def test_sessions_of_an_earlier_version_keep_their_order(data_dir: Path, tmp_path: Path) -> None:
    path, earlier = data_dir / "sidecar.db", tmp_path / "earlier"
    data_dir.mkdir()
    for name in migration_files(schema_dir()):
        if name < "0010":
            (earlier / "migrations").mkdir(parents=True, exist_ok=True)
            shutil.copy(schema_dir() / "migrations" / f"{name}.sql", earlier / "migrations")
    with opened(path, earlier) as connection:
        for session_id, minute in (("a", 2), ("b", 3), ("c", 1)):
            at = f"2026-11-23T08:{minute:02}:00.000Z"
            insert(connection, "claude_sessions", session_id=session_id, created_at=at, updated_at=at)
        connection.commit()
    with opened(path) as connection:
        newest_first = connection.execute("SELECT session_id FROM claude_sessions ORDER BY update_number DESC")
        assert [row[0] for row in newest_first] == ["b", "a", "c"]


@pytest.mark.parametrize("content", [b"Dear diary", b"SQLite format 3\x00" + b"\x00" * 5_000, b"\x00" * 8_192])
def test_a_file_that_is_not_a_database_is_refused_without_writing_to_it(data_dir: Path, content: bytes) -> None:
    data_dir.mkdir()
    path = data_dir / "sidecar.db"
    path.write_bytes(content)
    with pytest.raises(DatabaseUnusable):
        open_database(path, schema_dir(), 0)
    assert listing(data_dir) == {"sidecar.db": content}


def test_a_backup_does_not_overwrite_a_file(old: Path) -> None:
    target = old.parent / "copy.db"
    target.write_text("mine")
    with contextlib.closing(sqlite3.connect(old)) as connection, pytest.raises(FileExistsError):
        back_up(connection, target)
    assert target.read_text() == "mine"


@contextlib.contextmanager
def migrated() -> Iterator[sqlite3.Connection]:
    """An empty database in memory, after all migrations."""
    known = migration_files(schema_dir())
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection, known, list(known))
        yield connection


def test_the_committed_schema_is_generated_from_the_migrations() -> None:
    with migrated() as connection:
        files = migration_files(schema_dir()).values()
        text = schema_text(connection, [file.read_text("utf-8") for file in files])
    assert (schema_dir() / "schema.sql").read_text("utf-8") == text


def test_the_schema_file_creates_the_same_database_as_the_migrations() -> None:
    def statements(connection: sqlite3.Connection) -> dict[str, str]:
        """Returns every object's SQL without comments and whitespace."""
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT GLOB 'sqlite_[as]*'")
        return {name: re.sub(r"--[^\n]*|\s", "", sql) for name, sql in rows}

    with migrated() as connection, contextlib.closing(sqlite3.connect(":memory:")) as other:
        other.executescript((schema_dir() / "schema.sql").read_text("utf-8"))
        assert statements(other) == statements(connection)
        for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for pragma in ("table_xinfo", "foreign_key_list"):
                query = f"PRAGMA {pragma}({table})"
                assert other.execute(query).fetchall() == connection.execute(query).fetchall(), table


def test_the_schema_file_has_each_column_on_a_line_of_its_own() -> None:
    text = (schema_dir() / "schema.sql").read_text("utf-8")
    with migrated() as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL").fetchall()
        for (table,) in tables:
            for _, column, *_ in connection.execute(f"PRAGMA table_xinfo({table})").fetchall():
                assert re.search(rf'^  "?{column}"? [A-Z]', text, re.MULTILINE), f"{table}.{column}"


def test_a_migrated_old_database_has_the_schema_of_a_new_one(old: Path, tmp_path: Path) -> None:
    with opened(old), opened(tmp_path / "new.db"):
        pass
    assert schema_of(old) == schema_of(tmp_path / "new.db")


def test_the_sidecar_migrates_an_old_database_and_serves_it(old: Path, raw_client: StartRawClient) -> None:
    with raw_client() as wire:
        wire.initialize()
        assert [job["job_id"] for job in wire.call("jobs.list")["jobs"]] == ["job-1"]
        assert wire.call("activity.events.list")["events"][0]["event_id"] == "a-1"
        assert wire.call("system.status")["database"]["migrations"] == list(migration_files(schema_dir()))
    assert len(list((old.parent / "backups").iterdir())) == 1
