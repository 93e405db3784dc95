"""`sidecar doctor`: its findings and exit code."""

import contextlib
import sqlite3
import sys

import pytest

from tests.commandline.harness import CliHarness, Ended
from tests.preload import preload


def test_a_new_computer_has_no_problems_and_is_not_changed(cli: CliHarness) -> None:
    ended = cli.run("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert "✓ Python" in ended.out
    assert "✓ sidecar" in ended.out
    assert "! Claude executable CLAUDE_PATH is" in ended.out
    assert "Claude login" not in ended.out
    assert "will be created at the first start" in ended.out
    assert "✓ calendars         iCalendar address or file available. For Google" in ended.out
    assert not cli.data_dir.exists()
    assert list(cli.home.iterdir()) == []


def test_claude_and_a_database_in_use_are_described_and_no_secret_is_printed(cli: CliHarness) -> None:
    cli.install_claude()
    with cli.serving() as holder:
        ended = cli.run("doctor", "--json", BACKEND_TOKEN="t0ken", GOOGLE_CLIENT_ID="id", GOOGLE_CLIENT_SECRET="s3cret")
    found = {finding["name"]: finding for finding in ended.result["findings"]}
    assert ended.code == 0
    assert found["Claude executable"]["state"] == "ok"
    assert found["Claude executable"]["detail"].startswith("/")
    assert found["Claude version"]["detail"] == "2.1.332 (Claude Code)"
    assert found["database"]["state"] == "warning"
    assert found["database"]["detail"].endswith(f"integrity ok; in use by process {holder}")
    assert "BACKEND_TOKEN (secret)" in found["environment"]["detail"]
    assert found["calendars"]["detail"] == "Google Calendar, iCalendar address or file available"
    assert "t0ken" not in ended.out
    assert "s3cret" not in ended.out


def test_a_damaged_database_and_a_wrong_setting_are_problems(cli: CliHarness) -> None:
    strange = cli.home / "strange.db"
    strange.write_bytes(b"no database at all " * 100)
    ended = cli.run("doctor", "--db", str(strange))
    assert ended.code == 1
    assert "✗ database" in ended.out
    assert "is not a SQLite database" in " ".join(ended.out.split())
    setting = cli.run("doctor", CLAUDE_CONCURRENCY="many")
    assert setting.code == 1
    assert "✗ settings    CLAUDE_CONCURRENCY must be a number from 1 to 64" in setting.out


OLD_SQLITE = """
import sqlite3
sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 36, 0), "3.36.0"
from sidecar.__main__ import main
main()
"""


def problem(ended: Ended, name: str) -> str:
    """Returns the detail of the one finding that is a problem."""
    assert ended.code == 1
    found = [one for one in ended.result["findings"] if one["state"] == "problem"]
    assert name in [one["name"] for one in found]
    return str(next(one["detail"] for one in found if one["name"] == name))


def test_an_old_sqlite_is_a_problem(cli: CliHarness) -> None:
    ended = cli.run("doctor", "--json", program=(sys.executable, "-c", OLD_SQLITE))
    assert "SQLite 3.37 or newer is needed" in problem(ended, "SQLite")


@pytest.mark.parametrize("fault", ["no_locks", "no_shared_memory"])
def test_a_file_system_that_cannot_hold_the_database_is_a_problem(cli: CliHarness, fault: str) -> None:
    cli.data_dir.mkdir()
    ended = cli.run("doctor", "--json", LD_PRELOAD=preload(fault)["LD_PRELOAD"], FLOCK_ERRNO="37")
    expected = {"no_locks": "has no locks", "no_shared_memory": "cannot share memory"}
    assert expected[fault] in problem(ended, "data folder")
    assert list(cli.data_dir.iterdir()) == []


def test_a_cut_a_foreign_and_a_lost_database_are_problems_with_advice(cli: CliHarness) -> None:
    cli.run("call", "jobs.create", "type=maintenance.backup", "--wait")
    path = cli.data_dir / "sidecar.db"
    (backup,) = (cli.data_dir / "backups").iterdir()
    path.write_bytes(path.read_bytes()[:20_000])
    found = problem(cli.run("doctor", "--json"), "database")
    assert ("is cut" in found, f"sidecar restore {backup.name}" in found) == (True, True)
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    assert "another program" in problem(cli.run("doctor", "--json"), "database")
    path.unlink()
    assert cli.run("call", "jobs.list").code == 0
    assert f"sidecar restore {backup.name}" in problem(cli.run("doctor", "--json"), "database")
