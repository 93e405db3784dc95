"""Something to verify against that says what a test wants."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import Terms, check, explain

Compare = Callable[..., str]

SCRIPTED = """
import json, pathlib, sys
for block in json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8")):
    if not sys.stdin.readline():
        break
    for text in block:
        print(text, flush=True)
sys.stdin.read()
pathlib.Path(sys.argv[1]).with_suffix(".ended").touch()
"""


@pytest.fixture
def verified(tmp_path: Path) -> Compare:
    """What is found where a sidecar answers each line of a transcript's client with these lines.

    A line is text or a message.  Where the sidecar ends by itself, it leaves `said.ended` behind.
    """

    def find(path: Path, *blocks: list[Any], patience_s: float = 1.0) -> str:
        said = [[one if isinstance(one, str) else json.dumps(one) for one in block] for block in blocks]
        (tmp_path / "said.json").write_text(json.dumps(said), "utf-8")
        terms = Terms(command=(sys.executable, "-c", SCRIPTED, str(tmp_path / "said.json")), patience_s=patience_s)
        return "\n".join(explain(path, finding) for finding in check(path, terms))

    return find
