"""Faults on demand: what `sidecar replay` does wrong, and at which answer or notification."""

import re
from enum import StrEnum
from typing import Final

_FORM: Final = re.compile(r"(?P<kind>[a-z]+)(?:=(?P<ms>\d+))?@(?P<name>[^#\s]+)(?:#(?P<nth>\d+))?")
HELP: Final = (
    "one of delay=MS, drop, stall (send nothing from then on), garbage (send a line first that is not JSON), kill and "
    "close (close stdout), then @ and a method or notification, and #N for its Nth time only: "
    "--fault delay=500@jobs.list --fault kill@jobs.create#2"
)
MAX_DELAY_MS: Final = 3_600_000


class FaultKind(StrEnum):
    """The kinds of faults."""

    DELAY = "delay"
    """The message is sent later; others overtake it."""
    DROP = "drop"
    """The message is not sent."""
    STALL = "stall"
    """Nothing more is sent, although the process lives."""
    GARBAGE = "garbage"
    """A line that is not JSON is sent before the message."""
    KILL = "kill"
    """The process kills itself instead of sending the message."""
    CLOSE = "close"
    """Stdout is closed instead, although the process lives."""


class Fault:
    """One fault, parsed from the command line."""

    def __init__(self, text: str) -> None:
        """Raises ValueError with the accepted syntax."""
        match = _FORM.fullmatch(text)
        if match is None or match["kind"] not in set(FaultKind) or (match["kind"] == "delay") != bool(match["ms"]):
            raise ValueError(f"{text!r} is not a fault: {HELP}")
        self.kind = FaultKind(match["kind"])
        self.delay_s = min(int(match["ms"] or 0), MAX_DELAY_MS) / 1000
        self.name = match["name"]
        self.nth = int(match["nth"]) if match["nth"] else None


class Faults:
    """All faults, and how often each message name was due."""

    def __init__(self, faults: list[Fault]) -> None:
        self._faults: dict[str, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(fault.name, []).append(fault)
        self._seen: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def at(self, name: str) -> list[Fault]:
        """Returns the faults for the next answer or notification of this name."""
        faults = self._faults.get(name)
        if not faults:
            return []
        self._seen[name] = self._seen.get(name, 0) + 1
        return [fault for fault in faults if fault.nth in (None, self._seen[name])]
