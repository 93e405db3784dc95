"""Groups: what is recorded with the same `group` may come in any order, and nothing else may."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.verify.check import Terms, check, explain
from sidecar.transcripts.verify.sidecar_process import replay_command
from tests.transcripts.recording import answer, ask, c2s, s2c, tell, write

Line = dict[str, Any]
Compare = Callable[[list[Line], list[Line]], str]
ASKED = c2s(0, ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"}))
ANSWERED = s2c(0, answer(1, protocol_version=1))
DONE = [c2s(0, ask(2, "shutdown")), s2c(0, answer(2, drained=True))]
PROGRESS = s2c(0, tell("jobs.progress", job_id="j", progress=0.5, message=None))
A, B, C = (f"01a00000-0000-7000-8000-00000000000{number}" for number in "abc")


def changed(seq: int, calendar: str, **more: Any) -> Line:
    """A notification that says which calendar it is about."""
    params = {"seq": seq, "account_id": A, "calendar_id": calendar, "added": 1, "updated": 0, "removed": 0}
    return s2c(0, tell("calendar.changed", **params), **more)


def queue(seq: int, paused: bool, **more: Any) -> Line:
    """A notification of another method."""
    return s2c(0, tell("jobs.queue_updated", seq=seq, queue={"paused": paused}), **more)


def event(seq: int, job_id: str, message: str, **more: Any) -> Line:
    """A notification that bears an id."""
    entry = {"event_id": 1, "job_id": job_id, "level": "info", "message": message, "meta": None}
    return s2c(0, tell("jobs.log_added", seq=seq, line=entry), **more)


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """What is found where the first lines are recorded and the second come, in a second at most."""

    def find(recorded: list[Line], came: list[Line]) -> str:
        path = write(tmp_path / "recorded.jsonl", ASKED, ANSWERED, *recorded, *DONE)
        standin = write(tmp_path / "came.jsonl", ASKED, ANSWERED, *came, *DONE)
        terms = Terms(command=tuple(replay_command(str(standin))), patience_s=1.0)
        return "\n".join(explain(path, finding) for finding in check(path, terms))

    return find


def test_what_is_in_a_group_may_be_swapped_and_what_is_not_may_not(compare: Compare) -> None:
    came = [changed(1, "b"), changed(2, "a"), queue(3, paused=True)]
    assert "calendar_id" in compare([changed(1, "a"), changed(2, "b"), queue(3, paused=True)], came)
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, came) == ""
    assert "calendar.changed is another" in compare(recorded, [came[0], queue(2, paused=True), changed(3, "a")])


def test_one_that_is_missing_is_named(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), queue(2, paused=True, group=1), changed(3, "c", group=1)]
    found = compare(recorded, [changed(1, "c"), changed(2, "a")])
    assert "recorded.jsonl:5: jobs.queue_updated did not come" in found
    assert "calendar.changed" not in found
    assert "jobs.queue_updated is another" in compare(
        [*recorded, event(4, A, "x")], [changed(1, "c"), changed(2, "a"), event(3, A, "x")]
    )


def test_one_too_many_is_found(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), queue(2, paused=True, group=1)]
    found = compare(recorded, [changed(1, "a"), changed(2, "x"), queue(3, paused=True)])
    assert "recorded.jsonl:5: jobs.queue_updated is another" in found
    assert '"calendar_id": "x"' in found


def test_one_that_says_something_else_is_compared_with_the_one_that_is_most_like_it(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), event(2, A, "Started", group=1), event(3, B, "Started", group=1)]
    found = compare(recorded, [event(1, B, "Started"), event(2, A, "Stopped"), changed(3, "a")])
    assert found.count("is another") == 1
    assert "at params.line.message" in found


def test_what_may_merge_or_be_dropped_does_not_divide_a_group(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), PROGRESS, changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, [changed(1, "b"), changed(2, "a"), PROGRESS, queue(3, paused=True)]) == ""


def test_two_groups_next_to_each_other_do_not_mix(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), changed(3, "c", group=2), changed(4, "d", group=2)]
    assert compare(recorded, [changed(1, "b"), changed(2, "a"), changed(3, "d"), changed(4, "c")]) == ""
    assert "calendar_id" in compare(recorded, [changed(1, "a"), changed(2, "c"), changed(3, "b"), changed(4, "d")])


def test_another_notification_and_a_line_of_the_clients_divide_a_group(compare: Compare) -> None:
    fence = queue(2, paused=True)
    recorded = [changed(1, "a", group=1), fence, changed(3, "b", group=1)]
    assert "calendar_id" in compare(recorded, [changed(1, "b"), fence, changed(3, "a")])
    said = [c2s(0, ask(7, "jobs.queue.get")), s2c(0, answer(7, paused=False))]
    recorded = [changed(1, "a", group=1), *said, changed(2, "b", group=1)]
    assert "calendar_id" in compare(recorded, [changed(1, "b"), *said, changed(2, "a")])


def test_a_group_goes_on_over_an_answer(compare: Compare) -> None:
    said, replied = c2s(0, ask(7, "jobs.queue.get")), s2c(0, answer(7, paused=False))
    recorded = [said, changed(1, "a", group=1), replied, changed(2, "b", group=1)]
    assert compare(recorded, [said, changed(1, "b"), changed(2, "a"), replied]) == ""
    assert compare(recorded, [said, replied, changed(1, "a"), changed(2, "b")]) == ""


def test_the_first_that_fits_is_given_up_where_another_needs_it(compare: Compare) -> None:
    recorded = [
        event(1, A, "Started", group=1),
        event(2, B, "Started", group=1),
        event(3, A, "A backup", group=1),
        event(4, B, "A sync", group=1),
    ]
    one, other = "01b00000-0000-7000-8000-000000000001", "01b00000-0000-7000-8000-000000000002"
    came = [
        event(1, other, "Started"),
        event(2, one, "Started"),
        event(3, one, "A backup"),
        event(4, other, "A sync"),
    ]
    assert compare(recorded, came) == ""
    came[3] = event(4, one, "A sync")  # both are about the same job: that was not recorded
    assert "job_id" in compare(recorded, came)


def test_what_a_group_was_taken_for_holds_for_all_that_follows(compare: Compare) -> None:
    recorded = [event(1, A, "One", group=1), event(2, B, "Two", group=1), event(3, B, "Done"), event(4, A, "Done")]
    assert compare(recorded, [event(1, B, "Two"), event(2, A, "One"), event(3, B, "Done"), event(4, A, "Done")]) == ""
    came = [event(1, C, "Two"), event(2, A, "One"), event(3, C, "Done"), event(4, A, "Done")]
    assert compare(recorded, came) == ""
    came[2:] = [event(3, A, "Done"), event(4, C, "Done")]
    assert "job_id" in compare(recorded, came)


def test_the_numbers_of_a_group_go_up_one_by_one_whoever_bears_them(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, [changed(11, "b"), changed(12, "a"), queue(13, paused=True)]) == ""
    for seqs in ((2, 1, 3), (1, 1, 3), (1, 3, 4), (1, 2, 4)):
        first, second, third = seqs
        found = compare(recorded, [changed(first, "b"), changed(second, "a"), queue(third, paused=True)])
        assert "at params.seq" in found, seqs


def test_a_number_may_be_left_open_in_a_group(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1)]
    for line in recorded:
        line["msg"]["params"]["seq"] = {"$any": "integer"}
    assert compare(recorded, [changed(1, "b"), changed(2, "a")]) == ""
