"""Measurement of what a window waits for: `python -m tests.bench.window [--rounds N]`.

Starts the sidecar and the example's page in Chromium side by side, as an app does, and measures when each was ready and
when the first list was shown.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.server import environment
from tests.bench.server_kinds import ROOT
from tests.electron.compiling import PACKAGE, compile_into, missing
from tests.electron.conftest import chromium

NODE_S: Final = 600.0
"""Timeout of the Node driver."""
TIMES: Final = {"page": "page loaded", "sidecar": "handshake done", "list": "first list shown"}


def measure(folder: Path, rounds: int) -> list[dict[str, float]]:
    """Returns the milliseconds of each round, from the start of both."""
    built, compiled, data = folder / "example", folder / "compiled", folder / "data"
    compiled.mkdir()
    data.mkdir()
    compile_into(compiled)
    subprocess.run(["node", str(PACKAGE / "example" / "build.mjs"), str(built)], check=True)
    options = {
        "command": [sys.executable, "-m", "sidecar"],
        "dataDir": str(data),
        "built": str(built),
        "rounds": rounds,
    }
    done = subprocess.run(
        ["node", str(compiled / "tests" / "bench" / "window.mjs"), json.dumps(options)],
        cwd=ROOT,
        env=environment(data) | {"SIDECAR_COMPILED": str(compiled), "SIDECAR_CHROMIUM": chromium() or ""},
        stdout=subprocess.PIPE,
        timeout=NODE_S,
        check=True,
    )
    found: list[dict[str, float]] = json.loads(done.stdout)
    return found


def main(arguments: list[str]) -> int:
    """Measures and prints; exits with 1 if something needed is missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.window", description="What a window waits for.")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(arguments)
    absent = missing() or ("no chromium on PATH" if chromium() is None else None)
    if absent is not None:
        print(absent)
        return 1
    with tempfile.TemporaryDirectory(prefix="sidecar-window-", ignore_cleanup_errors=True) as folder:
        found = measure(Path(folder), options.rounds)
    for name, label in TIMES.items():
        taken = [one[name] for one in found]
        print(f"{label:20}{statistics.median(taken):8.0f} ms, at least {min(taken):.0f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
