"""The real process on real pipes: every line that needs a response gets one, and nothing else reaches stdout."""

import json
import os
import random
import stat
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartRawClient
from tests.handlers import NOISE
from tests.process.raw_client import CLIENT, MODIFIED_SIDECAR, RawClient, line
from tests.strict_json import parse

GARBAGE = [
    b"this is not JSON",
    b'{"jsonrpc":"2.0","id":7,"method":"system.health"',
    b'{"jsonrpc":"2.0","id":7,"method":"system.health","params":{"x":NaN}}',
    b'{"jsonrpc":"2.0","id":7,"method":"\xff\xfe"}',
    b'{"jsonrpc":"2.0","id":null,"method":"system.health"}',
    b'{"jsonrpc":"2.0","id":true,"method":"system.health"}',
    b'{"jsonrpc":"1.0","method":"system.health"}',
    b'{"jsonrpc":"2.0","id":"positional","method":"system.health","params":[1]}',
    b'{"jsonrpc":"2.0","id":9007199254740992,"method":"system.health"}',
    b'{"jsonrpc":"2.0","id":"' + b"x" * 129 + b'","method":"system.health"}',
    b"[]",
    b"[" * 5_000,
    b"17",
    b"\x00\x01\x02",
]
SILENT = [b"", b"\r", b"  ", b'{"jsonrpc":"2.0","method":"nobody.knows.this"}', b'{"jsonrpc":"2.0","id":1,"result":{}}']


def refused(answer: Any) -> tuple[int, str]:
    """Returns an error's code and kind."""
    return answer["error"]["code"], answer["error"]["data"]["kind"]


def hanging(folder: Path) -> str:
    """Returns the path of a `claude` that hangs in --version."""
    path = folder / "hanging claude"
    path.write_text("#!/bin/sh\nexec sleep 600\n")
    path.chmod(0o700)
    return str(path)


def burst(number: int, seed: int) -> tuple[list[bytes], Counter[int | str | None]]:
    """Returns random valid and invalid lines, and how often each id must get a response."""
    chance = random.Random(seed)
    lines: list[bytes] = []
    expected: Counter[int | str | None] = Counter()
    for request_id in range(number):
        kind = chance.randrange(8)
        if kind == 0:
            bad = chance.choice(GARBAGE)
            lines.append(bad)
            expected["positional" if b"positional" in bad else None] += 1
        elif kind == 1:
            lines += [chance.choice(SILENT), line("$/cancelRequest", id=chance.randrange(number))[:-1]]
        else:
            choices: list[tuple[str, dict[str, Any]]] = [
                ("system.health", {}),
                ("jobs.list", {"limit": 3}),
                ("jobs.list", {"limit": 0}),
                ("jobs.create", {"type": "test.echo", "payload": {"text": "\u2028\ud83d\ude00"}}),
                ("jobs.get", {"job_id": "nobody"}),
                ("system.diagnostics", {"_meta": {"progress_token": request_id}}),
                ("activity.events.list", {"query": "%"}),
                ("no.such.method", {}),
            ]
            method, params = chance.choice(choices)
            lines.append(line(method, request_id, **params)[:-1] + chance.choice([b"", b"\r", b" "]))
            expected[request_id] += 1
    return lines, expected


def count_by_id(answers: list[Any]) -> Counter[int | str | None]:
    """Counts responses by id."""
    return Counter(answer["id"] for answer in answers)


@pytest.mark.parametrize("seed", range(2))
def test_every_line_of_a_burst_of_invalid_and_cancelled_requests_gets_one_response(
    raw_client: StartRawClient, tmp_path: Path, seed: int
) -> None:
    lines, expected = burst(1_200, seed)
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        data, chance = b"\n".join(lines) + b"\n", random.Random(seed)
        while data:
            size = chance.choice([1, 100, 4_096, 70_000])
            client.send(data[:size])
            data = data[size:]
        for request_id in range(len(lines)):
            client.send(line("$/cancelRequest", id=request_id))
        answers = [client.next_answer() for _ in range(expected.total())]
        assert count_by_id(answers) == expected
        client.close_stdin()
        assert [message for message in client.remaining() if "method" not in message] == []
        assert client.exit_code() == 0


