"""Nothing that another person wrote steers the terminal on which a command shows it."""

import json
import os
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals", allow_module_level=True)

from tests.commandline.harness import CliHarness, Ended

BAD = "\x1b]0;title\x07\x1b[2J\x1b[31m\x9b31m\x85\x7f\u202ecba\u2066"
"""Sets the title, clears the screen, colours the text, and turns its direction."""
STEERING = frozenset("\x1b\x07\x9b\x85\x7f\u202e\u2066")


@pytest.fixture
def cli(tmp_path: Path) -> CliHarness:
    """The command line, whose data folder has such a name, too."""
    home = tmp_path / "home"
    home.mkdir()
    harness = CliHarness(home, tmp_path / f"data {BAD}")
    harness.environment["COLUMNS"] = "200"
    return harness


def clean(ended: Ended, *shown: str) -> Ended:
    """Checks that a command has printed these words, and nothing that steers a terminal."""
    printed = ended.out + ended.err
    assert STEERING & set(printed) == set(), printed.encode()
    for words in shown:
        assert words in printed, printed
    return ended


def calendar(folder: Path) -> Path:
    """A calendar with such texts wherever a calendar has texts."""
    start = datetime.now(UTC) - timedelta(hours=3)
    text = f"Lunch{BAD}"
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{text}", f"X-WR-CALNAME:{text}",
        "BEGIN:VEVENT", f"UID:{text}", f"DTSTART:{start:%Y%m%dT%H%M%SZ}", f"SUMMARY:{text}", f"LOCATION:{text}",
        f"DESCRIPTION:{text}\\n{text}", f"ORGANIZER;CN={text}:mailto:a@example.com", f"STATUS:{BAD}", "END:VEVENT",
        "BEGIN:VEVENT", "UID:2", f"DTSTART;TZID={text}:{start:%Y%m%dT%H%M%S}", f"SUMMARY:{text}", "END:VEVENT",
        "END:VCALENDAR", "",
    ]  # fmt: skip
    path = folder / "bad.ics"
    path.write_text("\r\n".join(lines), "utf-8")
    return path


def test_call_and_console_show_what_others_wrote_without_obeying_it(cli: CliHarness, tmp_path: Path) -> None:
    credentials = json.dumps({"address": str(calendar(tmp_path))})
    create = ("calendar.accounts.create", "provider=ics", "email=a@example.com", f"credentials={credentials}")
    clean(cli.run("call", *create), "Lunch")
    account = json.loads(cli.run("call", "calendar.accounts.list", "--json").out)["accounts"][0]["account_id"]
    clean(cli.run("call", "calendar.accounts.sync", f"account_id={account}", "--wait"), "succeeded")
    start, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=9)
    events = ("calendar.events.list", f"start={start:%Y-%m-%dT%H:%M:%SZ}", f"end={end:%Y-%m-%dT%H:%M:%SZ}")
    feed, search, logs = ("activity.events.list",), ("activity.search", "query=lunch"), ("jobs.list",)
    for words in (events, feed, search, logs, ("calendar.calendars.list",), ("system.diagnostics",)):
        for options in ([], ["--json"]):
            clean(cli.run("call", *words, *options), *(["Lunch"] if words in (events, feed, search) else []))
    lines = ["initialize", *(" ".join(words) for words in (events, feed, search, ("system.diagnostics",)))]
    # Between words of the console there may be anything, too.
    lines += [f"jobs.get job_id={json.dumps(BAD)}", f"{BAD} x=1", f".show {BAD}", f".{BAD}"]
    for options in ([], ["--json"]):
        clean(cli.run("console", *options, stdin="\n".join(lines) + "\n"), "Lunch")


def test_the_demo_shows_a_calendar_of_others_without_obeying_it(cli: CliHarness, tmp_path: Path) -> None:
    for options in ([], ["--verbose"]):
        clean(cli.run("demo", "--calendar", str(calendar(tmp_path)), *options), "Done in")


