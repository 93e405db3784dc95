"""A pytest plugin: each transcript in a folder is a test; fixtures start real and replayed sidecars.

    [tool.pytest.ini_options]
    sidecar_transcripts = ["tests/transcripts"]      # each *.jsonl below is verified against the real sidecar
    sidecar_environment = ["CLAUDE_PATH=./fakes/claude"]

UPDATE=1 in the environment updates transcripts that are no longer as recorded, says what it accepted, and fails once.
Imports are deferred, because every
pytest run loads the plugin if the sidecar is installed in its environment.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sidecar.transcripts.verify.check import VerifyOptions
    from sidecar.transcripts.verify.sidecar_process import SidecarProcess

UPDATE = "UPDATE"


def pytest_addoption(parser: pytest.Parser) -> None:
    folders = "folders whose *.jsonl files are verified against the real sidecar"
    env = "NAME=VALUE for the verified sidecar; a value that begins with ./ or ../ is relative to the root folder"
    parser.addini("sidecar_transcripts", folders, type="paths", default=[])
    parser.addini("sidecar_environment", env, type="linelist", default=[])


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "TranscriptFile | None":
    """Collects a transcript below one of the folders as a file with one test."""
    folders = parent.config.getini("sidecar_transcripts")
    if file_path.suffix == ".jsonl" and any(file_path.is_relative_to(folder) for folder in folders):
        return TranscriptFile.from_parent(parent, path=file_path)
    return None


class Updated(AssertionError):
    """The transcript was updated; fails once, so that it is noticed."""


class TranscriptFile(pytest.File):
    """One transcript."""

    def collect(self) -> Iterator["TranscriptItem"]:
        yield TranscriptItem.from_parent(self, name=self.path.stem)


class TranscriptItem(pytest.Item):
    """Verifies the transcript against the real sidecar."""

    def runtest(self) -> None:
        from sidecar.transcripts.verify.check import NotAsRecorded, verified  # noqa: PLC0415 - see above
        from sidecar.transcripts.verify.findings import explain_all  # noqa: PLC0415

        report, updated = verified(self.path, _options(self.config), can_update=os.environ.get(UPDATE) == "1")
        if report.mismatches:
            raise NotAsRecorded(explain_all(self.path, report))
        if updated:
            raise Updated(f"{self.path}: updated, accepted: {updated}\nLook at the change; it passes from now on.")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        from sidecar.transcripts.file.format import NotATranscript  # noqa: PLC0415
        from sidecar.transcripts.verify.check import NotAsRecorded  # noqa: PLC0415 - see above
        from sidecar.transcripts.verify.update import EndedEarly  # noqa: PLC0415

        if isinstance(excinfo.value, NotAsRecorded):
            return f"{excinfo.value}\n({UPDATE}=1 updates the transcript)"
        if isinstance(excinfo.value, NotATranscript | EndedEarly | Updated):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"transcript: {self.name}"


@pytest.fixture
def replayed_sidecar(tmp_path: Path) -> Iterator["Callable[..., SidecarProcess]"]:
    """Returns a function that starts `sidecar replay` until the end of the test.

    Its arguments are those of the command: `replayed_sidecar("a.jsonl", "--fault", "kill@jobs.list")`.
    """
    from sidecar.paths import command, isolated_environment  # noqa: PLC0415 - see above
    from sidecar.transcripts.verify.sidecar_process import SidecarProcess  # noqa: PLC0415

    with ExitStack() as stack:

        def start(*arguments: str | Path) -> "SidecarProcess":
            replay = command("replay", *map(str, arguments))
            return stack.enter_context(SidecarProcess(replay, isolated_environment(tmp_path, {})))

        yield start


@pytest.fixture
def verified_sidecar(pytestconfig: pytest.Config) -> Iterator["Callable[..., SidecarProcess]"]:
    """Returns a function that starts a real sidecar and verifies a transcript; the sidecar then goes on.

    Its arguments are the path and `VerifyOptions`: `verified_sidecar("a.jsonl")`.
    """
    from sidecar.transcripts.verify.check import sidecar_after  # noqa: PLC0415 - see above

    with ExitStack() as stack:

        def start(path: str | Path, **options: Any) -> "SidecarProcess":
            return stack.enter_context(sidecar_after(Path(path), _options(pytestconfig, **options)))

        yield start


def _options(config: pytest.Config, **more: Any) -> "VerifyOptions":
    from sidecar.paths import relative_to  # noqa: PLC0415 - see above
    from sidecar.transcripts.verify.check import VerifyOptions  # noqa: PLC0415 - see above

    lines = (line.partition("=") for line in config.getini("sidecar_environment"))
    env = {name: relative_to(config.rootpath, value) for name, _, value in lines}
    return VerifyOptions(env=env, **more)
