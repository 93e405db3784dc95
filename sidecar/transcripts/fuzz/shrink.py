"""Shrinks a failing conversation: fewer lines, then shorter ones, as long as it still fails."""

import json
from collections.abc import Callable, Iterator, Sequence

Fails = Callable[[list[bytes]], bool]
"""Runs a conversation and returns whether it fails; False once the time for tries is over."""


def shrunk(lines: Sequence[bytes], fails: Fails) -> list[bytes]:
    """Returns a conversation that fails and from which no single line can be left out, if the tries suffice."""
    fewer = _with_fewer(list(lines), fails)
    for at, line in enumerate(fewer):
        for shorter in _shorter(line):
            candidate = [*fewer[:at], shorter, *fewer[at + 1 :]]
            if fails(candidate):
                fewer = candidate
                break
    return fewer


def _with_fewer(lines: list[bytes], fails: Fails) -> list[bytes]:
    """Removes runs of lines, first long ones and then single ones (delta debugging)."""
    size = max(1, len(lines) // 2)
    while True:
        at = 0
        while at < len(lines):
            fewer = lines[:at] + lines[at + size :]
            if fails(fewer):
                lines = fewer
            else:
                at += size
        if size == 1:
            return lines
        size = max(1, size // 2)


def _shorter(line: bytes) -> Iterator[bytes]:
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
