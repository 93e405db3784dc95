"""`sidecar replay`: answers as recorded, notifications in their place, and faults on demand."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from sidecar.paths import command
from sidecar.transcripts.file.patterns import example
from tests.conftest import StartRawClient
from tests.process.raw_client import RawClient, line
from tests.transcripts.recording import (
    BACKUP,
    answer,
    c2s,
    notification,
    request,
    s2c,
    sent_by_client,
    sent_by_sidecar,
    write,
)

JOBS = "jobs.list"
NOTHING_LEFT = {"cancelled_requests": 0, "interrupted_jobs": 0}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Returns a conversation with two equal requests, a slow answer, and notifications around them."""
    return write(
        tmp_path / "recording.jsonl",
        c2s(1, request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, answer(1, protocol_version=1)),
        s2c(3, notification("system.state", state="ready")),
        c2s(10, request(2, JOBS, limit=5)),
        s2c(11, notification("jobs.progress", job_id="j", progress=0.5, message=None)),
        s2c(12, answer(2, jobs=["first"])),
        s2c(13, notification("jobs.progress", job_id="j", progress=0.75, message=None)),
        c2s(400, request(3, JOBS, limit=5)),
        s2c(401, answer(3, jobs=["second"])),
        s2c(402, notification("system.state", state="degraded")),
        c2s(500, request(4, "calendar.events.list", start="2026-11-23T00:00:00Z", end="2026-11-24T00:00:00Z")),
        s2c(501, answer(4, events=[])),
    )


@pytest.fixture
def replay(raw_client: StartRawClient) -> Any:
    """Starts `sidecar replay` as a client would: `with replay(recording) as wire`."""
    return lambda *arguments: raw_client(command=command("replay", *map(str, arguments)))


def received(wire: RawClient, count: int) -> list[Any]:
    """Returns the results, params or error data of the next messages."""
    messages: list[Any] = [wire.receive() for _ in range(count)]
    return [message.get("result") or message.get("params") or message["error"]["data"] for message in messages]


