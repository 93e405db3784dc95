"""Groups: notifications recorded with the same `group` may arrive in any order; others may not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import command
from sidecar.transcripts.verify.check import VerifyOptions, check, explain_all
from tests.transcripts.recording import answer, c2s, notification, request, s2c, write

Line = dict[str, Any]
Compare = Callable[[list[Line], list[Line]], str]
ASKED = c2s(0, request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"}))
ANSWERED = s2c(0, answer(1, protocol_version=1))
DONE = [c2s(0, request(2, "shutdown")), s2c(0, answer(2, drained=True))]
PROGRESS = s2c(0, notification("jobs.progress", job_id="j", progress=0.5, message=None))
A, B, C = (f"01a00000-0000-7000-8000-00000000000{number}" for number in "abc")


def changed(seq: int, calendar: str, **more: Any) -> Line:
    """Returns a notification about a calendar."""
    params = {"seq": seq, "account_id": A, "calendar_id": calendar, "added": 1, "updated": 0, "removed": 0}
    return s2c(0, notification("calendar.changed", **params), **more)


def queue(seq: int, paused: bool, **more: Any) -> Line:
    """Returns a notification of another method."""
    return s2c(0, notification("jobs.queue_updated", seq=seq, queue={"paused": paused}), **more)


def event(seq: int, job_id: str, message: str, **more: Any) -> Line:
    """Returns a notification with a job's id."""
    entry = {"event_id": 1, "job_id": job_id, "level": "info", "message": message, "meta": None}
    return s2c(0, notification("jobs.log_added", seq=seq, line=entry), **more)


@pytest.fixture
def compare(tmp_path: Path) -> Compare:
    """Verifies a transcript of the first lines against a replay of the second."""

    def verify(recorded: list[Line], received: list[Line]) -> str:
        path = write(tmp_path / "recorded.jsonl", ASKED, ANSWERED, *recorded, *DONE)
        other = write(tmp_path / "received.jsonl", ASKED, ANSWERED, *received, *DONE)
        options = VerifyOptions(command=tuple(command("replay", str(other))), timeout_s=1.0)
        return explain_all(path, check(path, options))

    return verify


def test_only_notifications_of_a_group_may_be_swapped(compare: Compare) -> None:
    received = [changed(1, "b"), changed(2, "a"), queue(3, paused=True)]
    assert "calendar_id" in compare([changed(1, "a"), changed(2, "b"), queue(3, paused=True)], received)
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, received) == ""
    assert "calendar.changed differs" in compare(recorded, [received[0], queue(2, paused=True), changed(3, "a")])


def test_a_missing_notification_of_a_group_is_named(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), queue(2, paused=True, group=1), changed(3, "c", group=1)]
    found = compare(recorded, [changed(1, "c"), changed(2, "a")])
    assert "recorded.jsonl:5: jobs.queue_updated did not arrive" in found
    assert "calendar.changed" not in found
    assert "jobs.queue_updated differs" in compare(
        [*recorded, event(4, A, "x")], [changed(1, "c"), changed(2, "a"), event(3, A, "x")]
    )


def test_an_additional_notification_in_a_group_is_reported(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), queue(2, paused=True, group=1)]
    found = compare(recorded, [changed(1, "a"), changed(2, "x"), queue(3, paused=True)])
    assert "recorded.jsonl:5: jobs.queue_updated differs" in found
    assert '"calendar_id": "x"' in found


def test_a_changed_notification_is_compared_with_the_most_similar_one(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), event(2, A, "Started", group=1), event(3, B, "Started", group=1)]
    found = compare(recorded, [event(1, B, "Started"), event(2, A, "Stopped"), changed(3, "a")])
    assert found.count("differs") == 1
    assert "at params.line.message" in found


def test_notifications_that_may_be_merged_do_not_split_a_group(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), PROGRESS, changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, [changed(1, "b"), changed(2, "a"), PROGRESS, queue(3, paused=True)]) == ""


def test_adjacent_groups_do_not_mix(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), changed(3, "c", group=2), changed(4, "d", group=2)]
    assert compare(recorded, [changed(1, "b"), changed(2, "a"), changed(3, "d"), changed(4, "c")]) == ""
    assert "calendar_id" in compare(recorded, [changed(1, "a"), changed(2, "c"), changed(3, "b"), changed(4, "d")])


def test_other_notifications_and_lines_from_the_client_split_a_group(compare: Compare) -> None:
    separator = queue(2, paused=True)
    recorded = [changed(1, "a", group=1), separator, changed(3, "b", group=1)]
    assert "calendar_id" in compare(recorded, [changed(1, "b"), separator, changed(3, "a")])
    asked = [c2s(0, request(7, "jobs.queue.get")), s2c(0, answer(7, paused=False))]
    recorded = [changed(1, "a", group=1), *asked, changed(2, "b", group=1)]
    assert "calendar_id" in compare(recorded, [changed(1, "b"), *asked, changed(2, "a")])


def test_an_answer_does_not_split_a_group(compare: Compare) -> None:
    asked, replied = c2s(0, request(7, "jobs.queue.get")), s2c(0, answer(7, paused=False))
    recorded = [asked, changed(1, "a", group=1), replied, changed(2, "b", group=1)]
    assert compare(recorded, [asked, changed(1, "b"), changed(2, "a"), replied]) == ""
    assert compare(recorded, [asked, replied, changed(1, "a"), changed(2, "b")]) == ""


def test_a_group_is_matched_with_backtracking(compare: Compare) -> None:
    recorded = [
        event(1, A, "Started", group=1),
        event(2, B, "Started", group=1),
        event(3, A, "A backup", group=1),
        event(4, B, "A sync", group=1),
    ]
    one, other = "01b00000-0000-7000-8000-000000000001", "01b00000-0000-7000-8000-000000000002"
    received = [
        event(1, other, "Started"),
        event(2, one, "Started"),
        event(3, one, "A backup"),
        event(4, other, "A sync"),
    ]
    assert compare(recorded, received) == ""
    received[3] = event(4, one, "A sync")  # both are about the same job, which was not recorded
    assert "job_id" in compare(recorded, received)


def test_ids_bound_in_a_group_hold_for_later_messages(compare: Compare) -> None:
    recorded = [event(1, A, "One", group=1), event(2, B, "Two", group=1), event(3, B, "Done"), event(4, A, "Done")]
    assert compare(recorded, [event(1, B, "Two"), event(2, A, "One"), event(3, B, "Done"), event(4, A, "Done")]) == ""
    received = [event(1, C, "Two"), event(2, A, "One"), event(3, C, "Done"), event(4, A, "Done")]
    assert compare(recorded, received) == ""
    received[2:] = [event(3, A, "Done"), event(4, C, "Done")]
    assert "job_id" in compare(recorded, received)


def test_the_seqs_of_a_group_rise_in_the_order_of_arrival(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1), queue(3, paused=True)]
    assert compare(recorded, [changed(11, "b"), changed(12, "a"), queue(13, paused=True)]) == ""
    for seqs in ((2, 1, 3), (1, 1, 3), (1, 3, 4), (1, 2, 4)):
        first, second, third = seqs
        found = compare(recorded, [changed(first, "b"), changed(second, "a"), queue(third, paused=True)])
        assert "at params.seq" in found, seqs


def test_a_seq_in_a_group_may_be_a_pattern(compare: Compare) -> None:
    recorded = [changed(1, "a", group=1), changed(2, "b", group=1)]
    for line in recorded:
        line["msg"]["params"]["seq"] = {"$any": "integer"}
    assert compare(recorded, [changed(1, "b"), changed(2, "a")]) == ""
