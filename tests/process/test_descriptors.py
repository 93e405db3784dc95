"""Stdin, stdout and stderr that are closed, full, or never read."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar import exit_codes
from sidecar.paths import isolated_environment
from tests.conftest import StartRawClient
from tests.process.raw_client import CLIENT, PATIENCE_S, ROOT, RawClient, line

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the redirections are those of a POSIX shell")

HELLO = line("initialize", 1, **CLIENT) + line("jobs.create", 2, type="maintenance.backup")


def start(data_dir: Path, redirections: str) -> "subprocess.Popen[bytes]":
    """Starts the sidecar with redirections of a shell and, apart from those, pipes."""
    data_dir.parent.mkdir(parents=True, exist_ok=True)
    command = ["sh", "-c", f'exec "$0" -m sidecar {redirections}', sys.executable]
    environment, pipe = isolated_environment(data_dir, {}), subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, env=environment)


def run(data_dir: Path, redirections: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs the sidecar with redirections of a shell, and HELLO as its input, until it ends."""
    with start(data_dir, redirections) as process:
        output, errors = process.communicate(HELLO, timeout=PATIENCE_S)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def results(output: bytes) -> list[Any]:
    """Returns the ids of the requests that were answered with results."""
    messages = [json.loads(one) for one in output.splitlines()]
    return [message["id"] for message in messages if "result" in message]


def logged(data_dir: Path) -> str:
    return (data_dir / "logs" / "sidecar.log").read_text("utf-8")


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_stderr_that_takes_nothing_changes_nothing_else(data_dir: Path, stderr: str) -> None:
    with start(data_dir, stderr) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(HELLO)
        process.stdin.flush()
        output = b""
        while results(output) != [1, 2]:  # only then stdin ends: what it leaves behind is not waited for long
            line = process.stdout.readline()
            assert line, "the sidecar has ended"
            output += line
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (0, b"")
    assert "ending with exit code 0" in logged(data_dir)


@pytest.mark.parametrize("redirections", ["<&-", "<&- 2>&-"])
def test_a_closed_stdin_is_one_that_has_ended(data_dir: Path, redirections: str) -> None:
    ended = run(data_dir, redirections)
    assert (ended.returncode, ended.stdout) == (0, b"")
    assert b"Traceback" not in ended.stderr
    assert "ending with exit code 0" in logged(data_dir)


@pytest.mark.parametrize("redirections", [">&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_without_stdout_the_sidecar_ends_and_says_why(data_dir: Path, redirections: str) -> None:
    ended = run(data_dir, redirections)
    assert ended.returncode == exit_codes.IO
    reason = b"sidecar: stdout is closed, so nothing could be answered; connect a pipe to it\n"
    assert ended.stderr == (b"" if "2>&-" in redirections else reason)
    assert not data_dir.exists(), "nothing was begun"


def test_a_host_that_does_not_read_stderr_stops_neither_the_log_file_nor_the_report(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    unread, theirs = os.pipe()
    with raw_client(stderr=theirs) as client:
        client.initialize()
        for number in range(1_500):  # 200 KB of log: a pipe holds 64, and the log's queue 2,000 lines
            client.send(b"garbage %d\n" % number)
        client.call("system.health")
        client.send(line("nobody.calls", note="the last one"))
        assert "unknown, or not allowed" in " ".join(client.call("system.diagnostics")["log_tail"])
        client.close_stdin()
        assert client.exit_code() == 0
    os.close(unread)
    os.close(theirs)
    assert logged(data_dir).count("a line was refused") == 1_500
    assert "ending with exit code 0" in logged(data_dir)


def test_a_log_file_that_blocks_stops_neither_stderr_nor_the_report(raw_client: StartRawClient, data_dir: Path) -> None:
    (data_dir / "logs").mkdir(parents=True)
    os.mkfifo(data_dir / "logs" / "sidecar.log")  # opening it waits for a reader that never comes
    with raw_client() as client:
        client.initialize()
        client.send(line("nobody.calls"))
        assert "unknown, or not allowed" in " ".join(client.call("system.diagnostics")["log_tail"])
        client.close_stdin()
        assert client.exit_code() == 0
        assert "ending with exit code 0" in [entry["msg"] for entry in client.log()]


def test_a_log_file_on_a_full_disk_stops_neither_stderr_nor_the_sidecar(
    raw_client: StartRawClient, data_dir: Path
) -> None:
    (data_dir / "logs").mkdir(parents=True)
    (data_dir / "logs" / "sidecar.log").symlink_to("/dev/full")
    with raw_client() as client:
        client.initialize()
        client.close_stdin()
        assert client.exit_code() == 0
        assert "ending with exit code 0" in [entry["msg"] for entry in client.log()]


def test_a_path_that_is_not_utf8_is_logged(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    with RawClient(Path(path)) as client:
        client.initialize()
        client.close_stdin()
        assert client.exit_code() == 0
        messages = [entry["msg"] for entry in client.log()]
    assert [message for message in messages if "caf\ufffd" in message]
    assert messages[-1] == "ending with exit code 0"
    assert [json.loads(text)["msg"] for text in logged(Path(path)).splitlines()] == messages
