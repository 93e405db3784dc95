"""The example app in a real browser, with its own build, the real sidecar and, if installed, the real Claude CLI."""

import os
from pathlib import Path

import pytest

from tests.claude.conftest import real_claude, release
from tests.electron.compiling import MODULES
from tests.electron.conftest import CHROMIUM, RunNode, chromium

FONTS = ("@fontsource-variable/instrument-sans", "@fontsource-variable/jetbrains-mono")
EXAMPLE_MODULES = ("marked", "diff", "lowlight", "axe-core", *FONTS)

__all__ = ["real_claude", "release"]


@pytest.fixture
def run_example(run_node: RunNode) -> RunNode:
    """Runs one file of the example's tests."""
    if chromium() is None:
        pytest.skip(f"no chromium on PATH; set {CHROMIUM}")
    for name in EXAMPLE_MODULES:
        if not (MODULES / name / "package.json").is_file():
            pytest.skip(f"{name} is not installed: `npm install --ignore-scripts` in protocol/typescript")
    return run_node


def test_the_example_app(run_example: RunNode) -> None:
    run_example("example")


def test_the_example_app_with_a_transcript_in_place_of_the_sidecar(run_example: RunNode) -> None:
    run_example("example_replay")


def test_the_example_app_with_content_that_is_hard_to_show(run_example: RunNode) -> None:
    run_example("example_states")


def test_the_example_app_for_its_pictures(run_example: RunNode) -> None:
    """With `UPDATE=1` it replaces the pictures in tests/electron/pictures."""
    run_example("example_pictures", SIDECAR_UPDATE=os.environ.get("UPDATE", ""))


def test_the_example_app_is_accessible(run_example: RunNode) -> None:
    run_example("example_access")


def test_the_example_app_is_accessible_in_a_narrow_window(run_example: RunNode) -> None:
    run_example("example_access_narrow")


def test_the_daily_panel_of_the_example_app(run_example: RunNode) -> None:
    run_example("example_daily")


def test_the_example_app_with_claude(run_example: RunNode, real_claude: Path) -> None:
    run_example("example_claude", SIDECAR_REAL_CLAUDE=str(real_claude))


def test_the_example_app_with_accounts(run_example: RunNode) -> None:
    run_example("example_accounts")


def test_the_example_app_for_its_screenshot(run_example: RunNode, real_claude: Path) -> None:
    """With `UPDATE=1` it replaces the screenshot in the README."""
    run_example("example_screenshot", SIDECAR_REAL_CLAUDE=str(real_claude), SIDECAR_UPDATE=os.environ.get("UPDATE", ""))
