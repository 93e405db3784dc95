"""One recorded run as a stand-in: finds the request, and plays the response with everything around it."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sidecar_protocol.connection import Request

from sidecar.days import zone_or_utc
from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import Header, NotATranscript, Run, read_runs
from sidecar.transcripts.replay.answers import Answers
from sidecar.transcripts.replay.matching import Comparison, Matcher, RequestIndex
from sidecar.transcripts.replay.player import Player, ReplayOutput
from sidecar.transcripts.replay.recording import RecordedRequest, Recording
from sidecar.transcripts.replay.times import DateShift, days_between


@dataclass(frozen=True)
class ReplayRules:
    """Options for all recordings of a replay."""

    run: int = 1
    """Which run of a file is replayed; 1 is the first."""
    ignored: frozenset[str] = field(default_factory=frozenset)
    """Params that may differ: METHOD.param."""
    is_fast: bool = True
    is_held: bool = False
    today: datetime | None = None
    """The moment to which times are moved, or None."""


class ReplayedRun:
    """One run of a file.  Raises OSError or NotATranscript if it cannot be read."""

    def __init__(self, path: Path, contract: ContractFacts, rules: ReplayRules, output: ReplayOutput) -> None:
        header, lines = read_run(path, rules.run)
        self.name = path.name
        self.recording = Recording(lines)
        self.index = RequestIndex(self.recording.requests, Matcher(contract, rules.ignored))
        self._contract = contract
        days, zone = 0, None
        if rules.today is not None:
            name = header.facts.get("time_zone")
            zone = None if name is None else zone_or_utc(name)
            days = days_between(_start(path, header), rules.today, zone)
        self._back = DateShift(-days, zone) if days else None
        self._answers = Answers(contract, DateShift(days, zone) if days else None)
        self.player = Player(self.recording, self._answers, output, is_fast=rules.is_fast, is_held=rules.is_held)

    def serve(self, request: Request) -> bool:
        """Answers a request as recorded; returns False if it was not recorded."""
        params = self._recorded_times(request)
        recorded = self.index.match(request.method, params)
        if recorded is None:
            return False
        bound = self.index.matcher.compare(request.method, recorded.params, params).bound
        self.player.serve(request, recorded, self._answers.bind(recorded, request.params, bound))
        return True

    def nearest(self, request: Request) -> tuple[RecordedRequest, Comparison] | None:
        """Returns the recorded request that differs least, and how."""
        return self.index.nearest(request.method, self._recorded_times(request))

    def _recorded_times(self, request: Request) -> dict[str, Any]:
        if self._back is None:
            return request.params
        moved: dict[str, Any] = self._back.moved(request.params, self._contract.params(request.method))
        return moved


def read_run(path: Path, number: int) -> Run:
    """Returns one run of a file.  Raises OSError or NotATranscript."""
    runs = read_runs(path, number)
    if not 0 < number <= len(runs):
        raise NotATranscript(f"{path}: there is no run {number}; the file has {len(runs)}")
    return runs[-1]


def _start(path: Path, header: Header) -> datetime:
    try:
        return datetime.fromisoformat(header.facts["started_at"])
    except (KeyError, TypeError, ValueError):
        reason = "the run has no valid `started_at`, from which times could be moved"
        raise NotATranscript(f"{path}:{header.line}: {reason}") from None
