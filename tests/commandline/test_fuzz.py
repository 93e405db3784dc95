"""`sidecar fuzz` prints the smallest conversation that breaks a promise."""

import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.commandline.harness import CliHarness
from tests.transcripts.recording import c2s, request, write

SCRIPTED = """
import json, sys
for line in sys.stdin.buffer:
    try:
        message = json.loads(line)
    except ValueError:
        message = {"id": None}
    if type(message) is not dict or (message.get("method") != "initialize" and b"LOSE" in line):
        continue
    if message.get("id") is None and "method" in message:
        continue
    said = {"jsonrpc": "2.0", "id": message.get("id"), "result": {}}
    if b"BREAK" in line:
        error = {"code": -32603, "message": "\\x1b[31m", "data": {"kind": "internal"}}
        said = {"jsonrpc": "2.0", "id": message["id"], "error": error}
    print(json.dumps(said), flush=True)
"""


@pytest.mark.parametrize(
    ("word", "reason"), [("LOSE", "lost answers: 0 of 1 arrived"), ("BREAK", "internal error: in")]
)
def test_the_smallest_conversation_that_fails_is_printed(
    cli: CliHarness, tmp_path: Path, word: str, reason: str
) -> None:
    calls = [request(number, "jobs.get", job_id=f"{number}", note="x" * 30) for number in range(30)]
    calls[17]["params"]["why"] = word
    path = write(tmp_path / "talk.jsonl", *(c2s(number, call) for number, call in enumerate(calls)))
    script = shlex.join([sys.executable, "-c", SCRIPTED])
    ended = cli.run("fuzz", str(path), "--seed", "3", "--rounds", "1", "--command", script)
    assert ended.code == 1, ended.err
    assert reason in ended.out
    shown = [line for line in ended.out.splitlines() if line.startswith("  → ")]
    assert len(shown) == 1
    assert word in shown[0]
    assert "note" not in shown[0]
    assert f"sidecar fuzz {path} --seed 3 --rounds 1" in ended.out
    assert "\x1b" not in ended.out


def test_a_file_that_is_no_transcript_is_refused(cli: CliHarness, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada,\n")
    ended = cli.run("fuzz", str(path))
    assert (ended.code, ended.out) == (1, "")
    assert f"{path}:1" in ended.err


@pytest.mark.parametrize("kept", [40, -6, -1])
def test_a_file_whose_last_line_is_cut_is_sent_without_it(cli: CliHarness, tmp_path: Path, kept: int) -> None:
    calls = [request(number, "jobs.get", job_id="für") for number in range(3)]
    path = write(tmp_path / "talk.jsonl", *(c2s(number, call) for number, call in enumerate(calls)))
    last = json.dumps(c2s(3, request(3, "jobs.get", job_id="BREAK für")), ensure_ascii=False).encode()
    path.write_bytes(path.read_bytes() + last[:kept])  # -6: in the middle of a character
    script = shlex.join([sys.executable, "-c", SCRIPTED])
    ended = cli.run("fuzz", str(path), "--seed", "3", "--rounds", "1", "--command", script)
    assert (ended.code, ended.err) == (0, "")
