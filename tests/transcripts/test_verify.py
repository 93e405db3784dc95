"""Verifying: what differs is shown, and what cannot be the same is let be."""

from pathlib import Path

import pytest

from sidecar.transcripts.verify.check import Terms, check, explain
from sidecar.transcripts.verify.sidecar_process import replay_command
from tests.transcripts.recording import (
    BACKUP,
    CORPUS,
    HELLO,
    TRANSCRIPTS,
    answer,
    ask,
    c2s,
    changed,
    lines_of,
    s2c,
    said_by,
    tell,
    write,
)

FIXED = CORPUS / "a_fixed_clock_and_seed_repeat_all_ids_and_times.jsonl"


def explained(path: Path, terms: Terms = Terms()) -> str:
    """All that is found, as a person reads it."""
    return "\n".join(explain(path, finding) for finding in check(path, terms))


def test_a_difference_is_shown_with_the_line_the_place_and_a_diff(tmp_path: Path) -> None:
    path = changed(BACKUP, tmp_path / "changed.jsonl", '"Queued"', '"Put into the queue"')
    text = explained(path)
    line = next(number for number, text in enumerate(path.read_text("utf-8").splitlines(), 1) if "Put into" in text)
    assert f"{path}:{line}: jobs.log_added is another" in text
    assert "at params.line.message" in text
    assert '  -      "message": "Put into the queue"' in text
    assert '  +      "message": "Queued"' in text


def test_ids_and_times_are_no_difference_but_mixed_up_ids_are(tmp_path: Path) -> None:
    text = BACKUP.read_text("utf-8")
    job_id = said_by(BACKUP)[2]["result"]["job"]["job_id"]
    other = "01a00000-0000-7000-8000-000000000001"
    everywhere, once = tmp_path / "everywhere.jsonl", tmp_path / "once.jsonl"
    everywhere.write_text(text.replace(job_id, other).replace("T1", "T0"), "utf-8")
    assert explained(everywhere) == ""
    head, _, tail = text.rpartition(job_id)
    once.write_text(head + other + tail, "utf-8")
    assert "job_id" in explained(once)


def test_a_member_too_many_or_too_few_is_a_difference(tmp_path: Path) -> None:
    assert "params.line.meta" in explained(
        changed(BACKUP, tmp_path / "a.jsonl", '"message":"Queued","meta":null', '"message":"Queued"')
    )
    assert "params.line.mood" in explained(
        changed(BACKUP, tmp_path / "b.jsonl", '"message":"Queued"', '"message":"Queued","mood":"good"')
    )


def test_a_notification_that_does_not_come_and_one_that_was_not_recorded_are_found(tmp_path: Path) -> None:
    text = BACKUP.read_text("utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(text) if '"jobs.log_added"' in line)
    (tmp_path / "more.jsonl").write_text("".join([*text[: place + 1], text[place], *text[place + 1 :]]), "utf-8")
    assert "is another" in explained(tmp_path / "more.jsonl")
    told = tell("jobs.log_added", seq=99, at="2026-11-23T08:00:00.000Z", line={})
    missing = write(tmp_path / "missing.jsonl", s2c(1, told))
    assert "jobs.log_added did not come" in explained(missing, Terms(patience_s=0.5))


def test_patterns_stand_for_what_a_person_does_not_want_to_fix(tmp_path: Path) -> None:
    path = write(
        tmp_path / "patterns.jsonl",
        c2s(1, ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
        c2s(3, ask(2, "jobs.create", type="maintenance.backup", run_at="2100-01-01T00:00:00Z")),
        s2c(4, {"jsonrpc": "2.0", "id": 2, "result": {"job": {"$any": "object"}, "deduplicated": {"$any": "boolean"}}}),
        s2c(5, tell("jobs.updated", seq=1, at={"$any": "date-time"}, job={"$any": "object"})),
        s2c(6, tell("jobs.log_added", seq={"$any": "integer"}, at={"$re": "20.*Z"}, line={"$any": "anything"})),
        c2s(7, ask(3, "jobs.queue.get")),
        s2c(8, answer(3, paused=False, paused_at=None, counts={"$any": "object"})),
    )
    assert explained(path) == ""
    assert "$re" in explained(changed(path, tmp_path / "other.jsonl", "20.*Z", "19.*Z"))


def test_where_clock_and_chance_are_fixed_every_byte_is_the_same() -> None:
    assert explained(FIXED, Terms(exact=True)) == ""


FREE = [path for path in TRANSCRIPTS if "now" not in lines_of(path)[0].get("fixed", {})]
"""Those in which the clock does not stand still."""


@pytest.mark.parametrize("path", FREE, ids=lambda path: path.stem)
def test_a_transcript_holds_on_another_day_and_in_another_time_zone(path: Path) -> None:
    """A day of a leap year, on which another half-hour zone has not the same date; the plugin's zone is a third one."""
    assert explained(path, Terms(env={"TZ": "America/St_Johns"}, now="2028-02-29T01:30:00Z")) == ""


@pytest.mark.parametrize("path", [BACKUP, HELLO], ids=lambda path: path.stem)
def test_a_transcript_holds_on_the_last_second_of_a_month(path: Path) -> None:
    assert explained(path, Terms(env={"TZ": "Asia/Kolkata"}, now="2027-02-28T23:59:59Z")) == ""


def test_a_data_folder_to_begin_with_is_copied_and_never_touched(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    path = write(
        tmp_path / "one.jsonl",
        c2s(1, ask(1, "system.health")),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
    )
    assert explained(path, Terms(data=data)) == ""
    assert list(data.iterdir()) == []


def test_a_sidecar_that_ends_too_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    text = explained(BACKUP, Terms(env={"RUN_ENV": "nonsense"}))
    assert "the sidecar ended before" in text
    assert "RUN_ENV must be dev or prod" in text


@pytest.mark.parametrize("pace", ["fast", "recorded"])
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_stand_in_is_indistinguishable_to_whoever_says_what_was_recorded(path: Path, pace: str) -> None:
    if sum("transcript" in line for line in lines_of(path)) > 1:
        pytest.skip("a stand-in plays one life")
    assert explained(path, Terms(command=tuple(replay_command(str(path), "--pace", pace)))) == ""


def test_nothing_of_this_machine_stands_in_a_transcript() -> None:
    for path in TRANSCRIPTS:
        text = path.read_text("utf-8")
        assert f"{Path.home()}/" not in text, path.name
        assert str(CORPUS) not in text, path.name