@pytest.mark.parametrize("pipes", [True, False])
def test_the_end_of_stdin_during_a_burst_loses_no_response(
    raw_client: StartRawClient, tmp_path: Path, pipes: bool
) -> None:
    lines, expected = burst(1_000, seed=7)
    with raw_client("patient", command=MODIFIED_SIDECAR, pipes=pipes, CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        client.send(b"\n".join([*lines, line("system.health", "cut")[:-9]]))
        client.close_stdin()
        messages = map(parse, client.remaining_bytes().splitlines())
        answers = [message for message in messages if "method" not in message]
        assert count_by_id(answers) == expected + Counter([None])
        assert answers[-1]["id"] is not None or len(answers) > 1
        assert client.exit_code() == 0


def test_large_responses_queued_at_the_end_of_stdin_are_all_written(raw_client: StartRawClient) -> None:
    with raw_client("patient", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        # 15 MB; the document grows with the contract, while the time to write it at the end does not.
        client.send(b"".join(line("rpc.discover", number) for number in range(64)))
        client.close_stdin()
        lines = client.remaining_bytes().splitlines()  # parsed only then: the sidecar does not wait for a slow reader
        assert count_by_id([message for message in map(parse, lines) if "method" not in message]) == Counter(range(64))
        assert client.exit_code() == 0


def test_a_line_of_forty_mebibytes_is_refused_and_the_session_continues(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        client.send(b'{"jsonrpc":"2.0","id":"huge","method":"system.health","params":{"x":"')
        for _ in range(40):
            client.send(b"x" * 1024 * 1024)
        client.send(b'"}}\n' + line("system.health", "next"))
        first = client.next_answer()
        assert refused(first) == (4131, "message_too_large")
        assert (first["id"], first["error"]["data"]["recovered_id"]) == (None, "huge")
        assert client.answer("next")["result"]["status"] in ("ok", "degraded")
        assert client.call("system.status")["rss_bytes"] < 150 * 1024 * 1024


def test_most_methods_are_refused_before_initialize(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        assert refused(client.call("jobs.list")) == (-32002, "not_initialized")
        assert refused(client.call("shutdown")) == (-32002, "not_initialized")
        assert refused(client.call("no.such.method")) == (-32601, "method_not_found")
        assert client.call("system.health")["status"] in ("ok", "degraded")
        assert client.call("rpc.discover")["openrpc"].startswith("1.")
        client.send(line("initialized") + line("jobs.create", type="maintenance.backup"))
        assert client.initialize(protocol_version=99)["protocol_version"] == 1  # the client decides
        assert client.call("jobs.list") == {"jobs": [], "next_cursor": None}
        assert refused(client.initialize()) == (-32600, "invalid_request")
        assert client.call("initialized") is None


def test_initialize_returns_server_info_and_limits(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        first = client.initialize(schema_hash="another")
        assert first["server_info"]["pid"] == client.process.pid
        assert first["limits"] == {"max_message_bytes": 32 * 1024 * 1024, "max_in_flight": 256, "max_batch": 64}
        assert (first["schema_match"], first["secrets"], first["events"]["resume"]) == (False, "unprotected", "ok")
    with raw_client() as client:
        assert client.initialize(schema_hash=first["schema_hash"])["schema_match"] is True


def test_without_the_token_only_public_methods_are_served(raw_client: StartRawClient) -> None:
    with raw_client(BACKEND_TOKEN="tökén") as client:
        for token in (None, "wrong", "tökén ", "TÖKÉN"):
            assert refused(client.initialize(token=token)) == (4010, "unauthorized")
            assert refused(client.call("jobs.list")) == (4010, "unauthorized")
        assert client.call("system.health")["version"]
        assert client.initialize(token="tökén")["protocol_version"] == 1
        assert client.call("jobs.list")["jobs"] == []
        client.close_stdin()
        assert client.exit_code() == 0
        assert "tökén" not in client.errors.read_text("utf-8")


def test_notifications_that_a_client_opted_out_of_are_not_sent(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize(capabilities={"opt_out": ["jobs.log_added", "system.state"]})
        job = client.call("jobs.create", type="test.echo")["job"]
        client.until_job(job["job_id"], "succeeded")
        client.close_stdin()
        names = {message["method"] for message in [*client.notifications, *client.remaining()]}
        assert names in ({"jobs.updated"}, set())


def test_invalid_params_are_reported_by_path_without_their_values(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        answer = client.call("jobs.create", type="maintenance.backup", priority="hunter2", payload={}, colour="hunter2")
        assert refused(answer) == (-32602, "invalid_params")
        assert {detail["path"] for detail in answer["error"]["data"]["details"]} == {"priority", "colour"}
        assert "hunter2" not in json.dumps(answer)
        inner = client.call("jobs.create", type="maintenance.backup", payload={"keep": 0})
        assert [detail["path"] for detail in inner["error"]["data"]["details"]] == ["payload.keep"]
        for meta in (None, {"timeout_ms": 0}, {"deadline": 5}):
            assert refused(client.call("system.health", _meta=meta)) == (-32602, "invalid_params")


def test_a_request_is_cancelled_when_its_deadline_passes(raw_client: StartRawClient, tmp_path: Path) -> None:
    with raw_client(CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        answer = client.call("system.diagnostics", _meta={"timeout_ms": 50})
        assert refused(answer) == (-32802, "server_cancelled")
        assert answer["error"]["data"]["retryable"] is True


def test_a_request_can_be_cancelled_and_no_progress_follows_its_response(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    with raw_client(CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        client.send(line("system.diagnostics", 1, _meta={"progress_token": "one"}))
        assert client.until("$/progress", token="one")["value"]["message"] == "Looking for the Claude CLI"
        client.send(line("$/cancelRequest", id=1))
        assert refused(client.answer(1)) == (-32800, "cancelled")
        client.send(line("system.diagnostics", 2, _meta={"progress_token": "two"}) + line("$/cancelRequest", id=2))
        assert refused(client.answer(2)) == (-32800, "cancelled")
        client.send(
            line("$/cancelRequest", id=2) + line("$/cancelRequest", id="never") + line("$/cancelRequest", id=[])
        )
        client.notifications.clear()
        client.close_stdin()
        assert [message for message in client.remaining() if message.get("method") == "$/progress"] == []


def test_no_progress_follows_the_response_even_if_the_client_reads_late(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        client.send(b"".join(line("rpc.discover", f"filler {number}") for number in range(40)))
        for number in range(20):
            client.send(line("system.diagnostics", number, _meta={"progress_token": number}))
        client.send(line("system.diagnostics", "last"))
        answered: set[int] = set()
        while len(answered) < 20:
            message = client.receive()
            assert message is not None
            if message.get("method") == "$/progress":
                assert message["params"]["token"] not in answered
            elif isinstance(message.get("id"), int):
                answered.add(message["id"])
        client.close_stdin()
        assert [message for message in client.remaining() if message.get("method") == "$/progress"] == []


def test_more_than_256_requests_in_flight_are_refused_with_a_retry_delay(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    with raw_client(CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        client.send(b"".join(line("system.diagnostics", number) for number in range(300)))
        overloaded = [client.next_answer() for _ in range(44)]
        assert {refused(answer) for answer in overloaded} == {(5030, "overloaded")}
        assert {answer["error"]["data"]["retry_after_ms"] for answer in overloaded} == {200}
        assert sorted(answer["id"] for answer in overloaded) == list(range(256, 300))
        assert client.call("system.health")["version"]  # methods that do not wait are still served
        client.send(b"".join(line("$/cancelRequest", id=number) for number in range(256)))
        assert Counter(refused(client.next_answer()) for _ in range(256)) == {(-32800, "cancelled"): 256}


def test_a_result_that_is_too_large_becomes_an_error(raw_client: StartRawClient) -> None:
    with raw_client("small", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        answer = client.call("rpc.discover")
        assert refused(answer) == (4130, "result_too_large")
        assert client.call("jobs.list")["jobs"] == []


def test_no_event_precedes_the_response_that_names_its_job(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(300)))
        known: set[str] = set()
        ended = 0
        while ended < 300:
            message = client.receive()
            assert message is not None
            if "result" in message:
                known.add(message["result"]["job"]["job_id"])
            elif message["method"] == "jobs.updated":
                assert message["params"]["job"]["job_id"] in known
                ended += message["params"]["job"]["status"] == "succeeded"


def test_stdin_may_be_a_file(data_dir: Path, tmp_path: Path) -> None:
    wanted = tmp_path / "requests.jsonl"
    wanted.write_bytes(
        line("initialize", 1, **CLIENT)
        + b"".join(line("jobs.create", number, type="maintenance.backup") for number in range(2, 900))
        + line("system.health", "last")[:-1]
    )
    command = (*MODIFIED_SIDECAR, "patient")
    with wanted.open("rb") as file, RawClient(data_dir, command=command, stdin=file.fileno()) as client:
        answers = [message for message in client.remaining() if "method" not in message]
        assert [answer["id"] for answer in answers] == [*range(1, 900), "last"]
        assert client.exit_code() == 0


def test_a_closed_stdout_ends_the_process_with_74(raw_client: StartRawClient) -> None:
    for pipes in (True, False):
        with raw_client(pipes=pipes) as client:
            client.initialize()
            client.close_stdout()
            client.send(line("system.health", 1))
            assert client.exit_code() == 74


def test_prints_reach_stderr_and_never_stdout(raw_client: StartRawClient) -> None:
    with raw_client("noisy", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        job = client.call("jobs.create", type="test.noise")["job"]
        assert client.call("system.health")["version"]
        ended = client.until_job(job["job_id"], "succeeded", "failed")
        assert ended["status"] == "succeeded"
        inherited = dict(entry.split() for entry in ended["result"]["text"].splitlines())
        assert set(inherited) == {"0", "1", "2"}, "a child inherited one of our descriptors"
        client.close_stdin()
        assert NOISE not in json.dumps([*client.notifications, *client.remaining()])
        assert client.exit_code() == 0
        assert client.errors.read_text("utf-8").count(NOISE) >= 12


def test_descriptors_0_and_1_are_not_the_pipes(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        folder = Path(f"/proc/{client.process.pid}/fd")
        if not folder.is_dir():
            pytest.skip("needs /proc")
        assert (folder / "0").readlink() == Path(os.devnull)
        assert stat.S_ISREG((folder / "1").stat().st_mode)
        assert (folder / "1").samefile(folder / "2")


def test_the_log_is_json_and_notes_that_the_port_is_ignored(raw_client: StartRawClient) -> None:
    with raw_client(BACKEND_PORT="8000", RUN_ENV="dev") as client:
        client.initialize()
        client.close_stdin()
        assert client.exit_code() == 0
        messages = [entry["msg"] for entry in client.log()]
        assert "BACKEND_PORT is ignored: the sidecar opens no port" in messages
        assert {entry["level"] for entry in client.log()} <= {"debug", "info", "warning"}


def test_a_backlog_at_the_end_of_stdin_does_not_delay_the_end(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.call("jobs.queue.pause")
        large = client.call("jobs.create", type="test.echo", payload={"text": "x" * 2_900_000})["job"]["job_id"]
        client.send(b"".join(line("jobs.get", number, job_id=large) for number in range(2_000)))
        client.close_stdin()
        received = 0
        while size := client.discard():
            received += size
        assert client.exit_code() == 0
        assert received < 2_000 * 2_900_000, "the requests that there was no time for are refused"
