"""The wire's guarantees G1 to G5, each by name, on the real process.  G5 has a corpus of its own in test_wire.py."""

import json
from typing import Any

from tests.conftest import StartHost
from tests.process.host import ODD, Host, Message, line

FAR = "2100-01-01T00:00:00Z"


def seqs(messages: list[Message]) -> list[int]:
    """The durable notifications' numbers, as they came."""
    return [message["params"]["seq"] for message in messages if "seq" in message.get("params", {})]


def names(message: Message) -> str | None:
    """The job that a notification names."""
    params: dict[str, Any] = message.get("params") or {}
    return (params.get("job") or params.get("line") or {}).get("job_id")


def created(message: Message) -> list[str]:
    """The jobs that an answer, or an array of answers, has made."""
    answers = message if isinstance(message, list) else [message]
    return [one["result"]["job"]["job_id"] for one in answers if "job" in (one.get("result") or {})]


def everything(wire: Host) -> list[Message]:
    """All that comes until the sidecar has ended."""
    wire.close_stdin()
    return wire.rest()


def test_g1_notifications_keep_their_order_though_answers_overtake_them(host: StartHost) -> None:
    with host(command=ODD) as wire:
        wire.initialize()
        wire.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(300)))
        told = seqs(everything(wire))
        assert told == sorted(told)
        assert len(told) >= 600


def test_g2_no_event_names_what_a_request_makes_before_that_is_answered(host: StartHost) -> None:
    with host(command=ODD) as wire:
        wire.initialize()
        create = json.loads(line("jobs.create", "in a batch", type="test.echo"))
        slow = json.loads(line("system.diagnostics", "slow"))
        wire.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(100)))
        wire.send(json.dumps([create, slow]).encode() + b"\n")
        wire.send(b"".join(line("jobs.create", number, type="test.echo") for number in range(200, 300)))
        known: set[str] = set()
        for message in everything(wire):
            known.update(created(message))
            job_id = None if isinstance(message, list) else names(message)
            assert job_id is None or job_id in known
        assert len(known) == 201


def test_g3_requests_on_one_entity_are_served_in_the_order_in_which_they_came(host: StartHost) -> None:
    with host() as wire:
        wire.initialize()
        wire.call("jobs.queue.pause")  # so that nothing but these requests changes the job
        job_id = wire.call("jobs.create", type="maintenance.backup", run_at=FAR)["job"]["job_id"]
        steps = ["jobs.get", "jobs.cancel", "jobs.get", "jobs.retry", "jobs.cancel", "jobs.get"] * 20
        wire.send(b"".join(line(method, number, job_id=job_id) for number, method in enumerate(steps)))
        answers = [wire.answer(number) for number in range(len(steps))]
        states = [answer["result"]["status"] for answer in answers]
        assert states[:6] == ["queued", "cancelled", "cancelled", "queued", "cancelled", "cancelled"]
        assert states[6:] == ["cancelled", "cancelled", "cancelled", "queued", "cancelled", "cancelled"] * 19
        versions = [answer["result"]["version"] for answer in answers]
        assert versions == sorted(versions)


def test_g4_numbers_rise_over_restarts_and_a_new_database_is_another_epoch(host: StartHost) -> None:
    told: list[int] = []
    epochs: set[str] = set()
    for _ in range(3):
        with host() as wire:
            opened = wire.initialize()
            epochs.add(opened["events"]["epoch"])
            assert opened["events"]["latest_seq"] >= max(told, default=0)
            wire.send(b"".join(line("jobs.create", n, type="maintenance.backup", run_at=FAR) for n in range(9)))
            told += seqs(everything(wire))
            database = wire.data_dir / "sidecar.db"
    assert told == sorted(set(told))
    assert len(epochs) == 1
    for file in database.parent.glob("sidecar.db*"):
        file.unlink()
    with host() as wire:
        assert wire.initialize()["events"]["epoch"] not in epochs


def test_g5_each_request_has_exactly_one_answer_also_where_it_is_cancelled_or_the_pipe_ends(host: StartHost) -> None:
    with host() as wire:
        wire.initialize()
        lines = [
            line("system.diagnostics", f"slow {number}")
            + line("$/cancelRequest", id=f"slow {number}")
            + line("system.health", f"quick {number}")
            for number in range(150)
        ]
        wire.send(b"".join(lines))
        answered = [message["id"] for message in everything(wire) if "id" in message]
        assert sorted(answered) == sorted(f"{kind} {number}" for kind in ("slow", "quick") for number in range(150))
