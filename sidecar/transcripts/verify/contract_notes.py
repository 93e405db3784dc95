"""Says how the contract of a recording differs from that of the verified sidecar."""

from collections.abc import Sequence

from sidecar.transcripts.file.facts import Facts
from sidecar.transcripts.file.patterns import pattern_of
from sidecar.transcripts.verify.findings import Report
from sidecar.transcripts.verify.form import undeclared
from sidecar.transcripts.verify.verifier import RunVerifier


def contract_notes(verifiers: Sequence[RunVerifier], report: Report) -> list[str]:
    """Returns sentences for the beginning of a report, which has the differences and other notes already."""
    recorded, now = (one.get("schema_hash") for one in (verifiers[0].header.facts, verifiers[0].handshake()))
    is_other = now is not None and recorded != now
    notes = []
    if is_other and (names := sorted({name for one in verifiers for name in _new_names(one)})):
        what = "if the contract of then did not have them, --update adds them"
        notes.append(f"not in the recording: {', '.join(names)}; {what}")
    if report.mismatches and (names := sorted({name for one in verifiers for name in _unknown_names(one)})):
        notes.append(f"not in this sidecar's contract: {', '.join(names)}; record it again, or change the names")
    if is_other and (report.mismatches or report.notes or notes):
        notes.insert(0, f"recorded with the contract {recorded}; this sidecar has {now}")
    return notes


def _unknown_names(verifier: RunVerifier) -> set[str]:
    """Returns the recorded names that the contract does not have: of notifications, methods and members."""
    contract = verifier.contract
    names: set[str] = set()
    for one in verifier.expected.by_line.values():
        message = one.entry.message
        if type(message) is not dict or "error" in message:
            continue
        if one.entry.is_response:
            name, part = verifier.answers.method_of(message), "result"
            facts: Facts = contract.response(name)
        else:
            name, part = one.entry.method, "params"
            facts = contract.notification(name)
        names.add(str(name))
        for _, value, its in facts.declared_member(part).inside(message.get(part)):
            if type(value) is dict and pattern_of(value) is None:
                names |= {f"{its.title}.{member}" for member in undeclared(value, its)}
    return names - {*contract.methods, *contract.notifications, "None"}


def _new_names(verifier: RunVerifier) -> set[str]:
    """Returns the names of notifications that came and of which the recording has none."""
    recorded = {entry.method for entry in verifier.entries}
    return {str(one.actual["method"]) for one in verifier.additional if "method" in one.actual} - recorded
