"""The stand-in: it answers as recorded, tells in its place, and does wrong only what was asked for."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.transcripts.file.patterns import example
from sidecar.transcripts.verify.sidecar_process import replay_command
from tests.conftest import StartRawClient
from tests.process.raw_client import RawClient, line
from tests.transcripts.recording import BACKUP, answer, ask, c2s, s2c, said_by, said_to, tell, write

JOBS = "jobs.list"
NOTHING_LEFT = {"cancelled_requests": 0, "interrupted_jobs": 0}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A conversation with two equal requests, one slow answer, and notifications around them."""
    return write(
        tmp_path / "tape.jsonl",
        c2s(1, ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, answer(1, protocol_version=1)),
        s2c(3, tell("system.state", state="ready")),
        c2s(10, ask(2, JOBS, limit=5)),
        s2c(11, tell("jobs.progress", job_id="j", progress=0.5, message=None)),
        s2c(12, answer(2, jobs=["first"])),
        s2c(13, tell("jobs.progress", job_id="j", progress=0.75, message=None)),
        c2s(400, ask(3, JOBS, limit=5)),
        s2c(401, answer(3, jobs=["second"])),
        s2c(402, tell("system.state", state="degraded")),
        c2s(500, ask(4, "calendar.events.list", start="2026-11-23T00:00:00Z", end="2026-11-24T00:00:00Z")),
        s2c(501, answer(4, events=[])),
    )


@pytest.fixture
def standin(raw_client: StartRawClient) -> Any:
    """Start a stand-in as a host would, as in `with standin(tape) as wire`."""
    return lambda *arguments: raw_client(command=replay_command(*map(str, arguments)))


def heard(wire: RawClient, count: int) -> list[Any]:
    """The next messages, short: results as they are, notifications by what they tell."""
    messages: list[Any] = [wire.receive() for _ in range(count)]
    return [message.get("result") or message.get("params") or message["error"]["data"] for message in messages]