def test_what_claude_writes_is_shown_without_obeying_it(cli: CliHarness) -> None:
    cli.install_claude()
    ended = cli.run("call", "claude.spawn", "prompt=@-", "--wait", stdin=f"echo {BAD}")
    clean(ended, "succeeded")
    clean(cli.run("call", "jobs.list"), "claude.run")


def test_doctor_shows_what_other_programs_print_without_obeying_it(cli: CliHarness, tmp_path: Path) -> None:
    folder = tmp_path / f"bin{BAD}"
    folder.mkdir()
    claude = folder / "claude"
    claude.write_text(f"#!/bin/sh\nprintf '%s\\n' '1.2.3 {BAD}'\n")
    claude.chmod(0o755)
    cli.environment |= {"CLAUDE_PATH": str(claude), "PATH": os.environ["PATH"], "CLAUDE_CONFIG_DIR": str(folder)}
    clean(cli.run("doctor"), "1.2.3")
    clean(cli.run("doctor", "--json"), "1.2.3")
    clean(cli.run("doctor", CLAUDE_CONCURRENCY=BAD), "CLAUDE_CONCURRENCY")
    clean(cli.run("doctor", "--db", f"/nowhere/{BAD}"))


def test_names_of_files_are_shown_without_obeying_them(cli: CliHarness, tmp_path: Path) -> None:
    clean(cli.run("call", "jobs.create", "type=maintenance.backup", "--wait"), "succeeded")
    (made,) = (cli.data_dir / "backups").iterdir()
    made.rename(made.with_name(f"mine{BAD}.db"))
    clean(cli.run("restore"), "mine")
    clean(cli.run("restore", "--json"), "mine")
    clean(cli.run("restore", f"mine{BAD}.db"), "mine")
    clean(cli.run("restore", f"none{BAD}.db"), "none")
    transcript = tmp_path / f"talk{BAD}.jsonl"
    for text in ("", "{}\n", json.dumps({"transcript": BAD}) + "\n"):
        transcript.write_text(text)
        for command in ("inspect", "verify", "replay"):
            clean(cli.run(command, str(transcript)))
    clean(cli.run("inspect", f"/nowhere/{BAD}"))
    clean(cli.run("call", BAD, f"{BAD}=1"))
    clean(cli.run(BAD))


def test_a_transcript_that_does_not_fit_is_reported_without_obeying_it(cli: CliHarness, tmp_path: Path) -> None:
    """`verify` quotes what it expected and what came, a stand-in what it was asked."""
    header = {"transcript": 1, "protocol_version": 1, "schema_hash": "", "server": BAD, "started_at": BAD}
    request = {"jsonrpc": "2.0", "id": 1, "method": "system.health", "params": {}}
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"status": BAD, BAD: BAD}}
    lines = [
        header,
        {"t": 1, "dir": "c2s", "msg": request},
        {"t": 2, "dir": "s2c", "msg": answer},
        {"t": 3, "dir": "s2c", "msg": {"jsonrpc": "2.0", "method": BAD, "params": {"seq": 1, BAD: BAD}}},
        {"t": 4, "dir": "c2s", "raw": b64encode(BAD.encode()).decode()},
        {"t": 5, "dir": "s2c", "exit": 0},
    ]
    path = tmp_path / "bad.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    clean(cli.run("verify", str(path)))
    asked = json.dumps({**request, "method": BAD, "params": {BAD: BAD}}) + "\n"
    ended = cli.run("replay", str(path), stdin=asked)
    assert STEERING & set(ended.err) == set(), ended.err.encode()


def test_the_log_is_one_line_for_each_record_and_steers_no_terminal(cli: CliHarness) -> None:
    """Its folder's name is in it, and what a client calls itself."""
    client = {"name": f"{BAD}\n{{}}", "version": BAD}
    params = {"protocol_version": 1, "client_info": client}
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}) + "\n"
    ended = cli.run(stdin=asked)
    log = (cli.data_dir / "logs" / "sidecar.log").read_text("utf-8")
    assert STEERING & set(ended.err + log) == set()
    records = [json.loads(line) for line in log.splitlines()]
    assert all(set(record) >= {"ts", "level", "logger", "msg"} for record in records)
    assert any(BAD in record["msg"] for record in records), records
