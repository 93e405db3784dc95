"""Faults on demand: what a stand-in does wrong, and at which answer or notification."""

import re
from enum import StrEnum
from typing import Final

_FORM: Final = re.compile(r"(?P<kind>[a-z]+)(?:=(?P<ms>\d+))?@(?P<name>[^#\s]+)(?:#(?P<nth>\d+))?")
HELP: Final = (
    "delay=MS, stall, drop, garbage, kill or close, @ a method or notification, #N for its Nth time only: "
    "--fault delay=500@jobs.list --fault kill@jobs.create#2.  stall: from there on nothing is said; close: stdout is "
    "closed; garbage: a line that is no JSON comes first"
)
MAX_DELAY_MS: Final = 3_600_000


class FaultKind(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """It comes later; others overtake it."""
    DROP = "drop"
    """It never comes."""
    STALL = "stall"
    """From here on nothing comes, although the process lives."""
    GARBAGE = "garbage"
    """A line that is no JSON comes before it."""
    KILL = "kill"
    """The process dies instead, as by `kill -9`."""
    CLOSE = "close"
    """Stdout is closed instead, although the process lives."""


class Fault:
    """One thing that goes wrong."""

    def __init__(self, text: str) -> None:
        """Raises ValueError, with what may be written."""
        match = _FORM.fullmatch(text)
        if match is None or match["kind"] not in set(FaultKind) or (match["kind"] == "delay") != bool(match["ms"]):
            raise ValueError(f"{text!r} is no fault: {HELP}")
        self.kind = FaultKind(match["kind"])
        self.delay_s = min(int(match["ms"] or 0), MAX_DELAY_MS) / 1000
        self.name = match["name"]
        self.nth = int(match["nth"]) if match["nth"] else None


class Faults:
    """All of them, and how often each name has come."""

    def __init__(self, faults: list[Fault]) -> None:
        self._faults: dict[str, list[Fault]] = {}
        for fault in faults:
            self._faults.setdefault(fault.name, []).append(fault)
        self._seen: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._faults)

    def at(self, name: str) -> list[Fault]:
        """What goes wrong with the next answer or notification of this name."""
        faults = self._faults.get(name)
        if not faults:
            return []
        self._seen[name] = self._seen.get(name, 0) + 1
        return [fault for fault in faults if fault.nth in (None, self._seen[name])]
