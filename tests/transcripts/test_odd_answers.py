"""Verifying what no good sidecar says: too much, too little, in another order, or no JSON at all."""

from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import Terms, check, explain
from tests.transcripts.conftest import Compare
from tests.transcripts.recording import HEADER, answer, ask, c2s, s2c, tell, write, write_lines

A, B, C, D = (f"01a00000-0000-7000-8000-00000000000{number}" for number in "abcd")
END = {"t": 9, "dir": "s2c", "exit": 0}
EOF = {"t": 8, "dir": "c2s", "eof": True}


def error(request_id: Any, kind: str) -> dict[str, Any]:
    """An error's message."""
    return {
        "jsonrpc": "2.0",
        "id": request_id,
        "error": {"code": -1, "message": "", "data": {"kind": kind, "retryable": False}},
    }


def test_a_batch_may_be_answered_in_another_order_and_so_may_two_batches(tmp_path: Path, verified: Compare) -> None:
    one = [answer(1, events=[]), answer(2, jobs=[]), error(None, "invalid_request"), error(None, "parse_error")]
    two = [answer(3, events=[1]), answer(4, jobs=[1])]
    path = write(
        tmp_path / "batches.jsonl",
        c2s(1, [ask(1, "jobs.log.list"), ask(2, "jobs.list"), 5, 6]),
        c2s(2, [ask(3, "jobs.log.list"), ask(4, "jobs.list")]),
        s2c(3, one),
        s2c(4, two),
    )
    assert verified(path, [], [two[::-1], [one[1], one[2], one[0], one[3]]]) == ""
    assert "the answer to jobs.log.list, jobs.list" in verified(path, [], [two, one[:-1]])
    assert "did not come" in verified(path, [], [two], patience_s=0.3)


def test_a_second_answer_is_found_also_where_the_end_was_not_recorded(tmp_path: Path, verified: Compare) -> None:
    lines = [c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, jobs=[])), c2s(3, ask(2, "jobs.list")), s2c(4, answer(2))]
    said = [[answer(1, jobs=[]), answer(1, jobs=[])], [answer(2)]]
    for end in ([], [EOF, END]):
        path = write(tmp_path / "twice.jsonl", *lines, *end)
        assert "the answer to jobs.list came, but was not recorded" in verified(path, *said)


def test_a_notification_too_many_is_found_where_the_end_was_recorded(tmp_path: Path, verified: Compare) -> None:
    lines = [c2s(1, ask(1, "jobs.list")), s2c(2, answer(1))]
    said = [[answer(1), tell("calendar.changed", seq=1)]]
    assert "calendar.changed came, but was not recorded" in verified(
        write(tmp_path / "a.jsonl", *lines, EOF, END), *said
    )
    assert verified(write(tmp_path / "b.jsonl", *lines), *said) == ""  # the recording may have been cut off here