def test_answers_have_the_clients_ids_and_notifications_their_place(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        assert wire.initialize(process_id=7) == {"protocol_version": 1}
        wire.send(line(JOBS, "mine", limit=5))
        assert received(wire, 2) == [{"state": "ready"}, {"job_id": "j", "progress": 0.5, "message": None}]
        assert wire.receive() == {"jsonrpc": "2.0", "id": "mine", "result": {"jobs": ["first"]}}
        assert received(wire, 1) == [{"job_id": "j", "progress": 0.75, "message": None}]


def test_a_repeated_request_gets_the_next_answer_and_then_the_last_one_again(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        answers = [wire.call(JOBS, limit=5)["jobs"] for _ in range(4)]
    assert answers == [["first"], ["second"], ["second"], ["second"]]


def test_requests_are_answered_in_any_order(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        assert wire.call("calendar.events.list", start="2026-11-23T00:00:00Z", end="2026-11-24T00:00:00Z")
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}
        assert wire.initialize() == {"protocol_version": 1}


def test_times_in_a_request_may_differ(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        assert wire.call("calendar.events.list", start="2030-01-01T00:00:00Z", end="2030-01-02T00:00:00Z") == {
            "events": []
        }


def test_a_request_that_was_not_recorded_is_refused_with_the_nearest_one(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        error = wire.call(JOBS, limit=6)["error"]
        assert error["data"]["kind"] == "not_recorded"
        assert "recording.jsonl, line 5" in error["message"]
        assert error["data"]["details"] == [{"path": "params.limit", "message": "recorded: 5"}]
        assert wire.call("jobs.lisst")["error"]["data"]["hint"] == "Similar recorded methods: jobs.list."
        assert "--record" in wire.call("nothing.like.it")["error"]["data"]["hint"]


def test_a_slow_client_gets_nothing_that_was_recorded_after_its_next_request(replay: Any, recording: Path) -> None:
    # The answer to `shutdown` is delayed: it comes after all that is sent to a client that waits.
    with replay(recording, "--fault", "delay=300@shutdown") as wire:
        wire.send(line("initialize", 1) + line("shutdown", 2))
        assert received(wire, 3) == [{"protocol_version": 1}, {"state": "ready"}, {"drained": True, **NOTHING_LEFT}]
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}
        wire.close_stdin()
        assert [one["params"] for one in wire.remaining()] == [{"job_id": "j", "progress": 0.75, "message": None}]
        assert wire.exit_code() == 0
        assert f":9: the {JOBS} in this line was not requested, so 1 notifications" in wire.errors.read_text("utf-8")


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_wait_for_holds_notifications_back_until_the_method_is_called(replay: Any, recording: Path, pace: str) -> None:
    # The answer to `shutdown` is delayed until long after an idle client would have received everything.
    arguments = ("--pace", pace, "--fault", "delay=900@shutdown")
    with replay(recording, "--wait-for", JOBS, *arguments) as wire:
        wire.send(line("initialize", 1) + line("shutdown", 2))
        assert received(wire, 3) == [{"protocol_version": 1}, {"state": "ready"}, {"drained": True, **NOTHING_LEFT}]
        assert [wire.call(JOBS, limit=5)["jobs"] for _ in range(2)] == [["first"], ["second"]]
        wire.until("system.state", state="degraded")


def test_wait_for_still_sends_notifications_along_with_answers(replay: Any, recording: Path) -> None:
    with replay(recording, "--wait-for", "calendar.events.list") as wire:
        wire.initialize()
        wire.send(line(JOBS, 7, limit=5))
        assert received(wire, 4)[1:] == [
            {"job_id": "j", "progress": 0.5, "message": None},
            {"jobs": ["first"]},
            {"job_id": "j", "progress": 0.75, "message": None},
        ]


def test_wait_for_needs_an_existing_method(replay: Any, recording: Path) -> None:
    with replay(recording, "--wait-for", "jobs.lst") as wire:
        assert wire.exit_code() == 2
        assert "--wait-for jobs.lst: there is no such method; jobs.list" in wire.errors.read_text("utf-8")


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_a_notification_far_ahead_is_sent_and_requests_before_it_are_still_answered(
    replay: Any, tmp_path: Path, pace: str
) -> None:
    requests = 600
    lines = []
    for number in range(requests):
        lines += [c2s(number, request(number, JOBS, limit=5)), s2c(number, answer(number, number=number))]
    lines += [c2s(requests, request(requests, "system.health")), s2c(requests, answer(requests, status="ok"))]
    far = write(tmp_path / "far.jsonl", *lines, s2c(requests, notification("system.state", state="degraded")))
    with replay(far, "--pace", pace) as wire:
        assert wire.call(JOBS, limit=5) == {"number": 0}
        if pace == "fast":
            wire.call("system.health")
        wire.until("system.state", state="degraded")
        assert [wire.call(JOBS, limit=5)["number"] for _ in range(requests)] == [*range(1, requests), requests - 1]


@pytest.mark.parametrize("pace", ["fast", "recorded"])
def test_at_eof_all_notifications_before_the_next_request_are_sent(replay: Any, tmp_path: Path, pace: str) -> None:
    odd = write(
        tmp_path / "odd.jsonl",
        c2s(1, request(1, "initialize", protocol_version=1, client_info={"name": "a", "version": "1"})),
        s2c(2, answer(1, protocol_version=1)),
        {"t": 3, "dir": "c2s", "raw": "bm8gSlNPTg=="},
        c2s(4, notification("$/cancel", id=9)),
        c2s(5, {**request(0, "jobs.list"), "id": [1]}),
        c2s(5, {**request(7, "jobs.list"), "params": [1]}),
        s2c(6, notification("system.state", state="ready")),
        {"t": 7, "dir": "c2s", "eof": True},
        s2c(8, notification("system.state", state="draining")),
        {"t": 9, "dir": "s2c", "exit": 0},
    )
    with replay(odd, "--pace", pace) as wire:
        wire.initialize()
        wire.close_stdin()
        assert [message["params"]["state"] for message in wire.remaining()] == ["ready", "draining"]


def test_the_recorded_pace_has_the_recorded_delays(replay: Any, recording: Path) -> None:
    with replay(recording, "--pace", "recorded") as wire:
        wire.call("nothing.like.it")  # the process has started, and the recording has not
        begin = time.monotonic()
        wire.call(JOBS, limit=5)
        wire.until("system.state", state="degraded")
        assert time.monotonic() - begin > 0.3  # recorded: 390 ms


def test_notifications_keep_their_order_at_both_paces(replay: Any) -> None:
    expected = [message for message in example(sent_by_sidecar(BACKUP)) if message.get("method") != "system.state"]
    for pace in ("fast", "recorded"):
        with replay(BACKUP, "--pace", pace) as wire:
            wire.send(b"".join(json.dumps(message).encode() + b"\n" for message in sent_by_client(BACKUP)))
            wire.close_stdin()
            messages = [message for message in wire.remaining() if message.get("method") != "system.state"]
        assert sorted(map(str, messages)) == sorted(map(str, expected))
        notifications = [message for message in messages if "method" in message]
        assert notifications == [message for message in expected if "method" in message]


def test_progress_of_a_request_has_the_clients_token(replay: Any, tmp_path: Path) -> None:
    value = {"message": None, "fraction": None}
    recording = write(
        tmp_path / "progress.jsonl",
        c2s(1, request(1, "system.diagnostics", _meta={"progress_token": "recorded"})),
        s2c(2, notification("$/progress", token="recorded", value=value)),
        s2c(3, answer(1, version="1")),
    )
    with replay(recording) as wire:
        wire.send(line("system.diagnostics", 1, _meta={"progress_token": "mine"}))
        assert received(wire, 2) == [{"token": "mine", "value": value}, {"version": "1"}]


def test_bad_lines_batches_and_the_end_are_handled_like_the_real_sidecar_does(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
        wire.send(b"not JSON\n")
        assert wire.receive()["error"]["data"]["kind"] == "parse_error"
        wire.send(b"[%s,%s]\n" % (line(JOBS, 1, limit=5).strip(), line(JOBS, 2, limit=5).strip()))
        batch = next(message for message in iter(wire.receive, None) if isinstance(message, list))
        assert [one["result"]["jobs"] for one in batch] == [["first"], ["second"]]
        assert wire.call("shutdown")["drained"] is True
        wire.send(line("exit"))
        assert wire.exit_code() == 0


def test_with_several_transcripts_the_first_that_has_the_request_answers(
    replay: Any, recording: Path, tmp_path: Path
) -> None:
    other = write(
        tmp_path / "other.jsonl", c2s(1, request(1, "jira.accounts.list")), s2c(2, answer(1, accounts=["one"]))
    )
    with replay(recording, other) as wire:
        assert wire.call("jira.accounts.list") == {"accounts": ["one"]}
        assert wire.call(JOBS, limit=5) == {"jobs": ["first"]}


def test_a_replay_creates_no_files(replay: Any, recording: Path) -> None:
    with replay(recording) as wire:
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
def test_faults_happen_at_the_given_message(replay: Any, tmp_path: Path, fault: str, then: list[Any]) -> None:
    recording = write(
        tmp_path / "two.jsonl",
        c2s(1, request(1, JOBS)),
        s2c(2, answer(1, jobs=["first"])),
        c2s(3, request(2, JOBS)),
        s2c(4, answer(2, jobs=["second"])),
    )
    with replay(recording, "--fault", fault) as wire:
        wire.send(line(JOBS, 1) + line(JOBS, 2))
        assert [_next(wire) for _ in then] == then
        if fault.startswith("kill"):
            assert wire.exit_code() == -9
        elif fault.startswith("close"):
            assert wire.process.poll() is None  # it lives but sends nothing
            wire.close_stdin()
            assert wire.exit_code() == 0


def _next(wire: RawClient) -> Any:
    message = wire.receive()
    return "end" if message is None else message["result"]


def test_garbage_is_a_separate_line(replay: Any, recording: Path) -> None:
    with replay(recording, "--fault", "garbage@jobs.list#2") as wire:
        wire.send(line(JOBS, 1, limit=5) + line(JOBS, 2, limit=5))
        wire.close_stdin()
        lines = [text for text in wire.remaining_bytes().splitlines() if b'"method"' not in text]
    assert [text.startswith(b'{"jsonrpc"') for text in lines] == [True, False, True]


def test_a_stalled_replay_lives_and_sends_nothing(replay: Any, recording: Path) -> None:
    with replay(recording, "--fault", "stall@jobs.list") as wire:
        wire.initialize()
        wire.send(line(JOBS, 1, limit=5) + line(JOBS, 2, limit=5))
        wire.close_stdin()
        assert [message for message in wire.remaining() if "id" in message] == []
        assert wire.exit_code() == 0


@pytest.mark.parametrize("fault", ["", "explode@jobs.list", "delay@jobs.list", "kill=3@jobs.list", "kill"])
def test_an_invalid_fault_is_refused(replay: Any, recording: Path, fault: str) -> None:
    with replay(recording, "--fault", fault) as wire:
        assert wire.exit_code() == 2
        assert "--fault delay=500@jobs.list" in re.sub(r"\s+", " ", wire.errors.read_text("utf-8"))


def test_a_file_that_is_not_a_transcript_is_refused_with_a_reason(replay: Any, tmp_path: Path) -> None:
    path = tmp_path / "not.jsonl"
    for content, reason in (
        ("", "empty"),
        ('{"t":1}\n', "begins with a line"),
        ('{"transcript":9}\n', "version 9"),
        ("\x00\n", "not JSON"),
    ):
        path.write_text(content)
        with replay(path) as wire:
            assert wire.exit_code() == 2
            assert reason in wire.errors.read_text("utf-8")


def test_damage_in_the_middle_ends_the_replay_with_a_reason(replay: Any, recording: Path) -> None:
    text = recording.read_text("utf-8").splitlines()
    text[4] = text[4][:-9]
    recording.write_text("\n".join(text) + "\n", "utf-8")
    with replay(recording) as wire:
        wire.send(line("initialize", 1))
        wire.send(line(JOBS, 2, limit=5))
        assert wire.exit_code() == 2
        assert "recording.jsonl:5: not JSON" in wire.errors.read_text("utf-8")


def test_what_was_not_as_recorded_is_reported_and_fails_with_strict(replay: Any, recording: Path) -> None:
    for options, code in (([], 0), (["--strict"], 1)):
        with replay(recording, *options) as wire:
            wire.initialize()
            for _ in range(2):
                wire.call(JOBS, limit=6)
            wire.close_stdin()
            assert wire.exit_code() == code
            reported = wire.errors.read_text("utf-8").splitlines()
        assert reported[0].endswith(
            "The nearest request is recording.jsonl, line 5.  params.limit: recorded: 5 (2 times)"
        )
        unsent = "the jobs.list in this line was not requested, so 3 notifications after it were not sent"
        assert reported[1:] == [
            "sidecar replay: recording.jsonl:5: jobs.list was recorded and never requested",
            "sidecar replay: recording.jsonl:12: calendar.events.list was recorded and never requested",
            f"sidecar replay: recording.jsonl:5: {unsent}; `--pace recorded` sends them at their times",
        ]


def test_a_replay_as_recorded_reports_nothing(replay: Any, recording: Path) -> None:
    with replay(recording, "--strict") as wire:
        wire.initialize()
        wire.call(JOBS, limit=5)
        wire.call("calendar.events.list", start="2027-11-23T00:00:00Z", end="2027-11-24T00:00:00Z")
        wire.close_stdin()
        assert wire.exit_code() == 0
        assert wire.errors.read_text("utf-8") == ""


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--ignore", "jobs.lst.limit"), "--ignore jobs.lst.limit: there is no such method; jobs.list"),
        (("--shift-dates", "--now", "2026-11-23T08:00"), "has no offset"),
    ],
)
def test_a_wrong_option_is_refused_with_a_reason(
    replay: Any, recording: Path, options: tuple[str, ...], reason: str
) -> None:
    with replay(recording, *options) as wire:
        assert wire.exit_code() == 2
        assert reason in wire.errors.read_text("utf-8")
