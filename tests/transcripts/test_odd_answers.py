"""Verifying a sidecar that misbehaves: too many or too few messages, another order, or lines that are not JSON."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import VerifyOptions, check
from sidecar.transcripts.verify.findings import explain_all
from tests.transcripts.conftest import Verify
from tests.transcripts.recording import HEADER, answer, c2s, notification, request, s2c, write, write_lines

A, B, C, D = (f"01a00000-0000-7000-8000-00000000000{number}" for number in "abcd")
END = {"t": 9, "dir": "s2c", "exit": 0}
EOF = {"t": 8, "dir": "c2s", "eof": True}


def error(request_id: Any, kind: str) -> dict[str, Any]:
    """Returns an error."""
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {"code": -1, "message": "", "data": {"kind": kind, "retryable": False}},
    }


def test_an_answer_whose_request_was_removed_from_the_file_is_named_by_its_id(tmp_path: Path, verified: Verify) -> None:
    one, other = answer(1, jobs=[]), answer(3, jobs=[])
    path = write(tmp_path / "a.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, one), s2c(3, other), EOF, END)
    assert "a.jsonl:4: the response to the id 3 (no request has it) was lost" in verified(path, [one])


def test_a_batch_may_be_answered_in_another_order_and_so_may_two_batches(tmp_path: Path, verified: Verify) -> None:
    one = [answer(1, events=[]), answer(2, jobs=[]), error(None, "invalid_request"), error(None, "parse_error")]
    two = [answer(3, events=[1]), answer(4, jobs=[1])]
    path = write(
        tmp_path / "batches.jsonl",
        c2s(1, [request(1, "jobs.log.list"), request(2, "jobs.list"), 5, 6]),
        c2s(2, [request(3, "jobs.log.list"), request(4, "jobs.list")]),
        s2c(3, one),
        s2c(4, two),
    )
    assert verified(path, [], [two[::-1], [one[1], one[2], one[0], one[3]]]) == ""
    assert "the response to jobs.log.list, jobs.list" in verified(path, [], [two, one[:-1]])
    assert "did not arrive" in verified(path, [], [two])


def test_a_second_answer_is_reported_even_if_the_exit_was_not_recorded(tmp_path: Path, verified: Verify) -> None:
    lines = [
        c2s(1, request(1, "jobs.list")),
        s2c(2, answer(1, jobs=[])),
        c2s(3, request(2, "jobs.list")),
        s2c(4, answer(2)),
    ]
    sent = [[answer(1, jobs=[]), answer(1, jobs=[])], [answer(2)]]
    for end in ([], [EOF, END]):
        path = write(tmp_path / "twice.jsonl", *lines, *end)
        assert "the response to jobs.list came twice" in verified(path, *sent)


def test_an_additional_notification_is_reported_if_the_exit_was_recorded(tmp_path: Path, verified: Verify) -> None:
    lines = [c2s(1, request(1, "jobs.list")), s2c(2, answer(1))]
    sent = [[answer(1), notification("calendar.changed", seq=1)]]
    assert "calendar.changed was received but not recorded" in verified(
        write(tmp_path / "a.jsonl", *lines, EOF, END), *sent
    )
    assert verified(write(tmp_path / "b.jsonl", *lines), *sent) == ""  # the recording may have been cut off here


def test_a_numeric_id_differs_from_a_text_id(tmp_path: Path, verified: Verify) -> None:
    path = write(tmp_path / "ids.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1, jobs=[])))
    assert "did not arrive" in verified(path, [answer("1", jobs=[])])


@pytest.mark.parametrize("text", ["Fatal: not JSON {", "null", "5", '["text"]', ""])
def test_a_line_that_is_not_a_message_is_reported(tmp_path: Path, verified: Verify, text: str) -> None:
    path = write(tmp_path / "line.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1)))
    found = verified(path, [text, answer(1)])
    assert "line.jsonl:2: a line is not a message" in found


def test_a_run_without_an_exit_code_was_killed_and_is_killed_again(tmp_path: Path, verified: Verify) -> None:
    run = [HEADER, c2s(1, request(1, "jobs.list")), s2c(2, answer(1))]
    assert verified(write_lines(tmp_path / "one.jsonl", run), [answer(1)]) == ""
    ended = tmp_path / "script.ended"
    ended.unlink()  # the last run is not killed
    assert "did not arrive" in verified(
        write_lines(tmp_path / "two.jsonl", [*run, HEADER, s2c(1, notification("calendar.changed", seq=1))]),
        [answer(1)],
    )
    ended.unlink()
    runs = write_lines(tmp_path / "wrong.jsonl", [*run, *run[:2], s2c(2, answer(1, jobs=[]))])
    assert "the response to jobs.list differs" in verified(runs, [answer(1)])


def test_a_real_sidecar_that_was_killed_restarts_as_recorded(tmp_path: Path) -> None:
    begin = [
        HEADER,
        c2s(1, request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
    ]
    create = c2s(4, request(2, "jobs.create", type="maintenance.backup", run_at="2100-01-01T00:00:00Z"))
    created = s2c(5, {"jsonrpc": "2.0", "id": 2, "result": {"$any": "object"}})
    counted = {"queued": 1}
    asked = [c2s(4, request(2, "jobs.queue.get")), s2c(5, answer(2, paused=False, paused_at=None, counts=counted))]
    path = write_lines(tmp_path / "killed.jsonl", [*begin, create, created, *begin, *asked])
    assert explain_all(path, check(path, VerifyOptions())) == ""


def test_the_diff_of_a_long_list_shows_only_added_and_removed_items(tmp_path: Path, verified: Verify) -> None:
    jobs = [
        {"job_id": f"01a00000-0000-7000-8000-{number:012}", "created_at": "2026-11-23T08:00:00.000Z"}
        for number in range(3_000)
    ]
    later = [{**job, "job_id": "01b" + job["job_id"][3:], "created_at": "2027-01-01T00:00:00.000Z"} for job in jobs]
    new = {"job_id": A, "created_at": "2027-01-01T00:00:00.000Z"}
    path = write(tmp_path / "long.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1, jobs=jobs)))
    for received in ([new, *later], [*later, new], [*later[:700], new, *later[700:]], [*later[:700], *later[702:]]):
        found = verified(path, [answer(1, jobs=received)])
        assert "the response to jobs.list differs" in found
        assert len(found.splitlines()) < 25, found
    assert len(verified(path, [answer(1, jobs=[])]).splitlines()) < 100


def test_patterns_work_inside_lists(tmp_path: Path, verified: Verify) -> None:
    wanted = [{"$any": "uuid"}, {"$re": "[0-9]+ bytes"}, {"$unordered": [1, {"job_id": A}, {"job_id": B}]}]
    path = write(tmp_path / "list.jsonl", c2s(1, request(1, "jobs.list")), s2c(2, answer(1, list=wanted, then=[A, B])))

    def found(then: list[str], *received: Any) -> str:
        return verified(path, [answer(1, list=list(received), then=then)])

    ids: list[Any] = [{"job_id": D}, 1, {"job_id": C}]
    assert found([D, C], A, "9 bytes", ids) == ""
    assert found([C, D], A, "9 bytes", ids) != ""  # C and D cannot be distinguished yet, so the first is matched with A
    assert "result.list[0]" in found([D, C], "A", "9 bytes", ids)
    assert "result.list[1]" in found([D, C], A, "9 bits", ids)
    assert "result.list[2]" in found([D, C], A, "9 bytes", ids[:2])
    assert "result.list" in found([D, C], A, "9 bytes")
