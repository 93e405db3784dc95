"""Gives files that requests name to be written another place, so that no file of a person is replaced.

A path keeps its name; equal paths stay equal, in one folder for each of theirs.
"""

import ntpath
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from sidecar_protocol.job_errors import FileErrorKind

from sidecar.json_reader import get
from sidecar.transcripts.file.facts import Facts
from sidecar.transcripts.file.format import Entry

_WINDOWS: Final = "\\"


class WrittenFiles:
    """The places of the files that one client's requests name."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of this try; it need not exist until the first file is named."""
        self._folder = folder
        self._places: dict[str, str] = {}
        self._folders: dict[str, Path] = {}

    def moved(self, value: Any, facts: Facts) -> Any:
        """Returns a value in which each path of a file to write has its other place."""
        if type(value) is dict:
            return {name: self.moved(one, facts.member(value, name)) for name, one in value.items()}
        if type(value) is list:
            return [self.moved(one, facts.item()) for one in value]
        return self.place(value) if facts.is_written and type(value) is str else value

    def place(self, path: str) -> str:
        """Returns the other place of a file; a path that is not absolute stays, since the sidecar refuses it."""
        rules = ntpath if _WINDOWS in path or ntpath.splitdrive(path)[0] else posixpath
        if not rules.isabs(path) or "\0" in path:
            return path
        if path not in self._places:
            folder, name = rules.split(path)
            place = self._folders.setdefault(folder, self._folder / str(len(self._folders) + 1))
            place.mkdir(parents=True, exist_ok=True)
            self._places[path] = str(place / name)
        return self._places[path]

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Creates the files, empty, for which a recorded job was refused although no job before it had written them."""
        written = set()
        for job in filter(None, map(_job, entries)):
            path = job["payload"].get("path")
            if get(job, "error", "kind") == FileErrorKind.FILE_EXISTS and path not in written:
                Path(self.place(path)).touch()
            written |= {path} if job.get("result") else set()

    def named(self, value: Any) -> Any:
        """Returns a message of the sidecar with the client's paths in place of the others."""
        if type(value) is dict:
            return {name: self.named(one) for name, one in value.items()}
        if type(value) is list:
            return list(map(self.named, value))
        if type(value) is str:
            for path, place in self._places.items():
                value = value.replace(place, path)
        return value


def _job(entry: Entry) -> dict[str, Any] | None:
    """Returns the job that a notification is about, if its payload has a path."""
    job: Any = get(entry.message, "params", "job") if entry.is_notification else None
    return job if type(get(job, "payload", "path")) is str else None
