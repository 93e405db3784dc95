"""Runs commands as real processes in an environment of their own, and finds the processes that they leave behind."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
STANDIN = ROOT / "tests" / "fakes" / "claude"
MODULE = (sys.executable, "-m", "sidecar")
SCRIPT = (sys.executable, "-c", "from sidecar.__main__ import main; main()")
"""The entry point that pip installs for `sidecar = "sidecar.__main__:main"`."""
LIMIT_S = 120.0
OWNER_ENV = "SIDECAR_TEST_OWNER"
"""The variable by which the processes of one test are found."""


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """The value that `--json` printed on its only line."""
        assert self.err == "", self.err
        (line,) = self.out.splitlines()
        return json.loads(line)


class CliHarness:
    """Runs commands; no `claude` can be found unless the environment names one."""

    def __init__(self, home: Path, data_dir: Path) -> None:
        self.home = home
        self.data_dir = data_dir
        self.owner = uuid.uuid4().hex
        self.environment = {
            "PATH": "",
            "HOME": str(home),
            "TMPDIR": str(home),
            "APP_DATA_DIR": str(data_dir),
            "CLAUDE_PATH": str(home / "no-claude-here"),
            "PYTHONIOENCODING": "utf-8",
            OWNER_ENV: self.owner,
        }

    def install_claude(self) -> None:
        """Make the scripted stand-in for `claude` the one that is found."""
        self.environment |= {"CLAUDE_PATH": str(STANDIN), "PATH": os.environ["PATH"]}

    def run(self, *arguments: str, stdin: str = "", program: tuple[str, ...] = MODULE, **more: str) -> Ended:
        """Run a command until it exits; keywords are added to its environment."""
        with self.start(*arguments, program=program, **more) as process:
            out, err = process.communicate(stdin, timeout=LIMIT_S)
        return Ended(process.returncode, out, err)

    @contextmanager
    def serving(self) -> Iterator[int]:
        """Run a sidecar during the block, which has the database open; yields its process id."""
        with self.start() as process:
            assert process.stderr is not None
            process.stderr.readline()  # the log's first line
            yield process.pid
            process.communicate("", timeout=LIMIT_S)

    def start(self, *arguments: str, program: tuple[str, ...] = MODULE, **more: str) -> "subprocess.Popen[str]":
        """Start a command, its three streams pipes."""
        return subprocess.Popen(
            [*program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            cwd=ROOT,
            env={**self.environment, **more},
        )

    def run_on_terminal(self, *arguments: str, program: tuple[str, ...] = MODULE, columns: int = 80) -> Ended:
        """Run a command on a terminal; `out` is everything it printed, including control codes."""
        terminal, other_end = pty.openpty()
        more = {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
        environment = {**self.environment, **more}
        with subprocess.Popen(
            [*program, *arguments], stdin=other_end, stdout=other_end, stderr=other_end, cwd=ROOT, env=environment
        ) as process:
            os.close(other_end)
            printed = _read_all(terminal)
            os.close(terminal)
            return Ended(process.wait(LIMIT_S), printed.decode("utf-8"), "")

    def interrupt(self, *arguments: str, after: str, stream: str) -> Ended:
        """Run a command and press Ctrl-C once a line that contains `after` was printed on `stream`, out or err."""
        with self.start(*arguments) as process:
            pipe = process.stdout if stream == "out" else process.stderr
            assert pipe is not None
            seen = ""
            for line in pipe:
                seen += line
                if after in line:
                    break
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=LIMIT_S)
        return Ended(process.returncode, *((seen + out, err) if stream == "out" else (out, seen + err)))

    def left_running(self) -> list[psutil.Process]:
        """The processes started by our commands that still run, also if their parents have exited.

        Waits for what a sidecar has started: at its end it kills that, without waiting for long.
        """
        until = time.monotonic() + LIMIT_S
        while left := [process for process in psutil.process_iter() if self._is_ours(process)]:
            if any(map(_is_sidecar, left)) or time.monotonic() > until:
                return left
            psutil.wait_procs(left, 0.1)
        return []

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(OWNER_ENV) == self.owner and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def _is_sidecar(process: psutil.Process) -> bool:
    try:
        return "sidecar" in process.cmdline()
    except psutil.Error:
        return False


def _read_all(terminal: int) -> bytes:
    printed = bytearray()
    while select.select([terminal], [], [], LIMIT_S)[0]:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # on Linux, the other end is closed
            break
        if not chunk:
            break
        printed += chunk
    return bytes(printed)
