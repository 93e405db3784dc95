"""The protocol's guarantees G1 to G5 on the real process.  test_wire.py tests G5 with invalid input too."""

import json
from typing import Any

from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, Message, RawClient, line

FAR = "2100-01-01T00:00:00Z"


def seqs(messages: list[Message]) -> list[int]:
    """Returns the `seq` of the durable notifications, in order of arrival."""
    return [message["params"]["seq"] for message in messages if "seq" in message.get("params", {})]


def job_id_of(message: Message) -> str | None:
    """Returns the id of the job in a notification."""
    params: dict[str, Any] = message.get("params") or {}
    return (params.get("job") or params.get("line") or {}).get("job_id")


def created(message: Message) -> list[str]:
    """Returns the ids of the jobs that a response, or a batch of them, has created."""
    answers = message if isinstance(message, list) else [message]
    return [one["result"]["job"]["job_id"] for one in answers if "job" in (one.get("result") or {})]


def everything(client: RawClient) -> list[Message]:
    """Closes stdin and returns all messages until the sidecar has ended."""
    client.close_stdin()
    return client.remaining()


def test_g1_notifications_keep_their_order_though_responses_overtake_them(raw_client: StartRawClient) -> None:
    with raw_client("patient", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        client.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(300)))
        told = seqs(everything(client))
        assert told == sorted(told)
        assert len(told) >= 300


def test_g2_no_event_names_a_new_job_before_the_response_that_created_it(raw_client: StartRawClient) -> None:
    with raw_client("patient", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        create = json.loads(line("jobs.create", "in a batch", type="test.echo"))
        slow = json.loads(line("system.diagnostics", "slow"))
        client.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(100)))
        client.send(json.dumps([create, slow]).encode() + b"\n")
        client.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(200, 300)))
        known: set[str] = set()
        for message in everything(client):
            known.update(created(message))
            job_id = None if isinstance(message, list) else job_id_of(message)
            assert job_id is None or job_id in known
        assert len(known) == 201


def test_g3_requests_on_one_job_are_served_in_order(raw_client: StartRawClient) -> None:
    with raw_client() as client:
        client.initialize()
        client.call("jobs.queue.pause")  # only these requests change the job
        job_id = client.call("jobs.create", type="maintenance.backup", run_at=FAR)["job"]["job_id"]
        steps = ["jobs.get", "jobs.cancel", "jobs.get", "jobs.retry", "jobs.cancel", "jobs.get"] * 20
        client.send(b"".join(line(method, number, job_id=job_id) for number, method in enumerate(steps)))
        answers = [client.answer(number) for number in range(len(steps))]
        states = [answer["result"]["status"] for answer in answers]
        assert states[:6] == ["queued", "cancelled", "cancelled", "queued", "cancelled", "cancelled"]
        assert states[6:] == ["cancelled", "cancelled", "cancelled", "queued", "cancelled", "cancelled"] * 19
        versions = [answer["result"]["version"] for answer in answers]
        assert versions == sorted(versions)


def test_g4_seq_increases_across_restarts_and_a_new_database_has_a_new_epoch(raw_client: StartRawClient) -> None:
    told: list[int] = []
    epochs: set[str] = set()
    for _ in range(3):
        with raw_client() as client:
            opened = client.initialize()
            epochs.add(opened["events"]["epoch"])
            assert opened["events"]["latest_seq"] >= max(told, default=0)
            client.send(b"".join(line("jobs.create", n, type="maintenance.backup", run_at=FAR) for n in range(9)))
            told += seqs(everything(client))
            database = client.data_dir / "sidecar.db"
    assert told == sorted(set(told))
    assert len(epochs) == 1
    for file in database.parent.glob("sidecar.db*"):
        file.unlink()
    with raw_client() as client:
        assert client.initialize()["events"]["epoch"] not in epochs


def test_g5_each_request_has_one_response_even_if_it_is_cancelled_or_stdin_ends(
    raw_client: StartRawClient,
) -> None:
    with raw_client("patient", command=MODIFIED_SIDECAR) as client:
        client.initialize()
        lines = [
            line("system.diagnostics", f"slow {number}")
            + line("$/cancelRequest", id=f"slow {number}")
            + line("system.health", f"quick {number}")
            for number in range(150)
        ]
        client.send(b"".join(lines))
        answered = [message["id"] for message in everything(client) if "id" in message]
        assert sorted(answered) == sorted(f"{kind} {number}" for kind in ("slow", "quick") for number in range(150))
