"""The story of a life: for people to read, and as a digest to compare two lives by."""

import hashlib
import re
from collections import deque
from datetime import UTC, datetime
from typing import BinaryIO

KEPT_LINES = 400
KEPT_CHARS = 900
MEASURED = [(name, re.compile(name + rb"\d+")) for name in (b'"pid":', b'"rss_bytes":')]
"""Texts that differ from run to run: the beginning of each, and a pattern of all of it."""


def explained(details: object) -> str:
    """Returns what has broken a sentence, one thing a line, without members that say nothing."""
    things = details if isinstance(details, list | tuple | set) else [details]
    lines = []
    for thing in things:
        said = (
            {name: value for name, value in thing.items() if value or value == 0} if isinstance(thing, dict) else thing
        )
        text = str(said)
        lines.append(text if len(text) <= KEPT_CHARS else f"{text[:KEPT_CHARS]} …")
    return "\n    ".join(lines)


class Story:
    """Records what happens.

    `folder` is the life's folder, whose name differs from run to run; so do the process's id and the memory in use.
    """

    def __init__(self, folder: str, *, prints: bool = False, copy: BinaryIO | None = None) -> None:
        self._folder = folder.encode()
        self._digest = hashlib.sha256()
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._prints = prints
        self._copy = copy
        """Receives everything that the digest is made of."""
        self.counts: dict[str, int] = {}
        """How often each kind of thing has happened."""

    def add(self, at_ms: int, who: str, what: str) -> None:
        """Adds a line to the story."""
        line = f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}  {who:<8}  {what[:300]}"
        self._lines.append(line)
        kind = f"{who} {what.split(' ', maxsplit=1)[0]}"
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.note(line.encode())
        if self._prints:
            print(line, flush=True)

    def note(self, data: bytes) -> None:
        """Adds something to the digest only."""
        data = data.replace(self._folder, "…".encode())
        for name, pattern in MEASURED:
            if name in data:
                data = pattern.sub(name, data)
        self._digest.update(data)
        if self._copy is not None:
            self._copy.write(data + b"\n")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    @property
    def lines(self) -> list[str]:
        """The last lines."""
        return list(self._lines)
