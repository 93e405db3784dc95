"""kill -9 before and after everything that moves a question of Claude's: it is never lost, nor a call made twice."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.claude.harness import processes_of
from tests.crashes.acknowledged import FINAL, RUNNER, MortalHost
from tests.process.host import Message

PROMPT: Final = '[[ask:Bash:{"command":"ls"}]]'
RESPOND: Final = "claude.permissions.respond"
SIDES: Final = ("before", "after")
CASES: Final = [
    *((f"permissions.{operation}:{side}", 1) for operation in ("ask", "answer", "deliver") for side in SIDES),
    *((f"database.commit:{side}", nth) for side in SIDES for nth in (1, 2, 3)),
    *((f"{point}:before", nth) for point in ("outbox.on_commit", "writer.flush") for nth in (1, 2, 3)),
    *((f"journal.finish:{side}", 1) for side in SIDES),
]
"""Each point, and at which passing from the question on the sidecar dies there."""


def request(method: str, params: Message) -> bytes:
    """A request whose id is its method."""
    return json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode() + b"\n"


@dataclass
class Asked:
    """What a host knows of one session, over two lives of its sidecar."""

    data_dir: Path
    ledger: Path
    standin: Path
    session_id: str = ""
    job_id: str = ""
    told: list[Message] = field(default_factory=list)
    """The questions that it was told of."""
    acknowledged: Message | None = None
    """The answer to its answer."""
    jobs: dict[str, Message] = field(default_factory=dict)
    _answers: dict[str, Message] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """How often the tool ran."""
        path = self.ledger.with_name("runs")
        return len(path.read_text("utf-8").splitlines()) if path.exists() else 0

    def life(self, *arguments: str) -> MortalHost:
        """A sidecar."""
        runs = str(self.ledger.with_name("runs"))
        host = MortalHost(
            self.data_dir,
            str(self.ledger),
            *arguments,
            command=RUNNER,
            CLAUDE_PATH=str(self.standin),
            STANDIN_RUNS=runs,
        )
        self.call(host, "initialize", protocol_version=1, client_info={"name": "witness", "version": "1"})
        return host

    def call(self, host: MortalHost, method: str, **params: Any) -> Message:
        """Ask and wait."""
        self._answers.clear()
        host.send(request(method, params))
        while method not in self._answers:
            assert self.step(host), f"the sidecar ended before it answered {method}"
        return self._answers[method]

    def step(self, host: MortalHost) -> bool:
        """Take in a message; False at the end of the wire."""
        message = host.receive()
        if message is None:
            return False
        match message.get("method"):
            case None:
                self._answers[message["id"]] = message.get("result", message)
                if message["id"] == RESPOND:
                    self.acknowledged = message["result"]
            case "claude.permission_requested":
                self.told.append(message["params"]["request"])
            case "jobs.updated":
                self.jobs[message["params"]["job"]["job_id"]] = message["params"]["job"]
        return True

    def until_final(self, host: MortalHost, job_id: str) -> Message:
        """A job, once it has ended."""
        self.jobs[job_id] = self.call(host, "jobs.get", job_id=job_id)
        while self.jobs[job_id]["status"] not in FINAL:
            assert self.step(host)
        return self.jobs[job_id]


def first_life(asked: Asked, point: str, nth: int) -> None:
    """A turn asks, and is answered as soon as the host hears of it, until the sidecar is killed."""
    with asked.life("--point", point, "--nth", str(nth)) as host:
        asked.session_id = asked.call(host, "claude.sessions.create")["session_id"]
        asked.job_id = asked.call(host, "claude.sessions.send", session_id=asked.session_id, prompt=PROMPT)["job_id"]
        answered = False
        while asked.step(host):
            if asked.told and not answered:
                answered = True
                host.send(request(RESPOND, {"request_id": asked.told[0]["request_id"], "decision": "allow"}))
        assert host.ended() == -9, host.errors.read_text("utf-8")[-2_000:]


def second_life(asked: Asked) -> None:
    """Everything is as the host was told, and what is open can be answered."""
    with asked.life() as host:
        first = asked.until_final(host, asked.job_id)
        requests = asked.call(host, "claude.permissions.list")["requests"]
        session = asked.call(host, "claude.sessions.get", session_id=asked.session_id)
        assert [request["request_id"] for request in requests][: len(asked.told)] == [
            request["request_id"] for request in asked.told[:1]
        ]
        assert first["status"] in ("interrupted", "succeeded")
        if asked.acknowledged is not None:
            assert requests == [asked.acknowledged]
        before = asked.runs
        assert before <= (first["status"] == "succeeded" or [one["status"] for one in requests] == ["allowed"])
        if requests and requests[0]["status"] == "open":
            assert (session["status"], requests[0]["turn_ended"], before) == ("waiting", True, 0)
            allowed = asked.call(host, RESPOND, request_id=requests[0]["request_id"], decision="allow")
            assert asked.until_final(host, allowed["resumed_by"])["status"] == "succeeded"
            assert asked.runs == 1
        else:
            assert session["status"] == ("idle" if first["status"] == "succeeded" else "interrupted")
        host.close_stdin()
        while asked.step(host):
            pass
        assert host.ended() == 0


@pytest.mark.parametrize(("point", "nth"), CASES)
def test_a_question_survives_a_crash_and_is_answered_once(
    point: str, nth: int, data_dir: Path, tmp_path: Path, standin: Path
) -> None:
    asked = Asked(data_dir, tmp_path / "ledger", standin)
    first_life(asked, point, nth)
    second_life(asked)
    assert processes_of(asked.session_id) == []
