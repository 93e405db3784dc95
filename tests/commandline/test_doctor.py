from tests.commandline.shell import Shell


def test_a_new_machine_is_in_order_and_stays_untouched(shell: Shell) -> None:
    told = shell.run("doctor")
    assert (told.code, told.err) == (0, "")
    assert "✓ Python" in told.out
    assert "✓ sidecar" in told.out
    assert "! Claude       not found" in told.out
    assert "which the first start will make" in told.out
    assert "✓ calendars    iCalendar address or file ready. For Google Calendar: Set" in told.out
    assert not shell.data_dir.exists()
    assert list(shell.home.iterdir()) == []


def test_claude_and_a_database_in_use_are_described_and_no_secret_is_told(shell: Shell) -> None:
    shell.install_claude()
    with shell.serving() as holder:
        told = shell.run(
            "doctor", "--json", BACKEND_TOKEN="t0ken", GOOGLE_CLIENT_ID="id", GOOGLE_CLIENT_SECRET="s3cret"
        )
    found = {finding["name"]: finding for finding in told.result["findings"]}
    assert told.code == 0
    assert found["Claude"]["state"] == "ok"
    assert found["Claude"]["detail"].startswith("2.1.330 (Claude Code), /")
    assert found["database"]["state"] == "warning"
    assert found["database"]["detail"].endswith(f"integrity ok; in use by process {holder}")
    assert "BACKEND_TOKEN (secret)" in found["environment"]["detail"]
    assert found["calendars"]["detail"] == "Google Calendar, iCalendar address or file ready"
    assert "t0ken" not in told.out
    assert "s3cret" not in told.out


def test_what_keeps_a_sidecar_from_starting_is_a_problem(shell: Shell) -> None:
    strange = shell.home / "strange.db"
    strange.write_bytes(b"no database at all " * 100)
    told = shell.run("doctor", "--db", str(strange))
    assert told.code == 1
    assert "✗ database" in told.out
    assert "is not a SQLite database" in " ".join(told.out.split())
    setting = shell.run("doctor", CLAUDE_CONCURRENCY="many")
    assert setting.code == 1
    assert "✗ settings     CLAUDE_CONCURRENCY must be a number from 1 to 64" in setting.out
