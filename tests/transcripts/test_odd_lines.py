"""JSON lines from a client that are not valid requests are recorded, verified, replayed and shown like others."""

import json
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from sidecar.paths import command
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.conftest import StartRawClient
from tests.transcripts.recording import lines_of, request, sent_by_client

CUT = b'{"jsonrpc":"2.0","id":12,"method":"jira.accounts.create","params":{"api_token":"a cut sec'
HELLO = request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})
ODD = [
    *({**request(0, "jobs.list"), "id": odd} for odd in ([1], {"a": 1}, 1.5, True, None)),
    [{**request(0, "jobs.list"), "id": [2]}, request(3, "jobs.list"), 4],
    5,
    None,
    "jobs.list",
    {**request(9, "jobs.list"), "method": ["jobs.list"]},
    {**request(9, "jobs.list"), "params": [1]},
    {"jsonrpc": "2.0", "method": {"no": "request"}},
]


@pytest.fixture
def recorded(raw_client: StartRawClient, tmp_path: Path) -> Path:
    """Returns a recording of all odd lines by the real sidecar."""
    path = tmp_path / "odd.jsonl"
    with raw_client("--record", str(path)) as wire:
        wire.send(b"".join(json.dumps(one).encode() + b"\n" for one in [HELLO, *ODD]))
        wire.close_stdin()
        wire.remaining()
        assert wire.exit_code() == 0
    return path


@pytest.fixture
def whole_ids(raw_client: StartRawClient, tmp_path: Path) -> Path:
    """Returns a recording of a request whose id is written as a fraction."""
    path = tmp_path / "ids.jsonl"
    with raw_client("--record", str(path)) as wire:
        wire.initialize()
        wire.send(b'{"jsonrpc":"2.0","id":5.0,"method":"jobs.list"}\n')
        assert wire.next_answer()["id"] == 5
    return path


def explained(path: Path, options: VerifyOptions) -> str:
    """Returns all mismatches as text."""
    return explain_all(path, check(path, options))


def test_odd_lines_are_recorded_and_do_not_end_the_sidecar(recorded: Path) -> None:
    assert sent_by_client(recorded) == [HELLO, *ODD]
    assert lines_of(recorded)[-1]["exit"] == 0


def test_odd_lines_are_verified_and_replayed(recorded: Path) -> None:
    assert explained(recorded, VerifyOptions()) == ""
    assert explained(recorded, VerifyOptions(command=tuple(command("replay", str(recorded))))) == ""


def test_a_line_with_a_secret_that_was_cut_off_is_verified(raw_client: StartRawClient, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    with raw_client("--record", str(path)) as wire:
        wire.initialize()
        wire.send(CUT)
        wire.close_stdin()
        assert wire.next_answer()["error"]["data"]["recovered_id"] == 12
        wire.exit_code()
    raw = next(line["raw"] for line in lines_of(path) if "raw" in line)
    assert b"a cut sec" not in path.read_bytes() + b64decode(raw)
    assert explained(path, VerifyOptions()) == ""


def test_a_whole_number_is_the_same_id_however_it_is_written(whole_ids: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert explained(whole_ids, VerifyOptions()) == ""
    assert explained(whole_ids, VerifyOptions(command=tuple(command("replay", str(whole_ids))))) == ""
    for more in ([], ["--json"], ["--html", str(page)]):
        inspect = command("inspect", str(whole_ids), *more)
        done = subprocess.run(inspect, capture_output=True, text=True, timeout=120, check=True)
        assert not any(one in done.stdout for one in ("(no id)", "no response", '"refused": 1'))
    assert "answer without a request" not in page.read_text("utf-8").partition('"runs":')[2].partition("</script>")[0]


def test_odd_lines_are_shown(recorded: Path, tmp_path: Path) -> None:
    for more in ([], ["--json"], ["--html", str(tmp_path / "page.html")]):
        inspect = command("inspect", str(recorded), *more)
        done = subprocess.run(inspect, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
