"""A pytest plugin: every transcript in a folder is a test, and sidecars, real and replayed, are fixtures.

    [tool.pytest.ini_options]
    sidecar_transcripts = ["tests/transcripts"]      # every *.jsonl below is verified against the real sidecar
    sidecar_environment = ["CLAUDE_PATH=./fakes/claude"]

UPDATE=1 in the environment records anew what is no longer as recorded.  Nothing is imported before it is needed: the
plugin is loaded by every pytest of an environment in which the sidecar is installed.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sidecar.transcripts.verify.check import Terms
    from sidecar.transcripts.verify.sidecar_process import Process

UPDATE = "UPDATE"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addini("sidecar_transcripts", "folders whose *.jsonl files are verified", type="paths", default=[])
    parser.addini(
        "sidecar_environment",
        "NAME=VALUE for the verified sidecar; a value that begins with ./ is seen from the root folder",
        type="linelist",
        default=[],
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "TranscriptFile | None":
    """A transcript below one of the folders is a file with one test."""
    folders = parent.config.getini("sidecar_transcripts")
    if file_path.suffix == ".jsonl" and any(file_path.is_relative_to(folder) for folder in folders):
        return TranscriptFile.from_parent(parent, path=file_path)
    return None


class TranscriptFile(pytest.File):
    """One transcript."""

    def collect(self) -> Iterator["TranscriptItem"]:
        """Its one test, which bears its name."""
        yield TranscriptItem.from_parent(self, name=self.path.stem)


class TranscriptItem(pytest.Item):
    """The real sidecar says what is recorded."""

    def runtest(self) -> None:
        """Verify; with UPDATE=1, record anew what differs."""
        from sidecar.transcripts.verify.check import NotAsRecorded, check, explain, record_anew  # noqa: PLC0415 - see above

        terms = _terms(self.config)
        findings = check(self.path, terms)
        if findings and os.environ.get(UPDATE) == "1":
            record_anew(self.path, terms)
            findings = check(self.path, terms)
        if findings:
            raise NotAsRecorded("\n".join(explain(self.path, finding) for finding in findings))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The diff, without our stack."""
        from sidecar.transcripts.file.format import NotATranscript  # noqa: PLC0415
        from sidecar.transcripts.verify.check import NotAsRecorded  # noqa: PLC0415 - see above
        from sidecar.transcripts.verify.update import CutShort  # noqa: PLC0415

        if isinstance(excinfo.value, NotAsRecorded):
            return f"{excinfo.value}\n({UPDATE}=1 records it anew)"
        if isinstance(excinfo.value, NotATranscript | CutShort):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands."""
        return self.path, None, f"transcript: {self.name}"


@pytest.fixture
def replayed_sidecar(tmp_path: Path) -> Iterator["Callable[..., Process]"]:
    """Start a stand-in: `replayed_sidecar("a.jsonl", "--fault", "kill@jobs.list")`; it is gone after the test."""
    from sidecar.transcripts.verify.sidecar_process import Process, environment, replay_command  # noqa: PLC0415 - see above

    with ExitStack() as stack:

        def start(*arguments: str | Path) -> "Process":
            return stack.enter_context(Process(replay_command(*map(str, arguments)), environment(tmp_path, {})))

        yield start


@pytest.fixture
def verified_sidecar(pytestconfig: pytest.Config) -> Iterator["Callable[..., Process]"]:
    """A real sidecar brought to where a transcript ends, and verified on the way: `verified_sidecar("a.jsonl")`."""
    from sidecar.transcripts.verify.check import brought_to  # noqa: PLC0415 - see above

    with ExitStack() as stack:

        def start(path: str | Path, **terms: Any) -> "Process":
            return stack.enter_context(brought_to(Path(path), _terms(pytestconfig, **terms)))

        yield start


def _terms(config: pytest.Config, **more: Any) -> "Terms":
    from sidecar.transcripts.verify.check import Terms  # noqa: PLC0415 - see above

    env = {}
    for line in config.getini("sidecar_environment"):
        name, _, value = line.partition("=")
        env[name] = str((config.rootpath / value).resolve()) if value.startswith(("./", "../")) else value
    return Terms(env=env, **more)
