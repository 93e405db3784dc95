"""`sidecar console`: typed by a person on a terminal, and read from a script."""

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

from sidecar.commandline.console import words_of
from tests.commandline.shell import LIMIT_S, MODULE, ROOT, Shell
from tests.transcripts.recording import lines_of, sent_by_client

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")


class Typist:
    """A person at a terminal in front of a console."""

    def __init__(self, shell: Shell) -> None:
        self._terminal, its_end = pty.openpty()
        env = {**shell.environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
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

    def until(self, text: str) -> None:
        """Read until this has come since the last time."""
        end = time.monotonic() + LIMIT_S
        while text not in self._seen:
            ready, _, _ = select.select([self._terminal], [], [], end - time.monotonic())
            assert ready, f"{text!r} did not come: {self._seen[-500:]!r}"
            came = os.read(self._terminal, 65_536).decode("utf-8", "replace")
            if "\x1b[6n" in came:  # a terminal is asked where its cursor is
                self.type("\x1b[1;1R")
            self._seen = CONTROLS.sub("", self._seen + came)
        self._seen = self._seen.partition(text)[2]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def typist(shell: Shell) -> Iterator[Typist]:
    """Somebody who has just started the console."""
    made = Typist(shell)
    yield made
    made.close()


def test_a_person_completes_a_method_calls_it_and_sees_what_is_told(typist: Typist) -> None:
    typist.until("→")
    typist.type("initialize\r")
    typist.until("schema_hash")
    typist.until("system.state")
    typist.type("jobs.queue.pau")
    typist.until("Start no more jobs")  # what the menu says of it
    typist.type("\t\r")
    typist.until('"paused": true')
    typist.until("jobs.queue_updated")
    typist.type("jobs.lust\r")
    typist.until("Did you mean jobs.list")
    typist.type("jobs.list stat")
    typist.until("status=")
    typist.type("\tsucc")
    typist.until("succeeded")
    typist.type("\t\r")
    typist.until("no jobs")
    typist.until("→")
    typist.type("\x04")
    assert typist.process.wait(LIMIT_S) == 0


def test_a_script_is_done_line_by_line_and_recorded(shell: Shell, tmp_path: Path) -> None:
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
    ended = shell.run("console", "--json", "--record", str(record), "--env", "BACKEND_PORT=1", stdin=script)
    assert (ended.code, ended.err) == (0, "")
    methods = [message["method"] for message in sent_by_client(record)]
    assert methods == ["initialize", "jobs.create", "jobs.get", "initialized", "jobs.log.list"]
    header, *entries = lines_of(record)
    assert header["env"] == {"BACKEND_PORT": "1"}
    assert [entry for entry in entries if "raw" in entry] != []
    assert entries[-1]["exit"] == 0


def test_a_mistake_ends_a_script_with_a_sentence(shell: Shell) -> None:
    ended = shell.run("console", stdin="initialize\njobs.get job_id=$7.job_id\njobs.list\n")
    assert ended.code == 2
    assert "$7.job_id is nothing that an answer has" in ended.err
    assert "no jobs" not in ended.out


def test_a_secret_of_the_environment_is_not_noted(shell: Shell, tmp_path: Path) -> None:
    record = tmp_path / "made.jsonl"
    shell.run("console", "--record", str(record), "--env", "BACKEND_TOKEN=open sesame", stdin="system.health\n")
    assert "sesame" not in record.read_text("utf-8")


def test_words_may_hold_spaces_in_quotes_and_json() -> None:
    assert words_of('a.b title="A walk" payload={"keep": 2}  n:=[1, 2] x=$2.y') == [
        "a.b",
        "title=A walk",
        'payload:={"keep": 2}',
        "n:=[1, 2]",
        "x=$2.y",
    ]
