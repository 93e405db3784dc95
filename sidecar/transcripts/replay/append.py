"""Adding what a real sidecar answered to the replayed run of a transcript."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import TO_CLIENT, TO_SIDECAR, Entry, Header, read_runs, write
from sidecar.transcripts.file.patterns import secret_numbers
from sidecar.transcripts.file.redact import Redactor


class Appender:
    """Writes each exchange into the file as soon as it is complete, before the run's recorded end."""

    def __init__(self, path: Path, run: int, contract: ContractFacts, seconds: Callable[[], float]) -> None:
        """`seconds` is a monotonic clock.  Raises OSError or NotATranscript."""
        self._path = path
        self._run = run
        self._seconds = seconds
        self._start = seconds()
        self._redactor = Redactor(contract)
        entries = [entry for _, entries in read_runs(path) for entry in entries]
        self._redactor.skip(max((number for entry in entries for number in secret_numbers(entry.facts)), default=0))
        self._before = max((entry.t for entry in entries), default=0.0)
        self._written_at = self._before
        self._pending: list[tuple[int | str | None, Entry]] = []
        """Entries to be written: notifications, and requests by their ids, in their order."""

    def add_request(self, request_id: int | str, message: dict[str, Any]) -> None:
        """Remembers a request; it is written with its response, as one without would never be answered."""
        self._pending.append((request_id, self._entry(TO_SIDECAR, message)))

    def add_response(self, request_id: int | str, message: dict[str, Any]) -> None:
        """Writes the exchange, and the notifications so far."""
        self._pending.append((None, self._entry(TO_CLIENT, message)))
        self._write({None, request_id})

    def add_notification(self, message: dict[str, Any]) -> None:
        self._pending.append((None, self._entry(TO_CLIENT, message)))

    def close(self) -> None:
        """Writes the notifications that came after the last response."""
        self._write({None})

    def _entry(self, direction: str, message: dict[str, Any]) -> Entry:
        t = round(self._before + (self._seconds() - self._start) * 1000, 3)
        redacted = self._redactor.redacted(to_json(message), from_client=direction == TO_SIDECAR)
        return Entry(0, {"t": t, "dir": direction, "msg": from_json(redacted or b"null")})

    def _write(self, complete: set[int | str | None]) -> None:
        """Replaces the file atomically, with the entries that are complete before the end of the run."""
        entries = [entry for key, entry in self._pending if key in complete]
        self._pending = [(key, entry) for key, entry in self._pending if key not in complete]
        if not entries:
            return
        for entry in entries:  # a request that waited is written after later ones
            self._written_at = entry.facts["t"] = max(self._written_at, entry.t)
        runs = read_runs(self._path)
        run = runs[self._run - 1][1]
        place = next((at for at, one in enumerate(run) if one.is_eof or one.exit_code is not None), len(run))
        run[place:place] = entries
        lines: list[Header | Entry] = []
        for header, of_run in runs:
            lines += [header, *of_run]
        write(self._path, lines)
