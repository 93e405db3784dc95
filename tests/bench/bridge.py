"""Cost of a call from an Electron page: protocol/typescript, driven by Node."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.bench.benchmark import Benchmark, Values
from tests.bench.server import environment
from tests.bench.server_kinds import ROOT, Refused
from tests.electron.compiling import compile_into, missing

NODE_S: Final = 120.0
"""Timeout of the Node driver."""


def bridge(benchmark: Benchmark) -> None:
    """Measures the median of a trivial call from the main process and from a page, and the difference."""
    if (absent := missing()) is not None:
        benchmark.notes["bridge"] = f"left out: {absent}"
        return
    pool = benchmark.pools[0]
    with tempfile.TemporaryDirectory(prefix="sidecar-bridge-") as folder:
        compile_into(Path(folder))
        script = Path(folder, "tests", "bench", "bridge.mjs")

        def sample() -> Values:
            return _driven(script, pool.kind.command(pool.data("bridge")), pool.data("bridge"), benchmark)

        benchmark.sample_each("bridge", {pool.kind.name: sample})


def _driven(script: Path, command: list[str], folder: Path, benchmark: Benchmark) -> Values:
    options = {"command": command, "dataDir": str(folder), "seconds": 4 * benchmark.pace.seconds}
    try:
        done = subprocess.run(
            ["node", str(script), json.dumps(options)],
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
