"""Prints the size and the start of both bundles and of the virtual environment: `python -m tests.packaging.measure`."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.process.raw_client import RawClient

STARTS = 11


def build(folder: Path, *options: str) -> Path:
    """Returns the program of a new bundle."""
    subprocess.run([sys.executable, "-m", "sidecar", "bundle", "--out", str(folder), *options], check=True)
    return folder / "sidecar" / "sidecar"


def size_mib(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 2**20


def start_ms(command: list[str], data_dir: Path) -> float:
    """Returns the time from spawning a program to the response to `initialize`."""
    begun = time.perf_counter()
    with RawClient(data_dir, command=command) as wire:
        wire.initialize()
        return (time.perf_counter() - begun) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = {
            "virtual environment": ([sys.executable, "-m", "sidecar"], Path(sys.prefix)),
            "copy": ([str(program := build(folder / "copied"))], program.parent),
            "frozen": ([str(program := build(folder / "frozen", "--frozen"))], program.parent),
        }
        starts: dict[str, list[float]] = {kind: [] for kind in programs}
        for _ in range(STARTS):  # in turn, so that a busy moment does not hit one kind
            for kind, (command, _) in programs.items():
                starts[kind].append(start_ms(command, folder / "data"))
        for kind, (_, installed) in programs.items():
            print(
                f"{kind:20} {size_mib(installed):4.0f} MiB  {statistics.median(starts[kind]):4.0f} ms to `initialize`"
            )


if __name__ == "__main__":
    main()
