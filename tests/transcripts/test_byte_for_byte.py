"""Whole syncs are said again byte for byte and offline, where the clock, chance, the clouds and Claude are fixed.

Not a part of that, for no two runs can have it in common:
- `t`, the moment of a line;
- `pid`, the process's number, in the answer to `initialize`;
- notifications that the contract lets merge or drop (`jobs.progress`, `system.state`): how many there are goes by the
  hundredths of a second.  Of text that is appended (`claude.delta`) the whole is the same, however it was cut.
"""

import socket
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import Terms, check, contract, explain
from tests.fakes.ics import PRIVATE
from tests.process.raw_client import RawClient
from tests.strict_json import parse
from tests.transcripts.recording import BACKUP, CORPUS, TRANSCRIPTS, changed, lines_of, said_by
from tests.transcripts.scenes import NOW, SCENES, record, steady

CALENDAR_FILE = "a_user_subscribes_to_a_calendar_file_and_sees_the_week"
CONTRACT = contract()


FIXED = [path for path in TRANSCRIPTS if {"now", "seed"} <= lines_of(path)[0].get("fixed", {}).keys()]
"""Where neither time nor chance has a say."""


def said(path: Path) -> tuple[list[bytes], dict[str, str]]:
    """(each line but for what the module's docstring names, every text that was told in pieces)."""
    lines: list[bytes] = []
    texts: dict[str, str] = {}
    for line in path.read_bytes().splitlines():
        message: Any = parse(line).get("msg")
        rule = CONTRACT.coalescing(message.get("method")) if isinstance(message, dict) else None
        if rule is None:
            lines.append(steady(line))
        elif rule["appends"]:
            key = str([message["method"], *(message["params"][name] for name in rule["key"])])
            texts[key] = texts.get(key, "") + message["params"][rule["appends"]]
    return lines, texts


def exactly(path: Path, **terms: Any) -> str:
    """What is not as recorded, ids and times included."""
    record: Path | None = terms.pop("record", None)
    findings = check(path, Terms(exact=True, **terms), record)
    return "\n".join(explain(path, finding) for finding in findings)


@pytest.mark.parametrize("path", FIXED, ids=lambda path: path.stem)
def test_two_runs_say_the_same_byte_for_byte_and_what_was_recorded(path: Path, tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    again = f"record it anew: python -m tests.transcripts.scenes {path.stem}"
    assert exactly(path, record=one) == "", again
    assert exactly(path, record=other, env={"TZ": "America/St_Johns"}) == "", again
    assert said(one) == said(other)
    assert len(said(one)[0]) > 10


def test_what_is_fixed_is_made_by_a_scene_and_has_every_kind_of_cloud() -> None:
    assert {path.stem for path in FIXED} == SCENES.keys()
    assert {path.stem for path in CORPUS.glob("*.upstream")} <= SCENES.keys()


def test_exactly_means_the_very_same_ids(tmp_path: Path) -> None:
    path = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"
    line_id = next(one["params"]["line"]["line_id"] for one in said_by(path) if one.get("method") == "jobs.log_added")
    other = changed(path, tmp_path / "other.jsonl", line_id, "01a00000-0000-7000-8000-000000000001")
    assert check(other, Terms()) == []
    assert "params.line.line_id" in exactly(other)


def test_what_nothing_fixes_cannot_be_exact() -> None:
    assert "nothing fixes its clock and its ids" in exactly(BACKUP)


def test_the_next_life_of_a_fixed_sidecar_makes_other_ids(tmp_path: Path) -> None:
    made = []
    for _ in range(2):
        with RawClient(tmp_path / "data", "serve", "--now", NOW.isoformat(), "--seed", "1") as host:
            host.initialize()
            job = host.call("jobs.create", type="maintenance.backup", run_at="2026-12-24T08:00:00Z")["job"]
            made.append(job["job_id"])
            host.close_stdin()
            assert host.exit_code() == 0
    assert len(set(made)) == 2


def test_sidecars_with_one_seed_leave_each_others_claude_alone(tmp_path: Path) -> None:
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


def test_a_scene_is_recorded_anew_by_one_command_and_shows_no_secret_address(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    record(CALENDAR_FILE, tmp_path, port)
    transcript, tape = tmp_path / f"{CALENDAR_FILE}.jsonl", tmp_path / f"{CALENDAR_FILE}.upstream"
    assert exactly(transcript) == ""
    answers = [parse(line) for line in tape.read_bytes().splitlines()]
    assert [answer["status"] for answer in answers] == [302, 200, 302, 200, 302, 304, 302, 200]
    for path in (transcript, tape):
        text = path.read_text("utf-8")
        assert not any(secret in text for secret in (PRIVATE, str(port), "basic.ics")), path.name
