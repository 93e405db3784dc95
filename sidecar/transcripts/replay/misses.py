"""Differences from the recording: requests without a recording, and recorded requests that were never made."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from pydantic_core import to_json
from sidecar_protocol.connection import Request
from sidecar_protocol.contract import RpcError

from sidecar.transcripts.replay.run import ReplayedRun

MAX_DETAILS: Final = 10
MAX_VALUE_CHARS: Final = 200
MAX_MISSES: Final = 1_000
"""Different requests that are remembered."""
RECORD_HINT: Final = "Record it with `sidecar serve --record FILE`."


class NotRecorded(RpcError):
    """No transcript has this request."""

    code = 4990  # of the replay only, so not in the contract


class Misses:
    """Explains requests without a recording, and remembers them for the report at the end."""

    def __init__(self, runs: Sequence[ReplayedRun]) -> None:
        self._runs = runs
        self._counts: Counter[str] = Counter()

    def add(self, request: Request) -> NotRecorded:
        """Remembers a request; returns the error for it, which names the nearest recorded one."""
        error = self._error(request)
        text = error.message + "".join(f"  {one['path']}: {one['message']}" for one in error.data.get("details", ()))
        if text in self._counts or len(self._counts) < MAX_MISSES:
            self._counts[text] += 1
        return error

    def _error(self, request: Request) -> NotRecorded:
        nearest = [(run, *found) for run in self._runs if (found := run.nearest(request)) is not None]
        if not nearest:
            similar = sorted({name for run in self._runs for name in run.index.similar_methods(request.method)})
            hint = f"Similar recorded methods: {', '.join(similar)}." if similar else RECORD_HINT
            names = ", ".join(run.name for run in self._runs)
            return NotRecorded(f"No transcript has {request.method}; replayed: {names}.", hint=hint)
        run, recorded, comparison = min(nearest, key=lambda one: one[2].distance())
        details = [
            {
                "path": path.replace(request.method, "params", 1),
                "message": f"recorded: {to_json(value).decode()[:MAX_VALUE_CHARS]}",
            }
            for path, value in comparison.differences[:MAX_DETAILS]
        ]
        where = f"The nearest request is {run.name}, line {recorded.line}."
        return NotRecorded(f"No transcript has {request.method} with these params.  {where}", details=details)

    def report(self) -> Iterator[str]:
        """Yields one line for each kind of request that was not recorded, or recorded and never made."""
        for text, count in self._counts.items():
            yield text if count == 1 else f"{text} ({count} times)"
        for run in self._runs:
            for request in run.index.never_made():
                yield f"{run.name}:{request.line}: {request.method} was recorded and never requested"

    def unsent(self) -> Iterator[str]:
        """Yields one line for each recording of which notifications were not sent."""
        for run in self._runs:
            if (found := run.player.unsent()) is not None:
                count, request = found
                what = f"the {request.method} in this line was not requested, so {count} notifications after it"
                yield f"{run.name}:{request.line}: {what} were not sent; `--pace recorded` sends them at their times"
