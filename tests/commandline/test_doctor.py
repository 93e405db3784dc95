"""`sidecar doctor`: its findings and exit code."""

from tests.commandline.harness import CliHarness


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
