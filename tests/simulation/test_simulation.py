"""Simulated lives: kept seeds, fresh ones, and the promise that a seed is a life.  `__main__` says how to live more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = ("3", "19", "202")
"""Lives that are lived twice each night, with those of `MORE`, to compare their digests."""
MORE = ("700012", "700025", "700043", "700046", "700060", "710004")
KNOWN = range(10_000, 10_008)
"""Lives for each test run: fresh ones would let a change fail for what it has not done."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the simulation finds locks in /proc"),
    pytest.mark.xdist_group("simulation"),
]


def simulate(*arguments: str) -> str:
    """Runs the simulation in a process of its own, since it replaces threads and counts steps; returns its output."""
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"to repeat it: python -m tests.simulation --seed N\n{done.stdout}\n{done.stderr}"
    print(done.stdout)
    return done.stdout


def digests(output: str) -> list[str]:
    return re.findall(r"digest (\w+)", output)


@pytest.mark.nightly
def test_the_kept_lives_break_no_sentence_and_are_the_same_each_time() -> None:
    seeds = [*KEPT, *MORE]
    once = digests(simulate("--seeds", *seeds))
    assert len(once) == len(seeds)
    assert digests(simulate("--seeds", *reversed(seeds))) == once[::-1]


def test_lives_of_known_seeds_break_no_sentence() -> None:
    simulate("--seeds", *KEPT, *map(str, KNOWN))


@pytest.mark.parametrize("patch", sorted((Path(__file__).parent / "undone").glob("*.patch")), ids=lambda one: one.stem)
def test_each_mend_can_be_undone_in_the_present_code(patch: Path) -> None:
    command = ["git", "apply", "--check", str(patch)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"rewrite the patch for the code as it is: {done.stderr}"


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_fresh_lives_break_no_sentence() -> None:
    simulate("--minutes", "20")
