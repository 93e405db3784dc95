"""A pytest plugin: each transcript in a folder is a test; fixtures start real and replayed sidecars.

    [tool.pytest.ini_options]
    sidecar_transcripts = ["tests/transcripts"]      # each *.jsonl below is verified against the real sidecar
    sidecar_environment = ["CLAUDE_PATH=./fakes/claude"]

UPDATE=1 in the environment updates transcripts that differ from the real answers, prints the accepted differences, and
fails once.  Imports are deferred, because every pytest run loads the plugin if the sidecar is installed beside it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sidecar.transcripts.pytest_items import TranscriptFile
    from sidecar.transcripts.sidecar_process import SidecarProcess


def pytest_addoption(parser: pytest.Parser) -> None:
    folders = "folders whose *.jsonl files are verified against the real sidecar"
    env = "NAME=VALUE for the verified sidecar; a value that begins with ./ or ../ is relative to the root folder"
    parser.addini("sidecar_transcripts", folders, type="paths", default=[])
    parser.addini("sidecar_environment", env, type="linelist", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "TranscriptFile | None":
    """Collects a transcript below one of the folders as a file with one test."""
    folders = parent.config.getini("sidecar_transcripts")
    if file_path.suffix == ".jsonl" and any(file_path.is_relative_to(folder) for folder in folders):
        from sidecar.transcripts.pytest_items import TranscriptFile  # noqa: PLC0415 - see above

        return TranscriptFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture
def replayed_sidecar(tmp_path: Path) -> Iterator["Callable[..., SidecarProcess]"]:
    """Returns a function that starts `sidecar replay` until the end of the test.

    Its arguments are those of the command: `replayed_sidecar("a.jsonl", "--fault", "kill@jobs.list")`.
    """
    from sidecar.transcripts.pytest_items import start_replay  # noqa: PLC0415 - see above

    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(start_replay(tmp_path, *arguments))


@pytest.fixture
def verified_sidecar(pytestconfig: pytest.Config) -> Iterator["Callable[..., SidecarProcess]"]:
    """Returns a function that starts a real sidecar and verifies a transcript; the sidecar then goes on.

    Its arguments are the path and `VerifyOptions`: `verified_sidecar("a.jsonl")`.
    """
    from sidecar.transcripts.pytest_items import start_verified  # noqa: PLC0415 - see above

    def start(path: str | Path, **options: Any) -> "SidecarProcess":
        return stack.enter_context(start_verified(pytestconfig, Path(path), **options))

    with ExitStack() as stack:
        yield start
