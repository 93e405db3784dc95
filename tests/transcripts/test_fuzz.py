"""Damaged conversations (lines dropped, doubled, swapped, cut, garbled) do not break what the sidecar promises."""

import random
from typing import Any

import pytest

from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.fuzz.damage import conversation, sent_lines
from sidecar.transcripts.fuzz.fuzz import FuzzOptions, run
from sidecar.transcripts.fuzz.promises import broken
from tests.transcripts.recording import BACKUP, CONNECT, CORPUS, TRANSCRIPTS, answer, notification

SOURCES = [
    "a_backup_runs_and_its_log_is_read",
    "a_job_is_scheduled_cancelled_and_retried",
    "a_request_reports_progress_and_another_is_cancelled",
    "invalid_requests_get_errors_and_lose_nothing",
    "schedules_are_listed_updated_and_triggered",
]
CONTRACT = contract_facts()
JOB: dict[str, Any] = {"job_id": "a", "version": 2}


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_conversation_breaks_no_promise(seed: int) -> None:
    sources = [sent_lines(CORPUS / f"{name}.jsonl", CONTRACT) for name in SOURCES]
    assert run(conversation(sources, random.Random(seed)), FuzzOptions()) == []


def test_requests_for_accounts_fail_without_the_network_and_not_with_an_internal_error() -> None:
    sources = [sent_lines(path, CONTRACT) for path in TRANSCRIPTS if "connects" in path.name and path != CONNECT]
    assert run(conversation(sources, random.Random(1)), FuzzOptions(timeout_s=90)) == []


@pytest.mark.parametrize(
    ("reason", "messages"),
    [
        ("more answers than requests: 2 instead of 1 (G5)", [answer(1), answer(1)]),
        ("an id was answered more often than it was sent (G5)", [answer(2)]),
        ("`seq` does not rise (G1, G4)", [answer(1), notification("a", seq=2), notification("a", seq=2)]),
        (
            "a notification names a job before the response that created it (G2)",
            [notification("jobs.updated", job=JOB), answer(1, job=JOB, deduplicated=False)],
        ),
        (
            "internal error: in a job of type x: why",
            [
                answer(1),
                notification("jobs.updated", job={"type": "x", "error": {"kind": "internal", "message": "why"}}),
            ],
        ),
    ],
)
def test_a_broken_promise_is_named(reason: str, messages: list[Any]) -> None:
    assert list(broken([b'{"jsonrpc":"2.0","id":1,"method":"jobs.list"}'], messages)) == [reason]


def test_versions_of_a_job_that_fall_are_a_broken_promise() -> None:
    lines = [b'{"jsonrpc":"2.0","id":%d,"method":"jobs.get"}' % number for number in (1, 2)]
    messages = [answer(1, **JOB), answer(2, **{**JOB, "version": 1})]
    assert list(broken(lines, messages)) == ["the versions of a job do not rise (G3)"]
    assert list(broken(lines, messages[::-1])) == []


def test_what_would_end_a_conversation_or_write_a_file_is_not_sent() -> None:
    methods = b"".join(line for path in (BACKUP, *TRANSCRIPTS) for line in sent_lines(path, CONTRACT))
    assert b'"shutdown"' not in methods
    assert b'"path": "/' not in methods
