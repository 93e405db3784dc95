"""Shrinks a failing conversation: fewer lines, then shorter ones, as long as it still fails."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

MAX_RUNS: Final = 200
"""Limit of tries; each starts a sidecar."""

Fails = Callable[[list[bytes]], bool]


class Shrinker:
    """Tries smaller conversations; `fails` runs one and says whether it still fails."""

    def __init__(self, fails: Fails, max_runs: int = MAX_RUNS) -> None:
        self._fails = fails
        self._runs_left = max_runs

    def shrunk(self, lines: Sequence[bytes]) -> list[bytes]:
        """Returns a conversation that fails and from which no single line can be left out, if the tries suffice."""
        lines = self._with_fewer(list(lines))
        for at in range(len(lines)):
            for shorter in self._shorter(lines[at]):
                if self._still_fails(candidate := [*lines[:at], shorter, *lines[at + 1 :]]):
                    lines = candidate
                    break
        return lines

    def _shorter(self, line: bytes) -> Iterator[bytes]:
        """Yields simpler forms of a line, the simplest first."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            yield from (line[:size] for size in (1, len(line) // 4, len(line) // 2) if 0 < size < len(line))
            return
        if type(message) is dict and type(params := message.get("params")) is dict and params:
            yield json.dumps({name: value for name, value in message.items() if name != "params"}).encode()
            for name in params:
                yield json.dumps({**message, "params": {name: params[name]}}).encode()

    def _with_fewer(self, lines: list[bytes]) -> list[bytes]:
        """Removes runs of lines, first long ones and then single ones (delta debugging)."""
        size = max(1, len(lines) // 2)
        while True:
            at = 0
            while at < len(lines):
                fewer = lines[:at] + lines[at + size :]
                if self._still_fails(fewer):
                    lines = fewer
                else:
                    at += size
            if size == 1:
                return lines
            size = max(1, size // 2)

    def _still_fails(self, lines: list[bytes]) -> bool:
        if self._runs_left <= 0:
            return False
        self._runs_left -= 1
        return self._fails(lines)
