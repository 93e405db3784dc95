"""Fixtures of the command line's tests."""

import signal
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("these tests use a pseudo-terminal and Ctrl-C as a signal", allow_module_level=True)

from tests.commandline.harness import CliHarness

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores SIGINT, and the commands that these tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def cli(tmp_path: Path, data_dir: Path) -> CliHarness:
    """The command line in an empty home, without Claude."""
    home = tmp_path / "home"
    home.mkdir()
    return CliHarness(home, data_dir)