def test_an_id_that_is_a_number_is_not_the_same_as_a_text(tmp_path: Path, verified: Compare) -> None:
    path = write(tmp_path / "ids.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, jobs=[])))
    assert "did not come" in verified(path, [answer("1", jobs=[])], patience_s=0.3)


@pytest.mark.parametrize("text", ["Fatal: no JSON {", "null", "5", '["text"]', ""])
def test_a_line_that_is_no_message_is_said(tmp_path: Path, verified: Compare, text: str) -> None:
    path = write(tmp_path / "line.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1)))
    found = verified(path, [text, answer(1)])
    assert "line.jsonl:3: the answer to jobs.list did not come: a line came that is no message" in found


def test_a_life_without_an_end_was_killed_and_is_killed_again(tmp_path: Path, verified: Compare) -> None:
    life = [HEADER, c2s(1, ask(1, "jobs.list")), s2c(2, answer(1))]
    assert verified(write_lines(tmp_path / "one.jsonl", life), [answer(1)]) == ""
    ended = tmp_path / "said.ended"
    ended.unlink()  # a last life is let end
    assert "did not come" in verified(
        write_lines(tmp_path / "two.jsonl", [*life, HEADER, s2c(1, tell("calendar.changed", seq=1))]),
        [answer(1)],
        patience_s=0.3,
    )
    ended.unlink()
    lives = write_lines(tmp_path / "wrong.jsonl", [*life, *life[:2], s2c(2, answer(1, jobs=[]))])
    assert "the answer to jobs.list is another" in verified(lives, [answer(1)])


def test_a_real_sidecar_that_was_killed_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    begin = [
        HEADER,
        c2s(1, ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, {"jsonrpc": "2.0", "id": 1, "result": {"$any": "object"}}),
    ]
    create = c2s(4, ask(2, "jobs.create", type="maintenance.backup", run_at="2100-01-01T00:00:00Z"))
    created = s2c(5, {"jsonrpc": "2.0", "id": 2, "result": {"$any": "object"}})
    counted = {"queued": 1}
    asked = [c2s(4, ask(2, "jobs.queue.get")), s2c(5, answer(2, paused=False, paused_at=None, counts=counted))]
    path = write_lines(tmp_path / "killed.jsonl", [*begin, create, created, *begin, *asked])
    assert "\n".join(explain(path, one) for one in check(path, Terms())) == ""


def test_of_a_long_list_only_what_has_come_or_gone_is_shown(tmp_path: Path, verified: Compare) -> None:
    jobs = [
        {"job_id": f"01a00000-0000-7000-8000-{number:012}", "created_at": "2026-11-23T08:00:00.000Z"}
        for number in range(3_000)
    ]
    later = [{**job, "job_id": "01b" + job["job_id"][3:], "created_at": "2027-01-01T00:00:00.000Z"} for job in jobs]
    new = {"job_id": A, "created_at": "2027-01-01T00:00:00.000Z"}
    path = write(tmp_path / "long.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, jobs=jobs)))
    for came in ([new, *later], [*later, new], [*later[:700], new, *later[700:]], [*later[:700], *later[702:]]):
        found = verified(path, [answer(1, jobs=came)], patience_s=20.0)
        assert "the answer to jobs.list is another" in found
        assert len(found.splitlines()) < 25, found
    assert len(verified(path, [answer(1, jobs=[])], patience_s=20.0).splitlines()) < 100


def test_patterns_hold_inside_lists(tmp_path: Path, verified: Compare) -> None:
    wanted = [{"$any": "uuid"}, {"$re": "[0-9]+ bytes"}, {"$unordered": [1, {"job_id": A}, {"job_id": B}]}]
    path = write(tmp_path / "list.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, list=wanted, then=[A, B])))

    def found(then: list[str], *came: Any) -> str:
        return verified(path, [answer(1, list=list(came), then=then)])

    ids: list[Any] = [{"job_id": D}, 1, {"job_id": C}]
    assert found([D, C], A, "9 bytes", ids) == ""
    assert found([C, D], A, "9 bytes", ids) != ""  # nothing tells C and D apart before; the first is taken for A
    assert "result.list[0]" in found([D, C], "A", "9 bytes", ids)
    assert "result.list[1]" in found([D, C], A, "9 bits", ids)
    assert "result.list[2]" in found([D, C], A, "9 bytes", ids[:2])
    assert "result.list" in found([D, C], A, "9 bytes")


def test_of_items_in_any_order_the_first_that_fits_is_given_up_where_another_needs_it(
    tmp_path: Path, verified: Compare
) -> None:
    items = [{"job_id": A}, {"job_id": B}, {"job_id": A, "is": "first"}, {"job_id": B, "is": "second"}]
    path = write(tmp_path / "any.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, jobs={"$unordered": items})))
    came = [{"job_id": C}, {"job_id": D}, {"job_id": D, "is": "first"}, {"job_id": C, "is": "second"}]
    assert verified(path, [answer(1, jobs=came)]) == ""
    came[3] = {"job_id": D, "is": "second"}
    found = verified(path, [answer(1, jobs=came)])
    assert '+          "is": "second"' in found
    assert "job_id" in found


def test_what_is_told_apart_is_taken_first_so_that_the_rest_follows(tmp_path: Path, verified: Compare) -> None:
    def jobs(first: str, order: list[int]) -> list[Any]:
        ids = [f"{first}00000-0000-7000-8000-{number:012}" for number in range(60)]
        return [{"job_id": ids[number]} for number in order] + [
            {"job_id": one, "is": number} for number, one in enumerate(ids)
        ]

    recorded = {"$unordered": jobs("01a", list(range(60)))}
    path = write(tmp_path / "many.jsonl", c2s(1, ask(1, "jobs.list")), s2c(2, answer(1, jobs=recorded)))
    came = jobs("01b", [number * 7 % 60 for number in range(60)])
    assert verified(path, [answer(1, jobs=came)], patience_s=10.0) == ""
    came[3] = came[4]
    assert "result.jobs[" in verified(path, [answer(1, jobs=came)], patience_s=10.0)
