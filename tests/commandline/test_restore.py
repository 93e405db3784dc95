"""`sidecar restore`: the list, the restore itself, and what it refuses."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from sidecar import exit_codes
from tests.commandline.harness import CliHarness


def make_backup(cli: CliHarness) -> str:
    """Runs a backup job and returns the name of the copy."""
    job = cli.run("call", "jobs.create", "type=maintenance.backup", "--wait", "--json").result
    return Path(job["result"]["path"]).name


def jobs(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (count,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
        return int(count)


def test_backups_are_listed_newest_first_with_their_contents(cli: CliHarness) -> None:
    assert cli.run("restore").out == "no backups\n"
    first, second = make_backup(cli), make_backup(cli)
    (cli.data_dir / "backups" / "broken.db").write_bytes(b"SQLite format 3\0 and nothing else")
    listed = cli.run("restore", "--json").result["backups"]
    assert [one["name"] for one in listed] == ["broken.db", second, first]
    assert [one["contents"].get("jobs") for one in listed] == [None, 2, 1]
    assert "is cut" in listed[0]["problem"]
    table = cli.run("restore").out.splitlines()
    assert any(second in line and "2 jobs" in line for line in table)


def test_a_restore_keeps_the_present_database_and_can_be_undone(cli: CliHarness) -> None:
    name = make_backup(cli)
    make_backup(cli)
    path = cli.data_dir / "sidecar.db"
    restored = cli.run("restore", name, "--json").result
    assert restored["restored"] == str(path)
    kept = Path(restored["kept"])
    assert (jobs(path), jobs(kept)) == (1, 2)
    assert {file.name for file in cli.data_dir.glob("sidecar.db*")} == {"sidecar.db", "sidecar.db.lock"}
    assert cli.run("call", "jobs.list", "--json").result["jobs"][0]["type"] == "maintenance.backup"
    assert cli.run("restore", kept.name, "--json").result["from"] == str(kept)
    assert jobs(path) == 2


def test_a_restore_brings_a_missing_or_damaged_database_back(cli: CliHarness) -> None:
    name = make_backup(cli)
    path = cli.data_dir / "sidecar.db"
    path.write_bytes(path.read_bytes()[:5_000])
    stopped = cli.run("call", "jobs.list")
    assert stopped.code == exit_codes.IO
    assert "is cut" in stopped.err
    assert f"sidecar restore {name}" in stopped.err
    assert cli.run("restore", name).code == 0
    assert cli.run("call", "jobs.list").code == 0
    path.unlink()
    assert cli.run("restore", str(cli.data_dir / "backups" / name)).code == 0
    assert jobs(path) == 1


def test_a_restore_stops_while_a_sidecar_runs(cli: CliHarness) -> None:
    name = make_backup(cli)
    with cli.serving() as holder:
        ended = cli.run("restore", name)
        assert (ended.code, f"process {holder}" in ended.err) == (exit_codes.LOCKED, True)


@pytest.mark.parametrize("content", [b"", b"text", b"SQLite format 3\0", None])
def test_a_file_that_is_no_backup_changes_nothing(cli: CliHarness, content: bytes | None) -> None:
    make_backup(cli)
    before = (cli.data_dir / "sidecar.db").read_bytes()
    strange = cli.home / "strange.db"
    if content is not None:
        strange.write_bytes(content)
    else:
        with contextlib.closing(sqlite3.connect(strange)) as connection:
            connection.execute("CREATE TABLE bookmarks (url)")
    ended = cli.run("restore", str(strange))
    assert (ended.code, "Nothing was changed" in ended.err) == (1, True)
    assert (cli.data_dir / "sidecar.db").read_bytes() == before
