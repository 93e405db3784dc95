"""kill -9 before and after every operation on a permission request: it is never lost, and no tool call runs twice."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.claude.harness import processes_of
from tests.crashes.cases import nightly
from tests.crashes.recovering_client import FINAL, RUNNER, CrashTolerantClient
from tests.process.raw_client import Message, wait_until

PROMPT: Final = '[[ask:Bash:{"command":"ls"}]]'
RESPOND: Final = "claude.permissions.respond"
SIDES: Final = ("before", "after")
CASES: Final = [
    *((f"permissions.{operation}:{side}", 1) for operation in ("request", "respond", "deliver") for side in SIDES),
    *((f"database.commit:{side}", 1) for side in SIDES),
    *(nightly(f"database.commit:{side}", nth) for side in SIDES for nth in (2, 3)),
    *(nightly(f"{point}:before", nth) for point in ("outbox.on_commit", "writer.flush") for nth in (1, 2, 3)),
    *(nightly(f"journal.finish:{side}", 1) for side in SIDES),
]
"""Each point and the passing, counted from the permission request on, at which the sidecar dies."""


def request(method: str, params: Message) -> bytes:
    """Returns a request whose id is its method."""
    return json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode() + b"\n"


@dataclass
class SessionClient:
    """A client of one session, over two runs of the sidecar."""

    data_dir: Path
    step_log: Path
    standin: Path
    session_id: str = ""
    job_id: str = ""
    requests: list[Message] = field(default_factory=list)
    """The permission requests received as notifications."""
    acknowledged: Message | None = None
    """The result of `claude.permissions.respond`."""
    jobs: dict[str, Message] = field(default_factory=dict)
    _answers: dict[str, Message] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """The number of times the tool ran."""
        path = self.step_log.with_name("runs")
        return len(path.read_text("utf-8").splitlines()) if path.exists() else 0

    def sidecar(self, *arguments: str) -> CrashTolerantClient:
        """Starts a sidecar and shakes hands."""
        runs = str(self.step_log.with_name("runs"))
        raw = CrashTolerantClient(
            self.data_dir,
            str(self.step_log),
            *arguments,
            command=RUNNER,
            CLAUDE_PATH=str(self.standin),
            FAKE_CLAUDE_CALLS=runs,
        )
        self.call(raw, "initialize", protocol_version=1, client_info={"name": "crash tests", "version": "1"})
        return raw

    def call(self, raw: CrashTolerantClient, method: str, **params: Any) -> Message:
        """Sends a request and returns its result."""
        self._answers.clear()
        raw.send(request(method, params))
        while method not in self._answers:
            assert self.read(raw), f"the sidecar ended before it answered {method}"
        return self._answers[method]

    def read(self, raw: CrashTolerantClient) -> bool:
        """Reads and records a message; returns False at the end of the stream."""
        message = raw.receive()
        if message is None:
            return False
        match message.get("method"):
            case None:
                self._answers[message["id"]] = message.get("result", message)
                if message["id"] == RESPOND:
                    self.acknowledged = message["result"]
            case "claude.permission_requested":
                self.requests.append(message["params"]["request"])
            case "jobs.updated":
                self.jobs[message["params"]["job"]["job_id"]] = message["params"]["job"]
        return True

    def until_final(self, raw: CrashTolerantClient, job_id: str) -> Message:
        """Waits for the end of a job and returns the job."""
        self.jobs[job_id] = self.call(raw, "jobs.get", job_id=job_id)
        while self.jobs[job_id]["status"] not in FINAL:
            assert self.read(raw)
        return self.jobs[job_id]


def run_until_killed(client: SessionClient, point: str, nth: int) -> None:
    """Runs a turn that requests a permission, answers the request, and waits until the sidecar is killed."""
    with client.sidecar("--point", point, "--nth", str(nth)) as raw:
        client.session_id = client.call(raw, "claude.sessions.create")["session_id"]
        client.job_id = client.call(raw, "claude.sessions.send", session_id=client.session_id, prompt=PROMPT)["job_id"]
        answered = False
        while client.read(raw):
            if client.requests and not answered:
                answered = True
                raw.send(request(RESPOND, {"request_id": client.requests[0]["request_id"], "decision": "allow"}))
        assert raw.exit_code() == -9, raw.errors.read_text("utf-8")[-2_000:]


def check_after_restart(client: SessionClient) -> None:
    """Checks that everything is as the client last saw it, and that an open request can be answered."""
    with client.sidecar() as raw:
        first = client.until_final(raw, client.job_id)
        requests = client.call(raw, "claude.permissions.list")["requests"]
        session = client.call(raw, "claude.sessions.get", session_id=client.session_id)
        assert [request["request_id"] for request in requests][: len(client.requests)] == [
            request["request_id"] for request in client.requests[:1]
        ]
        assert first["status"] in ("interrupted", "succeeded")
        if client.acknowledged is not None:
            assert requests == [client.acknowledged]
        before = client.runs
        assert before <= (first["status"] == "succeeded" or [one["status"] for one in requests] == ["allowed"])
        if requests and requests[0]["status"] == "open":
            assert (session["status"], requests[0]["turn_ended"], before) == ("waiting", True, 0)
            allowed = client.call(raw, RESPOND, request_id=requests[0]["request_id"], decision="allow")
            assert client.until_final(raw, allowed["resumed_by"])["status"] == "succeeded"
            assert client.runs == 1
        else:
            assert session["status"] == ("idle" if first["status"] == "succeeded" else "interrupted")
        raw.close_stdin()
        while client.read(raw):
            pass
        assert raw.exit_code() == 0


@pytest.mark.parametrize(("point", "nth"), CASES)
def test_a_permission_request_survives_a_crash_and_is_answered_once(
    point: str, nth: int, data_dir: Path, tmp_path: Path, standin: Path
) -> None:
    client = SessionClient(data_dir, tmp_path / "step log", standin)
    run_until_killed(client, point, nth)
    check_after_restart(client)
    wait_until(lambda: not processes_of(client.session_id))
