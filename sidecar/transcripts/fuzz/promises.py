"""Checks what a sidecar owes to any client, however damaged its lines are: answers, their number and their order.

The guarantees have the numbers of `protocol/README.md`.
"""

import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sidecar_protocol.connection import MAX_BATCH

from sidecar.json_reader import get, get_object
from sidecar.transcripts.file.format import error_kind, messages_in, seq_of

INTERNAL: Final = "internal"
"""The `kind` of an error that is our own fault."""
_BLANK: Final = b" \t\r\x0b\x0c"


def broken(lines: Sequence[bytes], messages: Sequence[Any]) -> Iterator[str]:
    """Yields which guarantees the messages break that a sidecar sent in response to lines."""
    answers = [one for one in messages if type(one) is list or "method" not in one]
    owed = sum(map(answers_owed, lines))
    if len(answers) < owed:
        yield f"lost answers: {len(answers)} of {owed} arrived (G5)"
    elif len(answers) > owed:
        yield f"more answers than requests: {len(answers)} instead of {owed} (G5)"
    elif Counter(_ids([one for answer in answers for one in messages_in(answer)])) - _asked(lines):
        yield "an id was answered more often than it was sent (G5)"
    each = [one for message in messages for one in messages_in(message)]
    seqs = [seq for one in each if (seq := seq_of(one)) is not None]
    if seqs != sorted(set(seqs)):
        yield "`seq` does not rise (G1, G4)"
    if _is_named_too_early(each):
        yield "a notification names a job before the response that created it (G2)"
    if not _versions_rise(answers):
        yield "the versions of a job do not rise (G3)"
    yield from sorted({f"internal error: {text}" for text in _internal_errors(each)})


def answers_owed(line: bytes) -> int:
    """Returns the number of answers that a line must get: 0 or 1."""
    line = line.removeprefix(BOM_UTF8)
    try:
        return responses_due(json.loads(line.decode(), parse_constant=_refuse))
    except (ValueError, RecursionError):
        return int(bool(line.strip(_BLANK)))


def responses_due(value: Any) -> int:
    """Returns the number of responses that the specification requires for a line with this JSON."""
    if isinstance(value, list):
        return int(not 0 < len(value) <= MAX_BATCH or any(map(_needs_response, value)))
    return int(_needs_response(value))


def _needs_response(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        return True
    if value.get("method") is None:
        return "result" not in value and "error" not in value
    if not isinstance(value.get("params", {}), dict | list | None):
        return True
    return "id" in value or not isinstance(value["method"], str)


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _asked(lines: Sequence[bytes]) -> Counter[str]:
    asked: Counter[str] = Counter()
    for line in lines:
        try:
            value = json.loads(line.removeprefix(BOM_UTF8))
        except (ValueError, RecursionError):
            continue
        asked.update(_ids(messages_in(value)))
    return asked


def _ids(messages: Sequence[Any]) -> list[str]:
    return [str(one["id"]) for one in messages if type(one) is dict and one.get("id") is not None]


def _is_named_too_early(messages: Sequence[Any]) -> bool:
    named: set[Any] = set()
    for one in messages:
        if "method" in one:
            named.add(get(one, "params", "job", "job_id"))
        elif (result := one.get("result")) and result.get("deduplicated") is False and result["job"]["job_id"] in named:
            return True
    return False


def _versions_rise(answers: Sequence[Any]) -> bool:
    last: dict[str, int] = {}
    for one in answers:
        result = get_object(one, "result")
        if {"job_id", "version"} <= result.keys():
            if result["version"] < last.get(result["job_id"], 0):
                return False
            last[result["job_id"]] = result["version"]
    return True


def _internal_errors(messages: Sequence[Any]) -> Iterator[str]:
    for one in messages:
        error = one.get("error")
        if type(error) is dict and error_kind(error) == INTERNAL:
            yield f"in the response to {one.get('id')}: {error.get('message')}"
        job = get(one, "params", "job")
        if get(job, "error", "kind") == INTERNAL:
            yield f"in a job of type {job.get('type')}: {job['error'].get('message')}"
