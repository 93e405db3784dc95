"""A start that cannot succeed says why and what to do, and changes nothing."""

import contextlib
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import StartRawClient
from tests.preload import preload
from tests.process.raw_client import ROOT, RawClient

OLD_SQLITE = """
import sqlite3, sys
sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 36, 0), "3.36.0"
import sidecar.__main__
sys.argv = ["sidecar", *sys.argv[1:]]
sidecar.__main__.main()
"""


def refusal(client: RawClient) -> tuple[int, str]:
    """Returns the exit code and the only line on stderr, apart from the log's."""
    with client:
        code = client.exit_code()
        (line,) = [text for text in client.errors.read_text("utf-8").splitlines() if not text.startswith("{")]
    return code, line


def content(folder: Path) -> dict[str, bytes]:
    """Returns the files of the data folder that hold something."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in (".db", ".db-wal", ".key")}


@pytest.fixture
def path(raw_client: StartRawClient) -> Path:
    """A database with a backup."""
    with raw_client() as client:
        client.initialize()
        job = client.call("jobs.create", type="maintenance.backup")["job"]
        client.until_job(job["job_id"], "succeeded")
        client.close_stdin()
        assert client.exit_code() == 0
    return client.data_dir / "sidecar.db"


@pytest.mark.parametrize("number", [37, 38, 95])
def test_a_file_system_without_locks_is_named(raw_client: StartRawClient, number: int) -> None:
    code, line = refusal(raw_client(**preload("no_locks"), FLOCK_ERRNO=str(number)))
    assert (code, "has no locks" in line, "another sidecar" in line) == (74, True, False)
    assert "APP_DATA_DIR" in line


@pytest.mark.parametrize("number", [11, 13])
def test_a_lock_that_is_held_is_another_sidecar(raw_client: StartRawClient, number: int) -> None:
    code, line = refusal(raw_client(**preload("no_locks"), FLOCK_ERRNO=str(number)))
    assert (code, "another sidecar" in line) == (73, True)


def test_a_file_system_without_shared_memory_is_named(raw_client: StartRawClient, path: Path) -> None:
    before = content(path.parent)
    code, line = refusal(raw_client(**preload("no_shared_memory")))
    assert (code, "cannot share memory" in line) == (74, True)
    after = content(path.parent)
    assert {name: after[name] for name in before} == before
    with raw_client() as client:
        assert client.initialize()["events"]["latest_seq"] > 0


def test_an_old_sqlite_is_named_before_anything_is_touched(raw_client: StartRawClient, data_dir: Path) -> None:
    code, line = refusal(raw_client(command=(sys.executable, "-c", OLD_SQLITE)))
    assert (code, "SQLite 3.37 or newer is needed" in line, "3.36.0" in line) == (2, True, True)
    assert not data_dir.exists()


@pytest.mark.parametrize("missing", ["schema", "schema/migrations", "schema/openrpc.json"])
def test_missing_files_of_the_program_are_named_before_anything_is_touched(
    raw_client: StartRawClient, data_dir: Path, tmp_path: Path, missing: str
) -> None:
    copy = tmp_path / "program"
    for name in ("sidecar", "schema"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "_schema"))
    gone = copy / missing
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    start = (
        f"import sys; sys.path.insert(0, {str(copy)!r}); sys.argv = ['sidecar']; import sidecar.__main__ as m; m.main()"
    )
    code, line = refusal(raw_client(command=(sys.executable, "-c", start)))
    assert (code, str(copy / "schema") in line, "update" in line) == (2, True, False)
    assert not data_dir.exists()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Locks a database exclusively, as a program does that runs VACUUM."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_database_that_another_program_has_locked_is_said_to_be_locked(
    raw_client: StartRawClient, path: Path
) -> None:
    with locked(path):
        code, line = refusal(raw_client())
    assert (code, "another program has locked" in line) == (73, True)


def foreign(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.execute("CREATE TABLE jobs (id, name)")


def noise(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + (bytes(range(256)) * (len(data) // 256))[100:])


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut in a page": (lambda path: path.write_bytes(path.read_bytes()[:10_000]), "is cut: 10000 of"),
    "cut between pages": (lambda path: path.write_bytes(path.read_bytes()[: 4096 * 4]), "is cut: 16384 of"),
    "cut in the header": (lambda path: path.write_bytes(path.read_bytes()[:60]), "is cut: 60 bytes"),
    "malformed": (noise, "is damaged"),
    "a text": (lambda path: path.write_bytes(b"Dear diary, " * 1_000), "is not a SQLite database"),
    "zeros": (lambda path: path.write_bytes(bytes(8_192)), "is not a SQLite database"),
    "foreign": (foreign, "is a database of another program"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_in_the_databases_place_are_distinguished_and_not_changed(
    raw_client: StartRawClient, path: Path, kind: str
) -> None:
    change, words = FILES[kind]
    change(path)
    before = content(path.parent)
    code, line = refusal(raw_client())
    (backup,) = (path.parent / "backups").iterdir()
    advice = "--db" if kind == "foreign" else f"sidecar restore {backup.name}"
    assert (code, words in line, advice in line) == (74, True, True), line
    assert content(path.parent) == before


def test_a_file_of_another_kind_is_not_overwritten_by_the_log_of_a_kill(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        client.process.kill()
        client.exit_code()
    path = client.data_dir / "sidecar.db"
    path.write_bytes(b"Dear diary, " * 5_000)
    before = content(path.parent)
    code, line = refusal(raw_client())
    assert (code, "is not a SQLite database" in line) == (74, True)
    assert content(path.parent) == before
