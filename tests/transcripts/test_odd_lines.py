"""What a client says that is JSON but no request: it is recorded, verified, played and shown like all else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.transcripts.verify.check import Terms, check, explain
from sidecar.transcripts.verify.sidecar_process import replay_command
from tests.conftest import StartRawClient
from tests.transcripts.recording import ask, lines_of, said_to

HELLO = ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})
MODIFIED_SIDECAR = [
    *({**ask(0, "jobs.list"), "id": odd} for odd in ([1], {"a": 1}, 1.5, True, None)),
    [{**ask(0, "jobs.list"), "id": [2]}, ask(3, "jobs.list"), 4],
    5,
    None,
    "jobs.list",
    {**ask(9, "jobs.list"), "method": ["jobs.list"]},
    {**ask(9, "jobs.list"), "params": [1]},
    {"jsonrpc": "2.0", "method": {"no": "request"}},
]


@pytest.fixture
def recorded(raw_client: StartRawClient, tmp_path: Path) -> Path:
    """All of it, recorded by the real sidecar."""
    path = tmp_path / "odd.jsonl"
    with raw_client("--record", str(path)) as wire:
        wire.send(b"".join(json.dumps(one).encode() + b"\n" for one in [HELLO, *MODIFIED_SIDECAR]))
        wire.close_stdin()
        wire.remaining()
        assert wire.exit_code() == 0
    return path


def explained(path: Path, terms: Terms) -> str:
    """All that is found."""
    return "\n".join(explain(path, finding) for finding in check(path, terms))


def test_odd_lines_are_recorded_and_end_nothing(recorded: Path) -> None:
    assert said_to(recorded) == [HELLO, *MODIFIED_SIDECAR]
    assert lines_of(recorded)[-1]["exit"] == 0


def test_odd_lines_are_verified_and_played(recorded: Path) -> None:
    assert explained(recorded, Terms()) == ""
    assert explained(recorded, Terms(command=tuple(replay_command(str(recorded))))) == ""


def test_odd_lines_are_shown(recorded: Path, tmp_path: Path) -> None:
    for more in ([], ["--json"], ["--html", str(tmp_path / "page.html")]):
        command = [sys.executable, "-m", "sidecar", "inspect", str(recorded), *more]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
