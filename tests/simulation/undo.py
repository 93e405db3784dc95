"""`python -m tests.simulation.undo [NAME …] [--minutes M]`: undoes mends, one at a time, and lets the simulation look.

Each patch in `undone/` takes back a mend in a copy of the code; its first line says which.  Fresh lives are lived there
until one breaks a sentence that it keeps without the patch, for M minutes of CPU at most.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATCHES = Path(__file__).parent / "undone"
PARTS = ("sidecar", "protocol/sidecar_protocol", "schema", "tests")


def look(patch: Path, minutes: float, first: int) -> str:
    """Returns which sentence was broken after how long, or that none was.

    A life that breaks a sentence in the code as it is, too, says nothing about the mend.
    """
    with tempfile.TemporaryDirectory(prefix="undone-") as folder:
        for part in PARTS:
            shutil.copytree(ROOT / part, Path(folder) / part, ignore=shutil.ignore_patterns("node_modules"))
        subprocess.run(["git", "apply", str(patch)], cwd=folder, check=True)
        spent, lives = 0.0, 0
        while spent < minutes * 60:
            output = simulate(folder, "--minutes", str(minutes - spent / 60), "--until-broken", "--first", str(first))
            seeds = [int(one) for one in re.findall(r"^seed (\d+)", output, re.MULTILINE)]
            cpu = re.search(r"([\d.]+) s of CPU", output)
            if cpu is None:
                return f"could not be looked for: {output[-300:]}"
            spent, lives, first = spent + float(cpu[1]), lives + len(seeds), seeds[-1] + 1
            broken = re.search(r"^  BROKEN: (.*)", output, re.MULTILINE)
            if broken is None:
                break
            if "BROKEN" in simulate(str(ROOT), "--seeds", str(seeds[-1])):
                print(f"seed {seeds[-1]} breaks a sentence without the patch, too: {broken[1]}", flush=True)
            else:
                return f"found after {spent:.0f} s by life {lives}, seed {seeds[-1]}: {broken[1]}"
    return f"not found in {spent / 60:.1f} min by {lives} lives"


def simulate(folder: str, *arguments: str) -> str:
    """Lives lives with the code of a folder; returns the output."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{folder}/protocol"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.undo", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first", type=int, default=12, help="the first seed; 12 to 15 have most accounts")
    arguments = parser.parse_args()
    missed = 0
    for patch in sorted(PATCHES.glob("*.patch")):
        if not arguments.names or patch.stem in arguments.names:
            found = look(patch, arguments.minutes, arguments.first)
            print(f"{patch.stem}: {found}", flush=True)
            missed += not found.startswith("found")
    return missed


if __name__ == "__main__":
    sys.exit(main())
