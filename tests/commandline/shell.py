"""A shell for the command line's tests: an environment of its own, real processes, and a look at what they leave."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
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
SCRIPT = (sys.executable, "-c", "from sidecar.cli import main; main()")
"""What pip makes of `sidecar = "sidecar.cli:main"`."""
LIMIT_S = 120.0
MARK = "SIDECAR_TEST_MARK"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def result(self) -> Any:
        """What `--json` printed: exactly one line."""
        assert self.err == "", self.err
        (line,) = self.out.splitlines()
        return json.loads(line)


class Shell:
    """Runs commands; no `claude` can be found unless the environment names one."""

    def __init__(self, home: Path, data_dir: Path) -> None:
        self.home = home
        self.data_dir = data_dir
        self.mark = uuid.uuid4().hex
        self.environment = {
            "PATH": "",
            "HOME": str(home),
            "TMPDIR": str(home),
            "APP_DATA_DIR": str(data_dir),
            "CLAUDE_PATH": str(home / "no-claude-here"),
            "PYTHONIOENCODING": "utf-8",
            MARK: self.mark,
        }

    def install_claude(self) -> None:
        """From here on there is the scripted stand-in."""
        self.environment |= {"CLAUDE_PATH": str(STANDIN), "PATH": os.environ["PATH"]}

    def run(self, *arguments: str, stdin: str = "", program: tuple[str, ...] = MODULE, **more: str) -> Ended:
        """Run a command to its end; keywords are added to its environment."""
        with self.start(*arguments, program=program, **more) as process:
            out, err = process.communicate(stdin, timeout=LIMIT_S)
        return Ended(process.returncode, out, err)

    @contextmanager
    def serving(self) -> Iterator[int]:
        """A sidecar that has the database open meanwhile; its process id."""
        with self.start() as process:
            assert process.stderr is not None
            process.stderr.readline()  # it says that it serves
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
        """Run a command whose streams are a terminal; what it printed is `out`, control codes and all."""
        terminal, its_end = pty.openpty()
        more = {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
        environment = {**self.environment, **more}
        with subprocess.Popen(
            [*program, *arguments], stdin=its_end, stdout=its_end, stderr=its_end, cwd=ROOT, env=environment
        ) as process:
            os.close(its_end)
            printed = _read_all(terminal)
            os.close(terminal)
            return Ended(process.wait(LIMIT_S), printed.decode("utf-8"), "")

    def interrupt(self, *arguments: str, after: str, stream: str) -> Ended:
        """Run a command and press Ctrl-C once a line with these words has come from `stream`, out or err."""
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
        """The processes that came of our commands and still run, wherever they stand in the process tree."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARK) == self.mark and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def _read_all(terminal: int) -> bytes:
    printed = bytearray()
    while select.select([terminal], [], [], LIMIT_S)[0]:
        try:
            chunk = os.read(terminal, 65_536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not chunk:
            break
        printed += chunk
    return bytes(printed)
