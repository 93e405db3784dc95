"""Damaged conversations (lines dropped, doubled, swapped, cut, garbled) do not break the wire's guarantees."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import Message
from tests.process.test_guarantees import created, everything, job_id_of, seqs
from tests.protocol.connection_harness import responses_due
from tests.strict_json import parse
from tests.transcripts.recording import CORPUS, sent_by_client

SOURCES = [
    "a_backup_runs_and_its_log_is_read",
    "a_job_is_scheduled_cancelled_and_retried",
    "a_request_reports_progress_and_another_is_cancelled",
    "invalid_requests_get_errors_and_lose_nothing",
    "schedules_are_listed_updated_and_triggered",
]
ENDS = ("shutdown", "exit")
"""After these methods nothing more has to be answered."""


def conversation(chance: random.Random) -> list[bytes]:
    """Returns the client's lines of some transcripts, concatenated, with distinct ids."""
    lines = []
    for name in chance.sample(SOURCES, 3):
        for number, message in enumerate(sent_by_client(CORPUS / f"{name}.jsonl")):
            if isinstance(message, dict) and message.get("method") not in ENDS:
                renumbered = {**message, "id": f"{name}-{number}"} if "id" in message else message
                lines.append(json.dumps(renumbered).encode())
    return lines


def damaged(lines: list[bytes], chance: random.Random) -> list[bytes]:
    """Returns the lines with random damage."""
    lines = list(lines)
    for _ in range(chance.randint(3, 25)):
        at = chance.randrange(len(lines))
        match chance.choice(["drop", "double", "swap", "cut", "garble", "join", "insert"]):
            case "drop" if len(lines) > 1:
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "swap":
                other = chance.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case "cut":
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            case "garble" if lines[at]:
                place = chance.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + chance.randbytes(1).replace(b"\n", b"?") + lines[at][place + 1 :]
            case "join":
                lines[at : at + 2] = [b"".join(lines[at : at + 2])]
            case "insert":
                lines.insert(at, chance.randbytes(chance.randint(1, 200)).replace(b"\n", b"?"))
    return lines


def answers_owed(lines: list[bytes]) -> int:
    """Returns how many answers the lines must get."""
    return sum(_owed(line.removeprefix(b"\xef\xbb\xbf")) for line in lines)


def _owed(line: bytes) -> int:
    try:
        return responses_due(parse(line))
    except (ValueError, AssertionError):
        return int(bool(line.strip(b" \t\r\x0b\x0c")))


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_conversation_breaks_no_guarantee(raw_client: StartRawClient, seed: int) -> None:
    chance = random.Random(seed)
    lines = damaged(conversation(chance), chance)
    with raw_client() as wire:
        wire.initialize()
        wire.send(b"\n".join(lines) + b"\n")
        messages = everything(wire)
        assert wire.exit_code() == 0
    received = seqs([message for message in messages if isinstance(message, dict)])
    assert received == sorted(set(received)), "G1, G4"
    known: set[str] = set()
    for message in messages:
        known.update(created(message))
        job_id = None if isinstance(message, list) else job_id_of(message)
        assert job_id is None or job_id in known or _is_scheduled(message), "G2"
    answers = [message for message in messages if isinstance(message, list) or "method" not in message]
    assert len(answers) == answers_owed(lines), "G5"
    assert _versions_rise(answers), "G3"
    asked = Counter(_id(line) for line in lines)
    answered = Counter(str(one["id"]) for one in answers if isinstance(one, dict) and one["id"] is not None)
    assert all(answered[request_id] <= asked[request_id] for request_id in answered), "G5"


def _is_scheduled(message: Message) -> bool:
    """Returns whether the notification is about a job that a schedule created."""
    params: dict[str, Any] = message["params"]
    return params.get("job", {}).get("schedule_id") is not None or "line" in params


def _versions_rise(answers: list[Message]) -> bool:
    last: dict[str, int] = {}
    for one in answers:
        result = one.get("result") if isinstance(one, dict) else None
        if isinstance(result, dict) and {"job_id", "version"} <= result.keys():
            if result["version"] < last.get(result["job_id"], 0):
                return False
            last[result["job_id"]] = result["version"]
    return True


def _id(line: bytes) -> str:
    try:
        value = parse(line)
    except (ValueError, AssertionError):
        return ""
    return str(value.get("id")) if isinstance(value, dict) else ""
