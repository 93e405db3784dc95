"""A host that outlives its sidecars: what it asked for, what was acknowledged, and what it was told, over all of them.

It does after a crash what a host is to do: resume the events from the last `seq` that it saw, and ask again for what
was never answered, under the same idempotency keys.
"""

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.process.host import PATIENCE_S, Host, Message, line
from tests.strict_json import parse

RUNNER: Final = (sys.executable, str(Path(__file__).with_name("runner.py")))
FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
FAR: Final = "2999-01-01T00:00:00Z"


class MortalHost(Host):
    """A wire whose other end may die at any moment, in the middle of a line too."""

    def send(self, data: bytes) -> None:
        """Write, as far as there is somebody who takes it."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().send(data)

    def receive(self, patience_s: float = PATIENCE_S) -> Message | None:
        """The next whole message; None at the end of the wire, where half a line is nobody's message."""
        until = time.monotonic() + patience_s
        while (end := self._unparsed.find(b"\n")) < 0:
            if not self.fill(until - time.monotonic()):
                return None
        found = parse(bytes(self._unparsed[:end]))
        del self._unparsed[: end + 1]
        return found


@dataclass(slots=True)
class Asked:
    """A request that awaits its answer."""

    method: str
    params: dict[str, Any]


@dataclass(slots=True)
class Witness:
    """Everything that the host knows of one database."""

    data_dir: Path
    ledger: Path
    wanted: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The creates by idempotency key, answered or not."""
    acknowledged: dict[str, str] = field(default_factory=dict)
    """Idempotency key -> job id."""
    cancels: dict[str, list[Message]] = field(default_factory=dict)
    """Job id -> the answers to `jobs.cancel`."""
    told: list[Message] = field(default_factory=list)
    """The durable notifications, in the order in which they came."""
    jobs: dict[str, Message] = field(default_factory=dict)
    """The last `jobs.updated` of each job."""
    refused: list[Message] = field(default_factory=list)
    """Errors that came instead of results."""
    kills: int = 0
    lives: int = 0
    wire: MortalHost | None = None
    _asked: dict[int, Asked] = field(default_factory=dict)
    _number: int = 0
    _resume: dict[str, Any] | None = None

    @contextmanager
    def life(self, *arguments: str) -> Iterator[MortalHost]:
        """A sidecar on the database, after the handshake as far as it got; nothing of it is left afterwards."""
        self.lives += 1
        with MortalHost(self.data_dir, str(self.ledger), *arguments, command=RUNNER) as wire:
            self.wire = wire
            self._asked.clear()
            more = {} if self._resume is None else {"resume": {**self._resume, "after_seq": self.latest_seq}}
            client = {"name": "witness", "version": "1"}
            self.ask("initialize", protocol_version=1, client_info=client, **more)
            self.until_answered()
            yield wire
        self.wire = None

    @property
    def latest_seq(self) -> int:
        """The last event that the host was told."""
        return self.told[-1]["params"]["seq"] if self.told else 0

    def ask(self, method: str, **params: Any) -> None:
        """Send a request; its answer is taken in `step`."""
        self._send([Asked(method, params)])

    def create(self, *kinds: str, **params: Any) -> list[str]:
        """Ask for a job of each of these types in one burst; their idempotency keys."""
        keys = [f"key-{len(self.wanted) + number}" for number in range(len(kinds))]
        for key, kind in zip(keys, kinds, strict=True):
            self.wanted[key] = {"type": kind, "idempotency_key": key, **params}
        self._send([Asked("jobs.create", self.wanted[key]) for key in keys])
        return keys

    def ask_again(self, *keys: str) -> None:
        """Repeat these creates, or every one that was never answered."""
        unanswered = [key for key in self.wanted if key not in self.acknowledged]
        self._send([Asked("jobs.create", self.wanted[key]) for key in keys or unanswered])

    def cancel(self, key: str) -> None:
        """Ask for the end of an acknowledged job."""
        self.ask("jobs.cancel", job_id=self.acknowledged[key])

    @property
    def expects_more(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._asked)

    def call(self, method: str, **params: Any) -> Message:
        """Ask and wait for the result."""
        self.ask(method, **params)
        number = self._number
        while (message := self.step()) is not None:
            if message.get("id") == number:
                return message["result"]
        raise EOFError(f"the sidecar has ended before it answered {method}")

    def _send(self, requests: Sequence[Asked]) -> None:
        assert self.wire is not None
        lines = []
        for request in requests:
            self._number += 1
            self._asked[self._number] = request
            lines.append(line(request.method, self._number, **request.params))
        self.wire.send(b"".join(lines))

    def step(self) -> Message | None:
        """Take in the next line; None once the sidecar has ended."""
        assert self.wire is not None
        message = self.wire.receive()
        if message is None:
            return None
        if "method" in message:
            self._hear(message)
        else:
            self._take_answer(self._asked.pop(message["id"]), message)
        return message

    def _hear(self, message: Message) -> None:
        if "seq" in message["params"]:
            self.told.append(message)
        if message["method"] == "jobs.updated":
            self.jobs[message["params"]["job"]["job_id"]] = message["params"]["job"]

    def _take_answer(self, asked: Asked, answer: Message) -> None:
        if "error" in answer:
            self.refused.append(answer["error"])
            return
        result = answer["result"]
        if asked.method == "initialize":
            assert result["events"]["resume"] == "ok"
            self._resume = {"epoch": result["events"]["epoch"]}
        elif asked.method == "jobs.create":
            key = asked.params["idempotency_key"]
            known = self.acknowledged.setdefault(key, result["job"]["job_id"])
            assert known == result["job"]["job_id"], f"{key} made two jobs"
        elif asked.method == "jobs.cancel":
            self.cancels.setdefault(result["job_id"], []).append(result)

    def until(self, condition: Callable[[], bool]) -> bool:
        """Take in lines until this holds; False where the sidecar ended before it did."""
        while not condition():
            if self.step() is None:
                return False
        return True

    def until_answered(self) -> bool:
        """Take in lines until nothing asked is open."""
        return self.until(lambda: not self._asked)

    def until_killed(self) -> None:
        """Take in all that the sidecar still says, and see that it was killed."""
        assert self.until(lambda: False) is False
        assert self.wire is not None
        code = self.wire.ended()
        assert code == -signal.SIGKILL, f"exit code {code}: {self.wire.errors.read_text('utf-8')[-2_000:]}"
        self.kills += 1

    def quit(self) -> int:
        """Close the sidecar's stdin, as a host that quits does, and take in what it still says; its exit code."""
        assert self.wire is not None
        self.wire.close_stdin()
        assert self.until(lambda: False) is False
        return self.wire.ended()

    def status(self, key: str) -> str | None:
        """What the host was last told about a job."""
        job = self.jobs.get(self.acknowledged.get(key, ""))
        return None if job is None else job["status"]

    def all_final(self) -> bool:
        """Whether every job has ended, as far as the host was told."""
        return all(self.status(key) in FINAL for key in self.wanted)
