"""A scripted sidecar to verify transcripts against."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all

Verify = Callable[..., str]

SCRIPTED = """
import json, pathlib, sys, threading
for block in json.loads(pathlib.Path(sys.argv[1]).read_text("utf-8")):
    if not sys.stdin.readline():
        break
    for text in block:
        print(text, flush=True)
sys.stdin.read()
threading.Event().wait(float(sys.argv[2]))
pathlib.Path(sys.argv[1]).with_suffix(".ended").touch()
"""


@pytest.fixture
def verified(tmp_path: Path) -> Verify:
    """Verifies a transcript against a sidecar that sends these lines after each line of the client.

    A line is a text or a message.  When its stdin ends, the sidecar takes this time to create
    `script.ended` and to exit.
    """

    def verify(path: Path, *blocks: list[Any], timeout_s: float = 1.0, ends_in_s: float = 0.0) -> str:
        script = tmp_path / "script.json"
        lines = [[one if isinstance(one, str) else json.dumps(one) for one in block] for block in blocks]
        script.write_text(json.dumps(lines), "utf-8")
        options = VerifyOptions(
            command=(sys.executable, "-c", SCRIPTED, str(script), str(ends_in_s)), timeout_s=timeout_s
        )
        return explain_all(path, check(path, options))

    return verify
