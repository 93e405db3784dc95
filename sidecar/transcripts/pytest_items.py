"""The tests that the pytest plugin collects, and the sidecars that its fixtures start."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest

from sidecar.paths import command, isolated_environment, relative_to
from sidecar.transcripts.file.format import NotATranscript
from sidecar.transcripts.sidecar_process import SidecarProcess
from sidecar.transcripts.verify.check import NotAsRecorded, VerifyOptions, sidecar_after, verified
from sidecar.transcripts.verify.findings import explain_all
from sidecar.transcripts.verify.update import EndedEarly

UPDATE: Final = "UPDATE"


class Updated(AssertionError):
    """The transcript was updated; fails once, so that it is noticed."""


class TranscriptFile(pytest.File):
    """One transcript."""

    def collect(self) -> Iterator["TranscriptItem"]:
        yield TranscriptItem.from_parent(self, name=self.path.stem)


class TranscriptItem(pytest.Item):
    """Verifies the transcript against the real sidecar."""

    def runtest(self) -> None:
        report, updated = verified(self.path, _options(self.config), can_update=os.environ.get(UPDATE) == "1")
        if report.mismatches:
            raise NotAsRecorded(explain_all(self.path, report))
        if updated:
            raise Updated(f"{self.path}: updated, accepted: {updated}\nLook at the change; it passes from now on.")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotAsRecorded):
            return f"{excinfo.value}\n({UPDATE}=1 updates the transcript)"
        if isinstance(excinfo.value, NotATranscript | EndedEarly | Updated):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"transcript: {self.name}"


def start_replay(folder: Path, *arguments: str | Path) -> SidecarProcess:
    """Starts `sidecar replay` with its data below a folder."""
    return SidecarProcess(command("replay", *map(str, arguments)), isolated_environment(folder, {}))


def start_verified(config: pytest.Config, path: Path, **options: Any) -> AbstractContextManager[SidecarProcess]:
    """Starts a sidecar that verifies a transcript and then goes on; `options` are those of `VerifyOptions`."""
    return sidecar_after(path, _options(config, **options))


def _options(config: pytest.Config, **more: Any) -> VerifyOptions:
    lines = (line.partition("=") for line in config.getini("sidecar_environment"))
    env = {name: relative_to(config.rootpath, value) for name, _, value in lines}
    return VerifyOptions(env=env, **more)
