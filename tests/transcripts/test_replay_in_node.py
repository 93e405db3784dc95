"""ReplayTransport, the stand-in inside JavaScript's own tests: compiled by tsc, run by Node, on our own transcripts."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.file.patterns import example
from tests.transcripts.recording import TRANSCRIPTS, answer, ask, c2s, lines_of, s2c, said_by, tell, write

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "protocol" / "typescript"
SCRIPT = Path(__file__).with_name("replay_in_node.mjs")


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """replay.ts as JavaScript."""
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
    """What came in Node."""
    command = ["node", str(SCRIPT), module.as_uri(), str(path), pace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    came: list[Any] = json.loads(done.stdout)
    return came


@pytest.mark.parametrize("pace", ["fast", "recorded"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_plays_in_node_as_it_was_recorded(module: Path, path: Path, pace: str) -> None:
    if sum("transcript" in line for line in lines_of(path)) > 1:
        pytest.skip("a stand-in plays one life")
    if path.stem.startswith("invalid_requests"):
        pytest.skip("no client in JavaScript says that; the stand-in with the sidecar's own framing knows an answer")
    recorded = _known(example(said_by(path)))
    came = _known(played(module, path, pace))
    assert sorted(map(str, came)) == sorted(map(str, recorded))
    assert [one for one in came if "method" in one] == [one for one in recorded if "method" in one]


def _known(messages: list[Any]) -> list[Any]:
    """With JavaScript's numbers, and without the last state, which the end of the process brings."""
    kept = [message for message in messages if message != tell("system.state", state="draining")]
    made: list[Any] = json.loads(json.dumps(kept), parse_float=_as_in_javascript)
    return made


def _as_in_javascript(digits: str) -> float:
    value = float(digits)
    return int(value) if value.is_integer() else value


def test_answers_keep_their_place_among_the_notifications(module: Path, tmp_path: Path) -> None:
    tape = write(
        tmp_path / "tape.jsonl",
        c2s(1, ask(1, "jobs.list")),
        s2c(2, tell("jobs.progress", progress=0.5)),
        s2c(3, answer(1, jobs=["first"])),
        s2c(4, tell("jobs.progress", progress=0.75)),
        c2s(5, ask(2, "jobs.list")),
        s2c(6, answer(2, jobs=["second"])),
    )
    for pace in ("fast", "recorded"):
        assert played(module, tape, pace) == said_by(tape)
