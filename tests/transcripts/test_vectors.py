"""The vectors of replay, played by `sidecar replay`; `test_replay_in_node.py` plays them in JavaScript."""

import json
from pathlib import Path

import pytest

from sidecar.paths import command
from tests.conftest import StartRawClient
from tests.transcripts.vectors import VECTORS, options_of, plain, text_of


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_stand_in_follows_the_rules(path: Path, raw_client: StartRawClient, tmp_path: Path) -> None:
    vector = json.loads(path.read_text("utf-8"))
    transcript = tmp_path / "recording.jsonl"
    transcript.write_text("".join(text_of(line) + "\n" for line in vector["transcript"]), "utf-8")
    replay = command("replay", str(transcript), *options_of(vector.get("options", {})))
    with raw_client(command=replay) as wire:
        if "refused" in vector:
            assert wire.exit_code() == 2
            assert f"recording.jsonl:{vector['refused']}: " in wire.errors.read_text("utf-8")
            return
        for step in vector["steps"]:
            wire.send("".join(text_of(line) + "\n" for line in step["send"]).encode())
            assert [plain(wire.receive()) for _ in step["receive"]] == step["receive"]
