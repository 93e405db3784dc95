"""What a call costs that comes from an Electron page: protocol/typescript, driven by Node."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.bench.arena import Arena, Values
from tests.bench.contestants import ROOT, Refused
from tests.bench.server import environment
from tests.electron.compiling import compile_into, missing

NODE_S: Final = 30.0
"""A driver that takes longer than this hangs."""


def bridge(arena: Arena) -> None:
    """The median of a trivial call from the main process, from a page, and the difference."""
    if (absent := missing()) is not None:
        arena.notes["bridge"] = f"left out: {absent}"
        return
    stage = arena.stages[0]
    with tempfile.TemporaryDirectory(prefix="sidecar-bridge-") as folder:
        compile_into(Path(folder))
        script = Path(folder, "tests", "bench", "bridge.mjs")

        def sample() -> Values:
            return _driven(script, stage.contestant.command(stage.data("bridge")), stage.data("bridge"), arena)

        arena.take_turns("bridge", {stage.contestant.name: sample})


def _driven(script: Path, command: list[str], folder: Path, arena: Arena) -> Values:
    order = {"command": command, "dataDir": str(folder), "seconds": 4 * arena.pace.seconds}
    try:
        done = subprocess.run(
            ["node", str(script), json.dumps(order)],
            cwd=ROOT,
            env=environment(folder),
            capture_output=True,
            timeout=NODE_S,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise Refused(f"the page's driver failed: {type(error).__name__}") from error
    medians: Any = json.loads(done.stdout)
    return {key: float(value) for key, value in medians.items()}
