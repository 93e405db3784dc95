"""A client that outlives its sidecars: it records its requests and what it received, across any number of crashes.

After each crash it does what the protocol asks of a host: it resumes the events after the last `seq` it saw and repeats
the unanswered creates under the same idempotency keys.
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

from tests.process.raw_client import PATIENCE_S, Message, RawClient, line
from tests.strict_json import parse

RUNNER: Final = (sys.executable, str(Path(__file__).with_name("runner.py")))
FINAL: Final = frozenset({"succeeded", "failed", "cancelled", "interrupted"})
FAR_FUTURE: Final = "2999-01-01T00:00:00Z"


class CrashTolerantClient(RawClient):
    """A raw client whose sidecar may die at any moment, even in the middle of a line."""

    def send(self, data: bytes) -> None:
        """Writes the data; ignores a closed pipe."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().send(data)

    def receive(self, patience_s: float = PATIENCE_S) -> Message | None:
        """Returns the next whole message, or None at the end of the stream; drops an incomplete last line."""
        until = time.monotonic() + patience_s
        while (end := self._unparsed.find(b"\n")) < 0:
            if not self.fill(until - time.monotonic()):
                return None
        found = parse(bytes(self._unparsed[:end]))
        del self._unparsed[: end + 1]
        return found


@dataclass(slots=True)
class Request:
    """A request that has no answer yet."""

    method: str
    params: dict[str, Any]


@dataclass(slots=True)
class RecoveringClient:
    """Everything that a client knows about one database."""

    data_dir: Path
    step_log: Path
    """The file in which the job handlers record their steps."""
    creates: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The params of `jobs.create` by idempotency key, answered or not."""
    job_ids: dict[str, str] = field(default_factory=dict)
    """The ids of the acknowledged jobs by idempotency key."""
    cancels: dict[str, list[Message]] = field(default_factory=dict)
    """The results of `jobs.cancel` by job id."""
    events: list[Message] = field(default_factory=list)
    """The durable notifications in the order of their arrival."""
    jobs: dict[str, Message] = field(default_factory=dict)
    """The job in the last `jobs.updated`, by job id."""
    errors: list[Message] = field(default_factory=list)
    """The errors received in place of results."""
    raw: CrashTolerantClient | None = None
    _open_requests: dict[int, Request] = field(default_factory=dict)
    _last_id: int = 0
    _epoch: str | None = None

    @contextmanager
    def sidecar(self, *arguments: str) -> Iterator[CrashTolerantClient]:
        """Runs a sidecar on the database and shakes hands; kills it at the end of the block."""
        with CrashTolerantClient(self.data_dir, str(self.step_log), *arguments, command=RUNNER) as raw:
            self.raw = raw
            self._open_requests.clear()
            resume = {} if self._epoch is None else {"resume": {"epoch": self._epoch, "after_seq": self.latest_seq}}
            client_info = {"name": "crash tests", "version": "1"}
            self.send("initialize", protocol_version=1, client_info=client_info, **resume)
            self.read_answers()
            yield raw
        self.raw = None

    @property
    def latest_seq(self) -> int:
        """The `seq` of the last durable event received."""
        return self.events[-1]["params"]["seq"] if self.events else 0

    @property
    def has_open_requests(self) -> bool:
        return bool(self._open_requests)

    def send(self, method: str, **params: Any) -> None:
        """Sends a request; `read` takes its answer."""
        self._send([Request(method, params)])

    def create(self, *types: str, **params: Any) -> list[str]:
        """Sends a burst of creates, one per job type; returns their idempotency keys."""
        keys = [f"key-{len(self.creates) + number}" for number in range(len(types))]
        for key, job_type in zip(keys, types, strict=True):
            self.creates[key] = {"type": job_type, "idempotency_key": key, **params}
        self.repeat_creates(*keys)
        return keys

    def repeat_creates(self, *keys: str) -> None:
        """Sends these creates again, or all that were never answered."""
        unanswered = [key for key in self.creates if key not in self.job_ids]
        self._send([Request("jobs.create", self.creates[key]) for key in keys or unanswered])

    def cancel(self, key: str) -> None:
        """Sends a cancel of an acknowledged job."""
        self.send("jobs.cancel", job_id=self.job_ids[key])

    def call(self, method: str, **params: Any) -> Message:
        """Sends a request and returns its result."""
        self.send(method, **params)
        request_id = self._last_id
        while (message := self.read()) is not None:
            if message.get("id") == request_id:
                return message["result"]
        raise EOFError(f"the sidecar ended before it answered {method}")

    def _send(self, requests: Sequence[Request]) -> None:
        assert self.raw is not None
        lines = []
        for request in requests:
            self._last_id += 1
            self._open_requests[self._last_id] = request
            lines.append(line(request.method, self._last_id, **request.params))
        self.raw.send(b"".join(lines))

    def read(self) -> Message | None:
        """Reads and records the next message; returns None once the sidecar has ended."""
        assert self.raw is not None
        message = self.raw.receive()
        if message is None:
            return None
        if "method" in message:
            self._on_notification(message)
        else:
            self._on_answer(self._open_requests.pop(message["id"]), message)
        return message

    def _on_notification(self, message: Message) -> None:
        if "seq" in message["params"]:
            self.events.append(message)
        if message["method"] == "jobs.updated":
            self.jobs[message["params"]["job"]["job_id"]] = message["params"]["job"]

    def _on_answer(self, request: Request, answer: Message) -> None:
        if "error" in answer:
            self.errors.append(answer["error"])
            return
        result = answer["result"]
        if request.method == "initialize":
            assert result["events"]["resume"] == "ok"
            self._epoch = result["events"]["epoch"]
        elif request.method == "jobs.create":
            key = request.params["idempotency_key"]
            known = self.job_ids.setdefault(key, result["job"]["job_id"])
            assert known == result["job"]["job_id"], f"{key} created two jobs"
        elif request.method == "jobs.cancel":
            self.cancels.setdefault(result["job_id"], []).append(result)

    def read_until(self, condition: Callable[[], bool]) -> bool:
        """Reads until the condition holds; returns False if the sidecar ended first."""
        while not condition():
            if self.read() is None:
                return False
        return True

    def read_answers(self) -> bool:
        """Reads until every request is answered; returns False if the sidecar ended first."""
        return self.read_until(lambda: not self._open_requests)

    def read_to_end(self) -> int:
        """Reads until the sidecar has ended; returns its exit code."""
        assert self.read_until(lambda: False) is False
        assert self.raw is not None
        return self.raw.exit_code()

    def expect_killed(self) -> None:
        """Reads until the sidecar has ended and checks that SIGKILL ended it."""
        code = self.read_to_end()
        assert self.raw is not None
        assert code == -signal.SIGKILL, f"exit code {code}: {self.raw.errors.read_text('utf-8')[-2_000:]}"

    def quit(self) -> int:
        """Closes the sidecar's stdin, as a host does when it quits, and returns the exit code."""
        assert self.raw is not None
        self.raw.close_stdin()
        return self.read_to_end()

    def status(self, key: str) -> str | None:
        """Returns the status in the last `jobs.updated` of a job."""
        job = self.jobs.get(self.job_ids.get(key, ""))
        return None if job is None else job["status"]

    def all_final(self) -> bool:
        """Whether every job has ended according to the last `jobs.updated` of each."""
        return all(self.status(key) in FINAL for key in self.creates)
