"""Turns that the CLI begins by itself in an idle process, for a task that it has scheduled or because it was woken up.

Measured with 2.1.332 and 2.1.197: such a turn begins with an `init` line and asks for permission, like any other.
`CronCreate` and `ScheduleWakeup` last as long as the process; a wakeup is at most an hour ahead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sidecar.claude.process.cli_process import OnLine

MAX_LINES: Final = 10_000
"""Number of lines that are kept until a job follows the turn; the turn is interrupted when it has more."""


@dataclass(slots=True)
class IdleReader:
    """Receives the lines of an idle process: those of a turn that begins are kept, others go to the `last` turn."""

    last: OnLine
    on_begun: Callable[[], None]
    on_flood: Callable[[], None]
    lines: list[tuple[bytes, Mapping[str, Any] | None]] = field(default_factory=list)
    has_begun: bool = False

    def __call__(self, line: bytes, parsed: Mapping[str, Any] | None) -> None:
        if not self.has_begun and parsed is not None and parsed.get("subtype") == "init":
            self.has_begun = True
            self.on_begun()
        if not self.has_begun:
            self.last(line, parsed)
        elif len(self.lines) < MAX_LINES:
            self.lines.append((line, parsed))
            if len(self.lines) == MAX_LINES:
                self.on_flood()
