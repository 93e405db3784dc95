"""A sidecar of our own for the length of a command, and in one sentence why there is none.

It is spawned as a host would do it; what it writes to stderr is kept for that sentence.
"""

import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any, Final

from sidecar_protocol.meta import PROTOCOL_VERSION

from sidecar import __version__, exit_codes
from sidecar.commandline.client import SidecarClient, SidecarEnded, spawn

CLIENT_NAME: Final = "sidecar command line"

REASONS: Final = {
    exit_codes.USAGE: ("The sidecar did not start", "Correct the setting and try again."),
    exit_codes.CRASHED: (
        "The sidecar crashed",
        "Its log has the whole story; `sidecar doctor` says where that is.",
    ),
    exit_codes.LOCKED: (
        "The database is in use",
        "Close the app that has it open, or name another with --db.",
    ),
    exit_codes.IO: ("The database could not be opened", "Name a folder that can be written, or restore a backup."),
    exit_codes.NEWER: ("The database is newer than this program", "Nothing was changed."),
}
"""By exit code: what happened, and what to do."""


class SidecarStopped(Exception):
    """The sidecar did not start, or ended too early; the message is a sentence for a person."""

    def __init__(self, code: int | None, last_words: str) -> None:
        self.code = code
        what, advice = REASONS.get(code or 0, ("The sidecar ended before it answered", ""))
        self.last_words = last_words or "it said nothing about the reason"
        super().__init__(f"{what} (exit code {code}): {self.last_words.rstrip('.')}. {advice}".rstrip())

    @property
    def exit_code(self) -> int:
        """What the command ends with: the sidecar's own code where it means something."""
        return self.code if self.code in REASONS else 1


@asynccontextmanager
async def session(
    database: str | None, *, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> AsyncIterator[SidecarClient]:
    """A spawned sidecar, not yet initialized.  Raises SidecarStopped where it ends by itself."""
    with tempfile.TemporaryFile() as stderr:
        arguments = [*arguments, *([] if database is None else ["--db", database])]
        try:
            async with spawn(arguments, env=env, stderr=stderr.fileno()) as client:
                yield client
        except SidecarEnded as ended:
            raise SidecarStopped(ended.code, _last_words(stderr)) from None


def greeting() -> dict[str, Any]:
    """The params of our `initialize`, with the token that the environment makes the sidecar ask for."""
    token = os.environ.get("BACKEND_TOKEN")
    info = {"name": CLIENT_NAME, "version": __version__}
    return {"protocol_version": PROTOCOL_VERSION, "client_info": info} | ({"token": token} if token else {})


def _last_words(stderr: IO[bytes]) -> str:
    """The last line of stderr; of a log line its message."""
    stderr.seek(0)
    lines = stderr.read().decode("utf-8", "replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if line.startswith("{"):
        try:
            line = str(json.loads(line)["msg"])
        except (ValueError, KeyError):
            return line
    return line.removeprefix("sidecar: ")
