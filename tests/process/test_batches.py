"""Batches on real pipes: the order of their requests, their notifications, and the size of their responses."""

import json
from collections import Counter
from pathlib import Path

from sidecar_protocol.connection import MAX_BATCH, MAX_BATCH_BYTES

from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, line
from tests.process.test_wire import hanging, refused


def test_a_batch_gets_one_array_and_its_events_follow_it(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        create = json.loads(line("jobs.create", "a", type="test.echo"))
        diagnose = json.loads(line("system.diagnostics", "c", _meta={"progress_token": "t"}))
        batch = [create, 1, json.loads(line("initialized")), {**create, "id": "b"}, diagnose]
        client.send(json.dumps(batch).encode() + b"\n")
        while not isinstance(message := client.receive(), list):
            assert message is not None
            assert message["method"] in (
                "system.state",
                "$/progress",
            )  # the client does not know the job before the response
        assert Counter(answer["id"] for answer in message) == Counter(["a", "b", "c", None])
        jobs = {answer["id"]: answer["result"]["job"]["job_id"] for answer in message if answer["id"] in ("a", "b")}
        for job_id in jobs.values():
            client.until_job(job_id, "succeeded")
        assert [one for one in client.notifications if one["method"] == "$/progress"] == []


def test_a_slow_request_of_a_batch_holds_back_only_what_the_batch_made(
    raw_client: StartRawClient, tmp_path: Path
) -> None:
    with raw_client(command=MODIFIED_SIDECAR, CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        create = json.loads(line("jobs.create", "mine", type="test.echo"))
        slow = json.loads(line("system.diagnostics", "slow", _meta={"progress_token": "t"}))
        client.send(json.dumps([create, slow]).encode() + b"\n")
        assert client.until("$/progress", token="t")["value"]["fraction"] == 0.1
        other = client.call("jobs.create", type="test.echo")["job"]["job_id"]
        client.until_job(other, "succeeded")
        client.send(line("$/cancelRequest", id="slow"))
        seen = len(client.all_notifications)
        answers = {answer["id"]: answer for answer in client.next_answer()}
        mine = answers["mine"]["result"]["job"]["job_id"]
        assert refused(answers["slow"]) == (-32800, "cancelled")
        assert not [one for one in client.all_notifications[:seen] if mine in json.dumps(one)]
        client.until_job(mine, "succeeded")
        seqs = [one["params"]["seq"] for one in client.all_notifications if "seq" in one["params"]]
        assert seqs == sorted(set(seqs))


def test_the_requests_of_a_batch_are_all_answered_when_stdin_ends(raw_client: StartRawClient, tmp_path: Path) -> None:
    with raw_client(command=(*MODIFIED_SIDECAR, "slow"), CLAUDE_PATH=hanging(tmp_path)) as client:
        client.initialize()
        batch = [json.loads(line("jobs.create", 1, type="test.hang")), json.loads(line("system.diagnostics", 2))]
        client.send(json.dumps(batch).encode() + b"\n")
        client.close_stdin()
        (answers,) = [message for message in client.remaining() if isinstance(message, list)]
        assert client.exit_code() == 0
    assert {answer["id"]: "result" in answer for answer in answers} == {1: True, 2: False}


def test_the_response_to_a_batch_is_bounded_as_a_line(raw_client: StartRawClient) -> None:
    with raw_client(command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.call("jobs.queue.pause")
        large = client.call("jobs.create", type="test.echo", payload={"text": "x" * 2_900_000})["job"]["job_id"]
        batch = [json.loads(line("jobs.get", number, job_id=large)) for number in range(MAX_BATCH)]
        client.send(json.dumps(batch).encode() + b"\n")
        answers = client.next_answer()
        assert len(json.dumps(answers)) <= MAX_BATCH_BYTES + MAX_BATCH * 500
        assert [answer["id"] for answer in answers] == list(range(MAX_BATCH))
        results = ["result" in answer for answer in answers]
        assert results == [True] * sum(results) + [False] * (MAX_BATCH - sum(results)), "the later ones are refused"
        assert sum(results) == MAX_BATCH_BYTES // 2_900_000
        assert {refused(answer) for answer in answers if "error" in answer} == {(4130, "result_too_large")}
