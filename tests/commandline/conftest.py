"""Fixtures of the command line's tests."""

import signal
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("these tests use a pseudo-terminal and Ctrl-C as a signal", allow_module_level=True)

from tests.commandline.shell import Shell

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background jobs ignore it, and so would the commands that these tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def shell(tmp_path: Path, data_dir: Path) -> Shell:
    """A shell in an empty home, without Claude."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home, data_dir)