def test_it_answers_under_the_ids_of_the_client_with_notifications_in_their_place(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        assert wire.initialize(process_id=7) == {"protocol_version": 1}
        wire.send(line(JOBS, "mine", limit=5))
        assert heard(wire, 2) == [{"state": "ready"}, {"job_id": "j", "progress": 0.5, "message": None}]
        assert wire.receive() == {"jsonrpc": "2.0", "id": "mine", "result": {"jobs": ["first"]}}
        assert heard(wire, 1) == [{"job_id": "j", "progress": 0.75, "message": None}]


def test_a_request_asked_again_gets_the_next_answer_and_then_the_last_one_for_ever(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        answers = [wire.call(JOBS, limit=5)["jobs"] for _ in range(4)]
    assert answers == [["first"], ["second"], ["second"], ["second"]]


def test_requests_in_another_order_than_recorded_are_answered_all_the_same(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        assert wire.call("calendar.events.list", start="2026-11-23T00:00:00Z", end="2026-11-24T00:00:00Z")
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}
        assert wire.initialize() == {"protocol_version": 1}


def test_times_in_a_request_may_be_others(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        assert wire.call("calendar.events.list", start="2030-01-01T00:00:00Z", end="2030-01-02T00:00:00Z") == {
            "events": []
        }


def test_what_was_not_recorded_is_refused_with_the_nearest_that_was(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        error = wire.call(JOBS, limit=6)["error"]
        assert error["data"]["kind"] == "not_recorded"
        assert "tape.jsonl, line 5" in error["message"]
        assert error["data"]["details"] == [{"path": "params.limit", "message": "recorded: 5"}]
        assert wire.call("jobs.lisst")["error"]["data"]["hint"] == "Recorded is jobs.list."
        assert "--record" in wire.call("nothing.like.it")["error"]["data"]["hint"]


def test_a_client_that_waits_is_told_what_came_after_requests_that_it_never_makes(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        wire.initialize()
        wire.until("system.state", state="degraded")


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_a_client_that_is_slow_to_listen_is_told_nothing_unasked_before_it_asks(
    standin: Any, tape: Path, pace: str
) -> None:
    # The answer to `shutdown` is late: long after all would have been told to a client that is silent.
    arguments = ("--pace", pace, "--fault", "delay=900@shutdown")
    with standin(tape, "--wait-for", JOBS, *arguments) as wire:
        wire.send(line("initialize", 1) + line("shutdown", 2))
        assert heard(wire, 3) == [{"protocol_version": 1}, {"state": "ready"}, {"drained": True, **NOTHING_LEFT}]
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}
        wire.until("system.state", state="degraded")


def test_what_was_told_before_an_answer_is_told_with_it_however_long_the_client_waits(standin: Any, tape: Path) -> None:
    with standin(tape, "--wait-for", "calendar.events.list") as wire:
        wire.initialize()
        wire.send(line(JOBS, 7, limit=5))
        assert heard(wire, 4)[1:] == [
            {"job_id": "j", "progress": 0.5, "message": None},
            {"jobs": ["first"]},
            {"job_id": "j", "progress": 0.75, "message": None},
        ]


def test_what_is_waited_for_must_be_a_method(standin: Any, tape: Path) -> None:
    with standin(tape, "--wait-for", "jobs.lst") as wire:
        assert wire.exit_code() == 2
        assert "--wait-for jobs.lst: there is no such method; jobs.list" in wire.errors.read_text("utf-8")


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_what_stands_far_ahead_is_told_too_and_what_lies_between_is_answered(
    standin: Any, tmp_path: Path, pace: str
) -> None:
    requests = 600
    spoken = []
    for number in range(requests):
        spoken += [c2s(number, ask(number, JOBS, limit=5)), s2c(number, answer(number, number=number))]
    far = write(tmp_path / "far.jsonl", *spoken, s2c(requests, tell("system.state", state="degraded")))
    with standin(far, "--pace", pace) as wire:
        assert wire.call(JOBS, limit=5) == {"number": 0}
        wire.until("system.state", state="degraded")
        assert [wire.call(JOBS, limit=5)["number"] for _ in range(requests)] == [*range(1, requests), requests - 1]


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_at_the_end_all_is_told_that_no_request_stands_before(standin: Any, tmp_path: Path, pace: str) -> None:
    odd = write(
        tmp_path / "odd.jsonl",
        c2s(1, ask(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, answer(1, protocol_version=1)),
        {"t": 3, "dir": "c2s", "raw": "bm8gSlNPTg=="},
        c2s(4, tell("$/cancel", id=9)),
        c2s(5, {**ask(0, "jobs.list"), "id": [1]}),
        c2s(5, {**ask(7, "jobs.list"), "params": [1]}),
        s2c(6, tell("system.state", state="ready")),
        {"t": 7, "dir": "c2s", "eof": True},
        s2c(8, tell("system.state", state="draining")),
        {"t": 9, "dir": "s2c", "exit": 0},
    )
    with standin(odd, "--pace", pace) as wire:
        wire.initialize()
        wire.close_stdin()
        assert [message["params"]["state"] for message in wire.remaining()] == ["ready", "draining"]


def test_at_the_recorded_pace_things_take_their_time(standin: Any, tape: Path) -> None:
    with standin(tape, "--pace", "recorded") as wire:
        wire.call(JOBS, limit=5)
        begin = time.monotonic()
        wire.until("system.state", state="degraded")
        assert time.monotonic() - begin > 0.3  # 390 ms on the tape; that it takes no less is what was asked for


def test_at_either_pace_nothing_overtakes(standin: Any) -> None:
    expected = [message for message in example(said_by(BACKUP)) if message.get("method") != "system.state"]
    for pace in ("fast", "recorded"):
        with standin(BACKUP, "--pace", pace) as wire:
            wire.send(b"".join(json.dumps(message).encode() + b"\n" for message in said_to(BACKUP)))
            wire.close_stdin()
            came = [message for message in wire.remaining() if message.get("method") != "system.state"]
        assert sorted(map(str, came)) == sorted(map(str, expected))
        told = [message for message in came if "method" in message]
        assert told == [message for message in expected if "method" in message]


def test_the_progress_of_a_request_bears_the_token_of_the_client(standin: Any, tmp_path: Path) -> None:
    value = {"kind": "begin", "message": None, "fraction": None}
    tape = write(
        tmp_path / "progress.jsonl",
        c2s(1, ask(1, "system.diagnostics", _meta={"progress_token": "recorded"})),
        s2c(2, tell("$/progress", token="recorded", value=value)),
        s2c(3, answer(1, version="1")),
    )
    with standin(tape) as wire:
        wire.send(line("system.diagnostics", 1, _meta={"progress_token": "mine"}))
        assert heard(wire, 2) == [{"token": "mine", "value": value}, {"version": "1"}]


def test_bad_lines_batches_and_the_end_are_as_with_the_real_one(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        wire.send(b"no JSON\n")
        assert wire.receive()["error"]["data"]["kind"] == "parse_error"
        wire.send(b"[%s,%s]\n" % (line(JOBS, 1, limit=5).strip(), line(JOBS, 2, limit=5).strip()))
        batch = next(message for message in iter(wire.receive, None) if isinstance(message, list))
        assert [one["result"]["jobs"] for one in batch] == [["first"], ["second"]]
        assert wire.call("shutdown")["drained"] is True
        wire.send(line("exit"))
        assert wire.exit_code() == 0


def test_of_several_transcripts_the_first_that_has_the_request_answers(
    standin: Any, tape: Path, tmp_path: Path
) -> None:
    other = write(tmp_path / "other.jsonl", c2s(1, ask(1, "jira.accounts.list")), s2c(2, answer(1, accounts=["one"])))
    with standin(tape, other) as wire:
        assert wire.call("jira.accounts.list") == {"accounts": ["one"]}
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}


def test_it_leaves_nothing_behind_and_needs_no_database(standin: Any, tape: Path) -> None:
    with standin(tape) as wire:
        wire.initialize()
        assert not wire.data_dir.exists()


@pytest.mark.parametrize(
    ("fault", "then"),
    [
        ("drop@jobs.list#1", [{"jobs": ["second"]}]),
        ("delay=50@jobs.list#1", [{"jobs": ["second"]}, {"jobs": ["first"]}]),
        ("kill@jobs.list#2", [{"jobs": ["first"]}, "end"]),
        ("close@jobs.list#2", [{"jobs": ["first"]}, "end"]),
    ],
)
def test_it_goes_wrong_where_it_should(standin: Any, tmp_path: Path, fault: str, then: list[Any]) -> None:
    tape = write(
        tmp_path / "two.jsonl",
        c2s(1, ask(1, JOBS)),
        s2c(2, answer(1, jobs=["first"])),
        c2s(3, ask(2, JOBS)),
        s2c(4, answer(2, jobs=["second"])),
    )
    with standin(tape, "--fault", fault) as wire:
        wire.send(line(JOBS, 1) + line(JOBS, 2))
        assert [_next(wire) for _ in then] == then
        if fault.startswith("kill"):
            assert wire.exit_code() == -9
        elif fault.startswith("close"):
            assert wire.process.poll() is None  # it lives, but says nothing
            wire.close_stdin()
            assert wire.exit_code() == 0


def _next(wire: RawClient) -> Any:
    message = wire.receive()
    return "end" if message is None else message["result"]


def test_garbage_comes_as_a_line_of_its_own(standin: Any, tape: Path) -> None:
    with standin(tape, "--fault", "garbage@jobs.list#2") as wire:
        wire.send(line(JOBS, 1, limit=5) + line(JOBS, 2, limit=5))
        wire.close_stdin()
        lines = [text for text in wire.remaining_bytes().splitlines() if b'"method"' not in text]
    assert [text.startswith(b'{"jsonrpc"') for text in lines] == [True, False, True]


def test_a_stalled_one_lives_and_says_nothing(standin: Any, tape: Path) -> None:
    with standin(tape, "--fault", "stall@jobs.list") as wire:
        wire.initialize()
        wire.send(line(JOBS, 1, limit=5) + line(JOBS, 2, limit=5))
        wire.close_stdin()
        assert [message for message in wire.remaining() if "id" in message] == []
        assert wire.exit_code() == 0


@pytest.mark.parametrize("fault", ["", "explode@jobs.list", "delay@jobs.list", "kill=3@jobs.list", "kill"])
def test_a_fault_that_makes_no_sense_is_refused(standin: Any, tape: Path, fault: str) -> None:
    with standin(tape, "--fault", fault) as wire:
        assert wire.exit_code() == 2
        assert "--fault delay=500@jobs.list" in re.sub(r"\s+", " ", wire.errors.read_text("utf-8"))


def test_what_is_no_transcript_is_refused_with_a_reason(standin: Any, tmp_path: Path) -> None:
    path = tmp_path / "not.jsonl"
    for content, reason in (
        ("", "empty"),
        ('{"t":1}\n', "begins with a line"),
        ('{"transcript":9}\n', "version 9"),
        ("\x00\n", "not JSON"),
    ):
        path.write_text(content)
        with standin(path) as wire:
            assert wire.exit_code() == 2
            assert reason in wire.errors.read_text("utf-8")


def test_damage_in_the_middle_is_said_when_it_is_met(standin: Any, tape: Path) -> None:
    text = tape.read_text("utf-8").splitlines()
    text[4] = text[4][:-9]
    tape.write_text("\n".join(text) + "\n", "utf-8")
    with standin(tape) as wire:
        wire.send(line("initialize", 1))
        wire.send(line(JOBS, 2, limit=5))
        assert wire.exit_code() == 2
        assert "tape.jsonl:5: not JSON" in wire.errors.read_text("utf-8")
