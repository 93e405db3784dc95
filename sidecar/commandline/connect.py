"""Starts a sidecar for the duration of a command, and explains in one sentence why it stopped."""

import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, Any, Final

from sidecar import exit_codes
from sidecar.commandline.client import SidecarClient, SidecarEnded, hello, spawn
from sidecar.paths import options_of

CLIENT_NAME: Final = "sidecar command line"

REASONS: Final = {
    exit_codes.USAGE: ("The sidecar did not start", "Correct the setting and try again."),
    exit_codes.CRASHED: ("The sidecar crashed", "Its log has the details; `sidecar doctor` shows the log's folder."),
    exit_codes.LOCKED: ("The database is in use", "Close the app that uses it, or choose another database with --db."),
    exit_codes.IO: ("The database could not be opened", "`sidecar doctor` checks the data folder."),
    exit_codes.NEWER: ("The database was written by a newer version", "Nothing was changed."),
}
"""Meaning of each exit code, and the user's next step."""


class SidecarStopped(Exception):
    """The sidecar did not start or ended too early; the message is a sentence for the user."""

    def __init__(self, code: int | None, last_line: str) -> None:
        what, advice = REASONS.get(code or 0, ("The sidecar ended unexpectedly", ""))
        reason = last_line.rstrip(".") or "it gave no reason"
        super().__init__(f"{what} (exit code {code}): {reason}. {advice}".rstrip())
        self.exit_code = code if code in REASONS else 1
        """The exit code of the command."""


@asynccontextmanager
async def connect(
    database: str | None, *, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> AsyncIterator[SidecarClient]:
    """Starts a sidecar, without a handshake.  Raises SidecarStopped if it exits before the block ends."""
    with tempfile.TemporaryFile() as stderr:
        try:
            async with spawn([*arguments, *options_of(db=database)], env=env, stderr=stderr.fileno()) as client:
                yield client
        except SidecarEnded as ended:
            raise SidecarStopped(ended.code, _last_line(stderr)) from None


def handshake_params() -> dict[str, Any]:
    """Returns the params of `initialize`, with the token that BACKEND_TOKEN makes the sidecar require."""
    token = os.environ.get("BACKEND_TOKEN")
    return hello(CLIENT_NAME, **({"token": token} if token else {}))


def _last_line(stderr: IO[bytes]) -> str:
    """Returns the last line of stderr, or its message if it is a line of the log."""
    stderr.seek(0)
    lines = stderr.read().decode("utf-8", "replace").split("\n")
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    try:
        return str(json.loads(line)["msg"])
    except (ValueError, LookupError, TypeError):
        return line.removeprefix("sidecar: ")
