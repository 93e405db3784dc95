"""The sidecar under a watchdog: `python -m tests.bench.watched_sidecar`.

Records each callback of the loop that takes long, with the stack that a second thread has seen meanwhile; all requests
wait for such a callback.  Times are those of the main thread's CPU clock, which other programs do not lengthen.
"""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

from sidecar.serve import main
from tests.bench.server_kinds import ROOT

FILE: Final = "stretches.json"
"""A file in the data folder: the longest time in ms, the number of times and the stack of each kind of callback."""
LONG_S: Final = 0.010
LOOK_S: Final = 0.002
WRITE_S: Final = 1.0
DEPTH: Final = 6
"""Frames of our own code in a stack, from the innermost outwards."""


class Watchdog:
    """Looks at the main thread every LOOK_S seconds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = threading.get_ident()
        self._clock = time.pthread_getcpuclockid(self._thread)
        self._begun: float | None = None
        """CPU time of the main thread when the callback began that runs."""
        self._stack: tuple[str, ...] | None = None
        self._found: dict[tuple[str, ...], list[float]] = {}

    def start(self) -> None:
        """Wraps the loop's callbacks, and begins to look."""
        run = asyncio.Handle._run  # noqa: SLF001 - where the loop calls them

        def watched(handle: asyncio.Handle) -> None:
            begun = self._begun = time.clock_gettime(self._clock)
            run(handle)
            self._begun, stack, self._stack = None, self._stack, None
            taken = time.clock_gettime(self._clock) - begun
            if taken >= LONG_S:
                self._found.setdefault(stack or ("not seen",), []).append(1e3 * taken)

        setattr(asyncio.Handle, "_run", watched)  # noqa: B010 - mypy: a method cannot be assigned
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        written = time.monotonic()
        while True:
            time.sleep(LOOK_S)
            begun = self._begun
            if begun is not None and self._stack is None and time.clock_gettime(self._clock) >= begun + LONG_S / 2:
                self._stack = _own(sys._current_frames().get(self._thread))  # noqa: SLF001 - as faulthandler does
            if time.monotonic() > written + WRITE_S:
                written = time.monotonic()
                self._file.write_text(json.dumps(self._report()), encoding="utf-8")

    def _report(self) -> list[dict[str, Any]]:
        found = [
            {"ms": round(max(taken), 1), "times": len(taken), "stack": stack}
            for stack, taken in list(self._found.items())
        ]
        return sorted(found, key=lambda one: -float(str(one["ms"])))


def _own(frame: FrameType | None) -> tuple[str, ...]:
    stack: list[str] = []
    while frame is not None and len(stack) < DEPTH:
        file = Path(frame.f_code.co_filename)
        if not stack or ("sidecar" in file.parts[-4:] or "sidecar_protocol" in file.parts):
            name = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file.name
            stack.append(f"{name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return tuple(stack)


if __name__ == "__main__":
    Watchdog(Path(os.environ["APP_DATA_DIR"], FILE)).start()
    main([])
