"""Whole syncs are repeated byte for byte and offline if clock, seed, vendors' servers and Claude are fixed.

Not compared, since they differ in every run:
- `t`, the time of a line;
- `pid`, the process id, in the response to `initialize`;
- notifications that the contract allows to be merged or dropped (`jobs.progress`, `system.state`): their number depends
  on the time.  Appended text (`claude.delta`) is compared as a whole, however it was cut.
"""

import socket
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.file.facts import contract_facts
from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.fakes.ics import PRIVATE
from tests.process.raw_client import RawClient
from tests.strict_json import parse
from tests.transcripts.recording import BACKUP, CORPUS, TRANSCRIPTS, copy_with, lines_of, sent_by_sidecar
from tests.transcripts.scenarios import NOW, SCENARIOS, record, steady

CALENDAR_FILE = "a_user_subscribes_to_a_calendar_file_and_sees_the_week"
CONTRACT = contract_facts()


FIXED = [path for path in TRANSCRIPTS if {"now", "seed"} <= lines_of(path)[0].get("fixed", {}).keys()]
"""The transcripts with a fixed clock and seed."""
PROVEN = [
    "a_user_connects_google_and_sees_the_week",
    "claude_runs_a_prompt_and_the_feed_shows_it",
    "a_fixed_clock_and_seed_repeat_all_ids_and_times",
]


def comparable(path: Path) -> tuple[list[bytes], dict[str, str]]:
    """Returns (the lines without what differs in every run, the appended texts)."""
    lines: list[bytes] = []
    texts: dict[str, str] = {}
    for line in path.read_bytes().splitlines():
        message: Any = parse(line).get("msg")
        rule = CONTRACT.coalescing(message.get("method")) if isinstance(message, dict) else None
        if rule is None:
            lines.append(steady(line))
        elif rule["appends"]:
            key = str([message["method"], *(message["params"][name] for name in CONTRACT.key(message["method"]))])
            texts[key] = texts.get(key, "") + message["params"][rule["appends"]]
    return lines, texts


def exactly(path: Path, **options: Any) -> str:
    """Returns all mismatches as text, including those of ids and times."""
    record: Path | None = options.pop("record", None)
    return explain_all(path, check(path, VerifyOptions(exact=True, **options), record))


@pytest.mark.parametrize("name", PROVEN)
def test_two_runs_are_the_same_byte_for_byte_and_as_recorded(name: str, tmp_path: Path) -> None:
    path = CORPUS / f"{name}.jsonl"
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    again = f"record it again: python -m tests.transcripts.scenarios {name}"
    assert exactly(path, record=one) == "", again
    assert exactly(path, record=other, env={"TZ": "America/St_Johns"}) == "", again
    assert comparable(one) == comparable(other)
    assert len(comparable(one)[0]) > 10


def test_each_fixed_transcript_has_a_scenario() -> None:
    assert {path.stem for path in FIXED} == SCENARIOS.keys()
    assert {path.stem for path in CORPUS.glob("*.upstream")} <= SCENARIOS.keys()


def test_exact_verification_compares_ids(tmp_path: Path) -> None:
    path = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"
    line_id = next(
        one["params"]["line"]["line_id"] for one in sent_by_sidecar(path) if one.get("method") == "jobs.log_added"
    )
    other = copy_with(path, tmp_path / "other.jsonl", line_id, "01a00000-0000-7000-8000-000000000001")
    assert check(other, VerifyOptions()).mismatches == []
    assert "params.line.line_id" in exactly(other)


def test_exact_verification_needs_a_fixed_clock_and_seed() -> None:
    assert "neither clock nor ids are fixed" in exactly(BACKUP)


def test_a_restarted_sidecar_with_the_same_seed_creates_other_ids(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        with RawClient(tmp_path / "data", "serve", "--now", NOW.isoformat(), "--seed", "1") as host:
            host.initialize()
            job = host.call("jobs.create", type="maintenance.backup", run_at="2026-12-24T08:00:00Z")["job"]
            made.append(job["job_id"])
            host.close_stdin()
            assert host.exit_code() == 0
    assert len(set(made)) == 2


def test_sidecars_with_the_same_seed_do_not_stop_each_others_claude(tmp_path: Path) -> None:
    fixed: dict[str, Any] = {"CLAUDE_PATH": str(CORPUS.parent / "fakes" / "claude"), "HOME": str(tmp_path)}
    arguments = ("serve", "--now", NOW.isoformat(), "--seed", "1")
    with (
        RawClient(tmp_path / "one", *arguments, **fixed) as one,
        RawClient(tmp_path / "other", *arguments, **fixed) as other,
    ):
        for host in (one, other):
            host.initialize()
        slow = one.call("claude.spawn", prompt="[[hang]]")["job_id"]
        while one.until("jobs.log_added")["line"]["message"] != "Claude started":
            pass
        quick = other.call("claude.spawn", prompt="Say hello.")["job_id"]
        assert slow == quick
        other.until_job(quick, "succeeded")
        one.call("jobs.cancel", job_id=slow)
        assert one.until_job(slow, "cancelled", "failed")["status"] == "cancelled"


def test_a_scenario_is_recorded_again_without_secret_addresses(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    record(CALENDAR_FILE, tmp_path, port)
    transcript, upstream = tmp_path / f"{CALENDAR_FILE}.jsonl", tmp_path / f"{CALENDAR_FILE}.upstream"
    assert exactly(transcript) == ""
    answers = [parse(line) for line in upstream.read_bytes().splitlines()]
    assert [answer["status"] for answer in answers] == [302, 200, 302, 200, 302, 304, 302, 200]
    for path in (transcript, upstream):
        text = path.read_text("utf-8")
        assert not any(secret in text for secret in (PRIVATE, f":{port}/", "basic.ics")), path.name
