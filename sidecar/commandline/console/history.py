"""The lines that were typed in earlier consoles, in a file of the user's state folder (XDG_STATE_HOME on Linux).

A line with a secret is not stored, and the file has a limit.
"""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from platformdirs import user_state_path
from prompt_toolkit.history import History

from sidecar.paths import open_private
from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.redact import Redactor

MAX_LINES: Final = 1_000
MAX_LINE_CHARS: Final = 2_000
"""Longer lines are not stored."""
MAX_BYTES: Final = 1_000_000
"""A longer file is cut to its last `MAX_LINES` lines."""


def history_path() -> Path:
    return user_state_path("sidecar", appauthor=False) / "console_history"


class ConsoleHistory(History):
    """Stores each line as a JSON string.  A file that cannot be read or written is as good as none."""

    def __init__(self, path: Path, contract: ContractFacts) -> None:
        super().__init__()
        self._path = path
        self._redactor = Redactor(contract)
        self._redactor.learn(os.environ)

    def load_history_strings(self) -> Iterable[str]:
        """Returns the lines, the latest first."""
        lines = []
        with contextlib.suppress(OSError):
            for line in self._path.read_bytes()[-MAX_BYTES:].splitlines()[-MAX_LINES:]:
                with contextlib.suppress(ValueError):
                    lines.append(str(json.loads(line)))
        return reversed(lines)

    def store_string(self, string: str) -> None:
        if len(string) > MAX_LINE_CHARS or not string.strip() or self._redactor.shows_secret(string):
            return
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > MAX_BYTES // 2:
                self._cut()
            with open(self._path, "ab", opener=open_private) as file:
                file.write(json.dumps(string).encode() + b"\n")

    def _cut(self) -> None:
        kept = self._path.read_bytes().splitlines(keepends=True)[-MAX_LINES // 2 :]
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with open(part, "wb", opener=open_private) as file:
            file.writelines(kept)
        part.replace(self._path)
