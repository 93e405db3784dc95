"""The CPU time of a start, layer by layer: `python -m tests.bench.start_layers [--rounds N]`.

Starts the sidecar on an existing database, imports its layers one after another, and measures up to the response to
`initialize`; prints the medians as the table in `sidecar/wire/README.md` has them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.bench.server import environment
from tests.bench.server_kinds import ROOT, encode_line, handshake

LAYERS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("asyncio", ("asyncio",)),
    ("pydantic, and the declarations of the contract", ("sidecar_protocol.contract", "sidecar_protocol.scalars")),
    ("models of the handshake and of jobs", ("sidecar_protocol.system.lifecycle", "sidecar_protocol.jobs.schedules")),
    ("storage, wire, jobs, composition", ("sidecar.app",)),
)
"""Each layer's name, and the modules that bring it; each comes without what earlier ones have imported."""
REST: Final = "opening the database, the response"
_SCRIPT: Final = """
import gc, importlib, json, os, sys, time
times = [time.process_time()]
gc.disable()
import sidecar.serve
from sidecar.http import lean_imports
for names in json.loads(sys.argv.pop(1)):
    if names == ["asyncio"]:
        with lean_imports.replaced_modules({"ssl": None}):
            import asyncio
    else:
        lean_imports.import_asyncio_and_pydantic()
        for name in names:
            importlib.import_module(name)
    times.append(time.process_time())
write = os.write
def noting(descriptor, data):
    if b'"result"' in bytes(data[:60]):
        sys.stderr.write("TIMES " + json.dumps([*times, time.process_time()]) + chr(10))
        os._exit(0)
    return write(descriptor, data)
os.write = noting
sidecar.serve.main([])
"""


def start(folder: Path) -> list[float]:
    """Returns the milliseconds of CPU of each layer: Python, those of LAYERS, the rest."""
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, json.dumps([names for _, names in LAYERS])],
        cwd=ROOT,
        env=environment(folder) | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "protocol")))},
        input=encode_line(1, "initialize", handshake()),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    times = json.loads(done.stderr.decode().rpartition("TIMES ")[2].partition("\n")[0])
    return [1e3 * (after - before) for before, after in zip([0.0, *times], times, strict=False)]


def main(arguments: list[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start_layers", description="A start, layer by layer.")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sidecar-start-", ignore_cleanup_errors=True) as folder:
        start(Path(folder))  # creates the database
        found = [start(Path(folder)) for _ in range(options.rounds)]
    medians = [statistics.median(taken) for taken in zip(*found, strict=True)]
    for name, taken in zip(["Python", *(name for name, _ in LAYERS), REST], medians, strict=True):
        print(f"| {name:48} | {100 * taken / sum(medians):3.0f} % | {taken:6.1f} ms |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
