"""`ReplayTransport`, the replay for tests in JavaScript: compiled by tsc and run by Node on our transcripts."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.file.patterns import example
from tests.transcripts.recording import (
    BACKUP,
    CONNECT,
    TRANSCRIPTS,
    answer,
    c2s,
    notification,
    request,
    s2c,
    sent_by_sidecar,
    write,
)
from tests.transcripts.vectors import VECTORS, plain

pytestmark = pytest.mark.xdist_group("replay_in_node")  # compiled once

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "protocol" / "typescript"
SCRIPT = Path(__file__).with_name("replay_in_node.mjs")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns replay.ts compiled to JavaScript."""
    tsc = TYPESCRIPT / "node_modules" / "typescript" / "bin" / "tsc"
    if not tsc.exists():
        pytest.skip("TypeScript is not installed: npm install in protocol/typescript")
    out = tmp_path_factory.mktemp("compiled")
    config = {
        "extends": str(TYPESCRIPT / "tsconfig.json"),
        "compilerOptions": {
            "lib": ["es2023", "dom"],
            "noEmit": False,
            "allowImportingTsExtensions": False,
            "rewriteRelativeImportExtensions": True,
            "outDir": str(out),
            "rootDir": str(TYPESCRIPT),
        },
        "include": [str(TYPESCRIPT / "replay.ts")],
    }
    (out / "tsconfig.json").write_text(json.dumps(config))
    (out / "package.json").write_text('{"type":"module"}')
    done = subprocess.run(["node", str(tsc), "-p", str(out)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    return out / "replay.js"


def played(module: Path, path: Path, pace: str = "fast") -> list[Any]:
    """Returns the messages that a client in Node receives."""
    command = ["node", str(SCRIPT), module.as_uri(), str(path), pace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    received: list[Any] = json.loads(done.stdout)
    return received


@pytest.fixture(scope="module")
def vectors(module: Path) -> dict[str, Any]:
    """Returns what `ReplayTransport` sends at each step of each vector, or why it refuses the transcript."""
    script = Path(__file__).with_name("vectors_in_node.mjs")
    command = ["node", str(script), module.as_uri(), *map(str, VECTORS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    received: dict[str, Any] = json.loads(done.stdout)
    return received


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_replay_transport_follows_the_rules(path: Path, vectors: dict[str, Any]) -> None:
    vector, found = json.loads(path.read_text("utf-8")), vectors[str(path)]
    if "refused" in vector:
        assert found.startswith(f"line {vector['refused']}: ")
    else:
        assert [plain(step) for step in found] == [step["receive"] for step in vector["steps"]]


ONE_RUN = [path for path in TRANSCRIPTS if path.read_bytes().count(b'{"transcript":1') == 1]
"""A replay plays one run."""


@pytest.mark.parametrize(
    ("path", "pace"),
    [*((path, "fast") for path in ONE_RUN), (BACKUP, "recorded"), (CONNECT, "recorded")],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_a_transcript_is_replayed_in_node_as_recorded(module: Path, path: Path, pace: str) -> None:
    # Refused lines have the same kind of error in both, with another text.
    shown = plain if path.stem.startswith("invalid_requests") else lambda messages: messages
    recorded = shown(_known(example(sent_by_sidecar(path))))
    received = shown(_known(played(module, path, pace)))
    assert sorted(map(str, received)) == sorted(map(str, recorded))
    assert [one for one in received if "method" in one] == [one for one in recorded if "method" in one]


def _known(messages: list[Any]) -> list[Any]:
    """Returns the messages with JavaScript's numbers and without the last state, sent when the process ends."""
    kept = [message for message in messages if message != notification("system.state", state="draining")]
    made: list[Any] = json.loads(json.dumps(kept), parse_float=_as_in_javascript)
    return made


def _as_in_javascript(digits: str) -> float:
    value = float(digits)
    return int(value) if value.is_integer() else value


def test_answers_keep_their_place_among_notifications(module: Path, tmp_path: Path) -> None:
    recording = write(
        tmp_path / "recording.jsonl",
        c2s(1, request(1, "jobs.list")),
        s2c(2, notification("jobs.progress", progress=0.5)),
        s2c(3, answer(1, jobs=["first"])),
        s2c(4, notification("jobs.progress", progress=0.75)),
        c2s(5, request(2, "jobs.list")),
        s2c(6, answer(2, jobs=["second"])),
    )
    for pace in ("fast", "recorded"):
        assert played(module, recording, pace) == sent_by_sidecar(recording)
