"""The example app in a real browser: its own build, the real sidecar, the real Claude CLI where there is one."""

import os
from pathlib import Path

import pytest

from tests.claude.conftest import real_claude, release
from tests.electron.compiling import MODULES
from tests.electron.conftest import CHROMIUM, RunNode, chromium

ITS_MODULES = ("marked", "@fontsource-variable/instrument-sans", "@fontsource-variable/jetbrains-mono")

__all__ = ["real_claude", "release"]


@pytest.fixture
def run_hub(run_node: RunNode) -> RunNode:
    """Run a file of the example's tests."""
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    for name in ITS_MODULES:
        if not (MODULES / name / "package.json").is_file():
            pytest.skip(f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript")
    return run_node


def test_the_hub(run_hub: RunNode) -> None:
    run_hub("hub")


def test_the_hub_with_a_transcript_in_place_of_its_sidecar(run_hub: RunNode) -> None:
    run_hub("hub_replay")


def test_the_hub_with_claude(run_hub: RunNode, real_claude: Path) -> None:
    run_hub("hub_claude", SIDECAR_REAL_CLAUDE=str(real_claude))


def test_the_hub_with_accounts(run_hub: RunNode) -> None:
    run_hub("hub_accounts")


def test_the_hub_in_a_picture(run_hub: RunNode, real_claude: Path) -> None:
    """`UPDATE=1` takes the one that README shows anew."""
    run_hub("hub_picture", SIDECAR_REAL_CLAUDE=str(real_claude), SIDECAR_UPDATE=os.environ.get("UPDATE", ""))
