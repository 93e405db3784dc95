"""A scripted sidecar to verify transcripts against."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import isolated_environment
from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.file.format import Header, read_runs
from sidecar.transcripts.sidecar_process import SidecarProcess, SidecarTimeout
from sidecar.transcripts.verify.check import VerifyOptions, check, report_of, verify
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.findings import Report, explain_all

Verify = Callable[..., str]
Reported = Callable[..., Report]

SCRIPTED = """
import json, pathlib, sys, threading
for number, block in enumerate([[], *json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8"))]):
    if number and not sys.stdin.readline():
        break
    for text in [*block, json.dumps({"lines_read": number})]:
        print(text, flush=True)
for line in sys.stdin:
    number += 1
    print(json.dumps({"lines_read": number}), flush=True)
threading.Event().wait(float(sys.argv[2]))
pathlib.Path(sys.argv[1]).with_suffix(".ended").touch()
"""
"""Sends a block after each line that it reads, and then says how many it has read."""


class ScriptedSidecar(SidecarProcess):
    """A scripted sidecar; what it has not sent is missing as soon as it has read everything, not after some time."""

    _lines_sent = 0
    _lines_read = -1
    _is_at_eof = False

    def send(self, line: bytes) -> None:
        self._lines_sent += line.count(b"\n") + 1
        super().send(line)

    def close_stdin(self) -> None:
        self._is_at_eof = True
        super().close_stdin()

    def receive(self, timeout_s: float | None = None) -> Any:
        """Returns the next message, or raises SidecarTimeout if none follows what was sent."""
        while self._is_at_eof or self._lines_read < self._lines_sent:
            message = super().receive(timeout_s if self._is_at_eof else self.timeout_s)
            if message is None or "lines_read" not in message:
                return message
            self._lines_read = message["lines_read"]
        raise SidecarTimeout("the script has no more")


@pytest.fixture
def reported(tmp_path: Path) -> Reported:
    """Verifies a transcript against a sidecar that sends these lines after each line of the client.

    A line is a text or a message.  When its stdin ends, the sidecar takes this time to create
    `script.ended` and to exit.  `then` has what the sidecar of the second run sends.
    """

    def verify_scripted(
        path: Path, *blocks: list[Any], then: Sequence[list[Any]] = (), ends_in_s: float = 0.0
    ) -> Report:
        script = tmp_path / "script.json"
        scripts = [blocks, then]
        comparison = Comparison(contract_facts(), tmp_path / "written")

        def start(header: Header) -> SidecarProcess:
            run = scripts.pop(0) if then else blocks
            lines = [[one if isinstance(one, str) else json.dumps(one) for one in block] for block in run]
            script.write_text(json.dumps(lines), "utf-8")
            comparison.times.start(header.facts.get("started_at"), None)
            program = (sys.executable, "-c", SCRIPTED, str(script), str(ends_in_s))
            return ScriptedSidecar(program, isolated_environment(tmp_path / "data", {}))

        return report_of(verify(read_runs(path), start, comparison), comparison, VerifyOptions())

    return verify_scripted


@pytest.fixture
def verified(reported: Reported) -> Verify:
    """Verifies a transcript as `reported` does, and returns the report as text; an empty one if nothing differs."""

    def explained(path: Path, *blocks: list[Any], **options: Any) -> str:
        return explain_all(path, reported(path, *blocks, **options))

    return explained


TRY = """
import builtins, pathlib, sys
def print(text, flush):
    if "lines_read" not in text:
        builtins.print(text, flush=flush)
folder = pathlib.Path(sys.argv[1])
number = len(list(folder.glob("try-*")))
class Stdin:
    def __init__(self, lines, copy):
        self.lines, self.copy = lines, copy
    def readline(self):
        line = self.lines.readline()
        self.copy.write(line)
        self.copy.flush()
        return line
    def __iter__(self):
        return iter(self.readline, "")
sys.stdin = Stdin(sys.stdin, (folder / f"try-{number}").open("w"))
sys.argv[1] = str(folder / f"script-{number}.json")
"""
"""Takes a script of its own for each start, sends only that, and writes down what it reads."""


def tried(path: Path, *starts: list[list[Any]]) -> Report:
    """Verifies a transcript against a sidecar that sends these blocks, one for each line, at each of its starts.

    A line is a text or a message.  What it reads is in `try-0` and so on, beside the transcript.
    """
    for number, blocks in enumerate(starts):
        lines = [[one if isinstance(one, str) else json.dumps(one) for one in block] for block in blocks]
        path.with_name(f"script-{number}.json").write_text(json.dumps(lines))
    program = (sys.executable, "-c", TRY + SCRIPTED, str(path.parent), "0")
    return check(path, VerifyOptions(program))
