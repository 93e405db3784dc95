"""`sidecar console` on a terminal and with scripts."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.commandline.console.syntax import split_words
from tests.commandline.harness import LIMIT_S, MODULE, ROOT, CliHarness
from tests.transcripts.recording import lines_of, sent_by_client

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class TerminalUser:
    """Types into a console on a pseudo-terminal and reads its output."""

    def __init__(self, cli: CliHarness, columns: int = 100) -> None:
        self._terminal, its_end = pty.openpty()
        env = {**cli.environment, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40"}
        self.process = subprocess.Popen(
            [*MODULE, "console"],
            stdin=its_end,
            stdout=its_end,
            stderr=its_end,
            cwd=ROOT,
            env=env,
            start_new_session=True,
        )
        os.close(its_end)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def until(self, text: str) -> str:
        """Read until the output since the last call contains `text`, and return what was before it."""
        end = time.monotonic() + LIMIT_S
        while text not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], end - time.monotonic())
            assert ready, f"{text!r} was not printed: {self._seen[-500:]!r}"
            chunk = os.read(self._terminal, 65_536).decode("utf-8", "replace")
            if "\x1b[6n" in chunk:  # the program asks for the cursor's position
                self.type("\x1b[1;1R")
            self._seen = CONTROLS.sub("", self._seen + chunk)
        before, _, self._seen = self._seen.partition(text)
        return before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def user(cli: CliHarness) -> Iterator[TerminalUser]:
    """A user who has just started the console."""
    user = TerminalUser(cli)
    yield user
    user.close()


def test_methods_and_params_are_completed_and_notifications_are_printed(user: TerminalUser, cli: CliHarness) -> None:
    user.until("Type a method, `methods`, `help` or `exit`")
    user.type("methods jobs.queue\r")
    user.until("Starts no more jobs")
    user.type("help jobs.queue.pause\r")
    user.until("sidecar call jobs.queue.pause")
    user.type("jobs.queue.pau")
    user.until("Starts no more jobs")  # its description in the menu
    user.type("\t\r")
    user.until("paused     yes")
    user.until("jobs.queue_updated")
    user.type("jobs.lust\r")
    user.until("Did you mean jobs.list")
    user.type("jobs.list stat")
    user.until("status=")
    user.type("\tsucc")
    user.until("succeeded")
    user.type("\t\r")
    user.until("no jobs")
    user.type("exit\r")
    assert user.process.wait(LIMIT_S) == 0
    [history] = cli.home.rglob("console_history")
    assert json.loads(history.read_text("utf-8").splitlines()[-1]) == "exit"


def test_a_script_is_run_line_by_line_and_recorded(cli: CliHarness, tmp_path: Path) -> None:
    record = tmp_path / "made.jsonl"
    script = (
        "# a comment\n"
        "initialize\n"
        'jobs.create type=maintenance.backup payload={"keep": 2}\n'
        ".until jobs.updated job.status=succeeded\n"
        "jobs.get job_id=$2.job.job_id\n"
        "initialized\n"
        "jobs.log.list job_id=$.job_id limit=1 &\n"
        ".raw no JSON\n"
    )
    ended = cli.run("console", "--json", "--record", str(record), "--env", "BACKEND_PORT=1", stdin=script)
    assert (ended.code, ended.err) == (0, "")
    methods = [message["method"] for message in sent_by_client(record)]
    assert methods == ["initialize", "jobs.create", "jobs.get", "initialized", "jobs.log.list"]
    header, *entries = lines_of(record)
    assert header["env"] == {"BACKEND_PORT": "1"}
    assert [entry for entry in entries if "raw" in entry] != []
    assert entries[-1]["exit"] == 0


def test_a_mistake_ends_a_script_with_an_explanation(cli: CliHarness) -> None:
    ended = cli.run("console", stdin="initialize\njobs.get job_id=$7.job_id\njobs.list\n")
    assert ended.code == 2
    assert "line 2: jobs.get job_id=$7.job_id: $7.job_id does not exist" in ended.err
    assert '"jobs": []' not in ended.out


def test_a_script_shakes_hands_by_itself_and_an_error_names_its_line(cli: CliHarness, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text("# Look\n\nsystem.health\njobs.list limit=0\njobs.list\n")
    ended = cli.run("console", "--script", str(script))
    assert ended.code == 1
    assert f"{script}:4: invalid_params: " in ended.err
    assert '"jobs": []' in ended.out
    script.write_text("jobs.list\njobs.lust\n")
    ended = cli.run("console", "--script", str(script))
    assert ended.code == 2
    assert f"{script}:2: jobs.lust: There is no method jobs.lust." in ended.err


def test_a_secret_of_the_environment_is_not_recorded(cli: CliHarness, tmp_path: Path) -> None:
    record = tmp_path / "made.jsonl"
    cli.run("console", "--record", str(record), "--env", "BACKEND_TOKEN=open sesame", stdin="system.health\n")
    assert "sesame" not in record.read_text("utf-8")


def test_words_can_contain_spaces_in_quotes_and_json() -> None:
    assert split_words('a.b title="A walk" payload={"keep": 2}  n:=[1, 2] x=$2.y') == [
        "a.b",
        "title=A walk",
        'payload:={"keep": 2}',
        "n:=[1, 2]",
        "x=$2.y",
    ]


def test_a_script_names_results_waits_for_jobs_and_prints_fields(cli: CliHarness, tmp_path: Path) -> None:
    script = tmp_path / "script.txt"
    script.write_text(
        "# Make a backup\n"
        "initialize\n"
        'backup = jobs.create type=maintenance.backup payload={"keep": "$keep"}\n'
        "system.health\n"
        ".wait $backup.job.job_id\n"
        "page = jobs.list type=$type\n"
        ".show $page.jobs type status created_at\n"
        ".show $backup.job.payload.keep\n"
    )
    ended = cli.run(
        "console", "--timeline", "--script", str(script), "--set", "keep:=2", "--set", "type=maintenance.backup"
    )
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("\nMake a backup\n")
    assert "✓ succeeded in" in ended.out
    assert re.search(r"^    (today|yesterday) +\d\d:\d\d  maintenance.backup  succeeded$", ended.out, re.MULTILINE)
    assert "\n2\n" in ended.out
    assert "← (exit code 0)" in ended.out


def test_an_error_response_does_not_end_a_script_but_changes_its_exit_code(cli: CliHarness) -> None:
    ended = cli.run("console", "--json", stdin="initialize\njobs.list limit=0\n.show $.data.kind\n")
    assert ended.code == 1
    assert '"invalid_params"' in ended.out.splitlines()


def test_waiting_for_a_job_that_ends_otherwise_ends_a_script(cli: CliHarness) -> None:
    run_at = "run_at=2100-01-01T00:00:00Z"
    script = f"initialize\njob = jobs.create type=maintenance.backup {run_at}\njobs.cancel job_id=$job.job.job_id\n"
    expected = cli.run("console", stdin=script + ".wait $job.job.job_id cancelled\n")
    assert (expected.code, expected.err) == (0, "")
    ended = cli.run("console", stdin=script + ".wait $job.job.job_id\nsystem.health\n")
    assert ended.code == 1
    assert "The job's status is cancelled instead of succeeded." in ended.err
    assert "checks" not in ended.out
