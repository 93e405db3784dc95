"""Faults on demand: what `sidecar replay` does wrong, and at which response or notification."""

import re
from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Final

_FORM: Final = re.compile(
    r"(?:(?P<kind>drop|stall|garbage|kill|close)|delay=(?P<ms>\d+))@(?P<name>[^#\s]+)(?:#(?P<nth>\d+))?"
)
HELP: Final = (
    "one of delay=MS, drop, stall (send nothing from then on), garbage (send a line first that is not JSON), kill and "
    "close (close stdout), then @ and a method or notification, and #N for its Nth time only: "
    "--fault delay=500@jobs.list --fault kill@jobs.create#2"
)
MAX_DELAY_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `delay`: the message is sent later, and others overtake it.  `drop`: it is not sent.  `stall`: nothing more is sent,
    although the process lives.  `garbage`: a line that is not JSON is sent first.  `kill`, `close`: the process kills
    itself or closes stdout instead of sending the message.
    """

    kind: str
    delay_s: float
    name: str
    nth: int | None


def parse_fault(text: str) -> Fault:
    match = _FORM.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a fault: {HELP}")
    delay_s = min(int(match["ms"] or 0), MAX_DELAY_MS) / 1000
    return Fault(match["kind"] or "delay", delay_s, match["name"], int(match["nth"]) if match["nth"] else None)
