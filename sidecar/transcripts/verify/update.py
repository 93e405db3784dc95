"""Re-records a transcript: every recorded value that still fits is retained, so it changes where the sidecar did."""

from collections.abc import Iterable

from pydantic_core import from_json, to_json

from sidecar.transcripts.file.format import TO_CLIENT, Entry, Header, Run, seq_of
from sidecar.transcripts.file.redact import Redactor
from sidecar.transcripts.verify.verifier import RunVerifier


class EndedEarly(Exception):
    """The sidecar ended before everything was sent; the message has the line and the end of its stderr."""


def rerecorded(runs: list[Run], verifiers: Iterable[RunVerifier], redactor: Redactor) -> list[Header | Entry]:
    """Returns the transcript's new lines.  Raises EndedEarly."""
    made: list[Header | Entry] = []
    for (header, entries), verifier in zip(runs, verifiers, strict=True):
        if verifier.ended_early is not None:
            raise EndedEarly(f"line {verifier.ended_early.line}: {verifier.ended_early.what}")
        made += [Header(header.line, {**header.facts, **verifier.handshake()}), *_merged(entries, verifier, redactor)]
    if len(made) != sum(1 + len(entries) for _, entries in runs):
        _renumber(made)
    return made


def _merged(entries: list[Entry], verifier: RunVerifier, redactor: Redactor) -> list[Entry]:
    """Returns the lines in their recorded order, without what did not come, and with what came in addition."""
    dropped, new = verifier.streams.changed(entries)
    new = sorted([*new, *((one.line, one.actual) for one in verifier.additional)], key=lambda one: one[0])
    made: list[Entry] = []
    for entry in entries:
        expected = verifier.expected.by_line.get(entry.line)
        if expected is None:
            made += [entry] if entry.line not in dropped else []
        elif expected.merged is not None:
            made.append(Entry(entry.line, {**entry.facts, "msg": expected.merged}))
        while new and new[0][0] <= entry.line:
            line = redactor.redacted(to_json(new.pop(0)[1]), from_client=False) or b"null"
            made.append(Entry(0, {"t": entry.t, "dir": TO_CLIENT, "msg": from_json(line)}))
    return made


def _renumber(lines: list[Header | Entry]) -> None:
    """Numbers the durable notifications in the order of the file."""
    last: int | None = None
    for line in lines:
        if isinstance(line, Entry) and line.is_notification and (seq := seq_of(line.message)) is not None:
            last = seq if last is None else last + 1
            line.facts["msg"] = {**line.message, "params": {**line.message["params"], "seq": last}}
