"""The host: calls methods, reads what comes, and remembers what it was promised."""

import base64
import json
import os
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from pydantic_core import from_json

from tests.simulation.process import Process
from tests.simulation.work import HANDLER

Json = dict[str, Any]
Asked = tuple[str, Json]
Script = Generator[Asked, Any, Any]
"""A sequence of calls: yields each, and receives its result, or a `Refused`."""
READ_BYTES: Final = 256 * 1024
INTERNAL_ERROR: Final = -32603
INVALID_REQUEST: Final = -32600
KEYS: Final = tuple(base64.b64encode(Random(number).randbytes(32)).decode() for number in (7, 8))


@dataclass(frozen=True)
class Refused:
    """An error response."""

    code: int
    data: Json


@dataclass
class Call:
    """A request without a response yet."""

    method: str
    params: Json
    then: Callable[[Any], None]


@dataclass
class Promise:
    """A job that the host has asked for; `job_id` once that was acknowledged."""

    params: Json
    job_id: str | None = None
    cancelled_at: int | None = None
    """How many runs had begun or ended when the cancellation was acknowledged."""
    was_running: bool = False
    """Whether it was the cancellation of a running job, which may end in any way, but not begin again."""
    retried: bool = False


@dataclass
class Memory:
    """The knowledge of the host, whatever process it speaks to."""

    epoch: str | None = None
    last_seq: int = 0
    events: dict[int, tuple[str, Json]] = field(default_factory=dict)
    """Every durable notification that it received: method and params, by `seq`."""
    skipped: set[int] = field(default_factory=set)
    """The `seq` of notifications that the process has said to have left out."""
    jobs: dict[str, Json] = field(default_factory=dict)
    """The newest state of each job that a notification had."""
    promises: dict[str, Promise] = field(default_factory=dict)
    """The jobs that it has asked for, by idempotency key."""
    schedules: dict[str, Json] = field(default_factory=dict)


class Host:
    """One host, which outlives its processes."""

    def __init__(
        self,
        *,
        note: Callable[[str], None],
        fail: Callable[[str, object], None],
        now_ms: Callable[[], int],
        refuses: frozenset[str],
    ) -> None:
        """`note` receives what happens, `fail` which sentence is broken and by what; `refuses` are notifications."""
        self.note = note
        self._fail = fail
        self.now_ms = now_ms
        self._opted_out = sorted(refuses)
        self.memory = Memory()
        self.key: str | None = KEYS[0]
        self.used_key: str | None = None
        """The key that the running process was given."""
        self.reads = True
        self.is_ready = False
        """Whether the handshake is done."""
        self.on_ready: Callable[[], None] = lambda: None
        self.inspect: Callable[[bytes], None] = lambda _: None
        """Called with each line that is received."""
        self._process: Process | None = None
        self._calls: dict[int, Call] = {}
        self._scripts: list[Script] = []
        self._next_id = 0
        self._unsent = bytearray()
        self._unread = b""
        self._allows_gap = False
        self._loads_jobs = False
        self._has_other = False
        """Whether the next process has another database, which does not know all events."""
        self._handshakes_left = 0
        self.later: Callable[[float, Callable[[], None]], None] = lambda *_: None
        self.on_account: Callable[[Json], None] = lambda _: None
        """Called with the state of an account that has changed."""
        self.may_have_other = False
        """Whether it has asked for a restore, after which the next process may have another database."""
        self.on_other: Callable[[], None] = lambda: None
        """Called when a process has turned out to have another database."""
        self.on_event: Callable[[str, Json], None] = lambda *_: None
        """Called with each durable notification."""

    # --- the process ----------------------------------------------------------------------------------------------

    def connect(self, process: Process) -> None:
        """Performs the handshake with a new process."""
        self._process, self.used_key = process, self.key
        self._calls, self._unsent, self._unread = {}, bytearray(), b""
        self.reads, self.is_ready, self._allows_gap = True, False, False
        self._handshakes_left = 5
        self._shake_hands()

    def _shake_hands(self) -> None:
        params: Json = {"protocol_version": 1, "client_info": {"name": "simulation", "version": "1"}}
        params["capabilities"] = {"opt_out": self._opted_out}
        if self.memory.epoch is not None:
            params["resume"] = {"epoch": self.memory.epoch, "after_seq": self.memory.last_seq}
        if self.key is not None:
            params["secrets"] = {"key": self.key}
        self.call("initialize", params, self._on_initialized)

    def disconnect(self) -> None:
        """Forgets a process that has ended; what was not answered may or may not have happened."""
        self._process = None
        self.is_ready = False
        self._calls.clear()
        for script in self._scripts:
            script.close()
        self._scripts.clear()

    def hang_up(self) -> None:
        """Closes the process's standard input."""
        if self._process is not None and self._process.stdin >= 0:
            with suppress(OSError):
                os.close(self._process.stdin)
            self._process.stdin = -1

    def _on_initialized(self, result: Any) -> None:
        if isinstance(result, Refused):
            self._on_refused(result)
            return
        window = result["events"]
        memory = self._remembered(window["epoch"])
        if memory.epoch not in (None, window["epoch"]):
            self._fail("The event log keeps its epoch.", (memory.epoch, window))
        if memory.epoch is None:
            memory.last_seq = window["latest_seq"]
        elif window["resume"] != "ok":
            self._allows_gap = self._loads_jobs = True
            if (
                not self._has_other
                and window["oldest_seq"] <= memory.last_seq + 1
                and memory.last_seq <= window["latest_seq"]
            ):
                self._fail("A host that has missed no deleted event can resume.", (memory.last_seq, window))
        if window["resume"] == "ok" and memory.last_seq > window["latest_seq"]:
            self._fail("A host is told that the database was replaced.", (memory.last_seq, window))
        if self._has_other:
            if window["resume"] != "ok":  # otherwise it gets what it has missed
                memory.last_seq = window["latest_seq"]
            self._has_other, self._loads_jobs = False, True
        if window["latest_seq"] < memory.last_seq:
            self._fail("No event that was sent is lost.", (memory.last_seq, window))
        memory.epoch = window["epoch"]
        self._send({"jsonrpc": "2.0", "method": "initialized"})
        self.is_ready = True
        if self._loads_jobs:
            self.play(self._load_jobs())
        self.on_ready()

    def _remembered(self, epoch: str) -> Memory:
        """Returns what it remembers of the database with this epoch, which may be another one after a restore."""
        if self.may_have_other and self.memory.epoch not in (None, epoch):
            self.on_other()
            self.memory.epoch = None
        self.may_have_other = False
        return self.memory

    def _on_refused(self, refusal: Refused) -> None:
        self.note(f"handshake refused {refusal}")
        if refusal.code == INVALID_REQUEST:
            self._fail("A handshake that failed can be repeated.", refusal)
        process = self._process
        if self._handshakes_left:
            self._handshakes_left -= 1
            self.later(1.0, lambda: self._shake_hands() if process is self._process else None)

    def forget(self) -> None:
        """Forgets what an older database cannot know, except how far the host had got."""
        before, self.memory = self.memory, Memory()
        self.memory.epoch, self.memory.last_seq = before.epoch, before.last_seq
        self._has_other = True

    # --- calls ----------------------------------------------------------------------------------------------------

    def call(self, method: str, params: Json, then: Callable[[Any], None] = lambda _: None) -> int:
        """Sends a request; `then` is called with its result or a `Refused`.  Returns the request's id."""
        request_id, line = self._request(method, params, then)
        self._send(line)
        return request_id

    def batch(self, asked: list[Asked]) -> None:
        """Sends several requests as one batch."""
        self._send([self._request(method, params, lambda _: None)[1] for method, params in asked])

    def notify(self, method: str, params: Json) -> None:
        """Sends a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def play(self, script: Script) -> None:
        """Performs the calls of a script, one after the other, as long as the process lives."""
        self._scripts.append(script)
        self._advance(script, None)

    def _advance(self, script: Script, result: Any) -> None:
        if script not in self._scripts:
            return
        try:
            method, params = script.send(result)
        except StopIteration:
            if script in self._scripts:
                self._scripts.remove(script)
            return
        self.call(method, params, lambda answer: self._advance(script, answer))

    def _request(self, method: str, params: Json, then: Callable[[Any], None]) -> tuple[int, Json]:
        self._next_id += 1
        self._calls[self._next_id] = Call(method, params, then)
        return self._next_id, {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}

    def _send(self, message: Any) -> None:
        self._unsent += json.dumps(message).encode() + b"\n"

    def create(self, key: str, params: Json) -> None:
        """Asks for a job under an idempotency key."""
        promise = self.memory.promises.setdefault(key, Promise(params))

        def created(result: Any) -> None:
            if isinstance(result, Refused):
                return
            job_id = result["job"]["job_id"]
            if promise.job_id not in (None, job_id):
                self._fail("A job is created once under its idempotency key.", (promise, job_id))
            promise.job_id = job_id

        self.call("jobs.create", {**params, "idempotency_key": key}, created)

    def cancel(self, promise: Promise) -> None:
        """Cancels a job."""

        def cancelled(result: Any) -> None:
            if not isinstance(result, dict) or promise.cancelled_at is not None:
                return
            if result["status"] == "cancelled" or (result["status"] == "running" and result["cancel_requested"]):
                promise.cancelled_at, promise.was_running = len(HANDLER.runs), result["status"] == "running"

        self.call("jobs.cancel", {"job_id": promise.job_id}, cancelled)

    def repeat_unanswered(self) -> None:
        """Asks again for the jobs whose creation was not acknowledged."""
        for key, promise in self.memory.promises.items():
            if promise.job_id is None:
                self.create(key, promise.params)

    def pick(self, rng: Random) -> Promise | None:
        """Returns one of the acknowledged jobs."""
        known = [one for one in self.memory.promises.values() if one.job_id is not None]
        return rng.choice(known) if known else None

    # --- bytes ----------------------------------------------------------------------------------------------------

    def exchange(self) -> None:
        """Writes the unsent lines, and reads the received ones, as far as the pipes permit."""
        process = self._process
        if process is None:
            return
        if self._unsent and process.stdin >= 0:
            with suppress(BlockingIOError, BrokenPipeError):
                del self._unsent[: os.write(process.stdin, self._unsent)]
        while self.reads:
            try:
                data = os.read(process.stdout, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, self._unread = (self._unread + data).split(b"\n")
            for line in lines:
                self._on_line(line)
            if len(data) < READ_BYTES:
                return

    def _on_line(self, line: bytes) -> None:
        self.inspect(line)
        message = from_json(line)
        for one in message if isinstance(message, list) else [message]:
            if "method" in one:
                self._on_notification(one["method"], one.get("params", {}))
            else:
                self._on_answer(one)

    def _on_answer(self, message: Json) -> None:
        call = self._calls.pop(message["id"], None)
        if call is None:
            self._fail("Each request gets one response.", message)
            return
        error = message.get("error")
        if error is not None and error["code"] == INTERNAL_ERROR:
            self._fail("No response is an internal error.", (call.method, call.params, error))
        call.then(message["result"] if error is None else Refused(error["code"], error.get("data") or {}))

    def _on_notification(self, method: str, params: Json) -> None:
        if method == "events.lag":
            self._skip(params["from_seq"], params["to_seq"])
        elif method == "events.resync":
            self._allows_gap = True
        if "seq" not in params:
            return
        memory, seq = self.memory, params["seq"]
        if seq <= memory.last_seq:
            self._fail("Each event is received once, and in order.", (memory.last_seq, method, params))
        missed = range(memory.last_seq + 1, seq)
        if missed and not self._allows_gap and not self._opted_out and not memory.skipped.issuperset(missed):
            self._fail("No event is left out without a word.", (memory.last_seq, method, params))
        self._allows_gap = False
        memory.last_seq = seq
        memory.events[seq] = method, params
        self._remember(method, params)

    def _skip(self, first: int, last: int) -> None:
        if first != self.memory.last_seq + 1:
            self._fail("A lag names the events that were left out.", (self.memory.last_seq, first, last))
        self.memory.skipped.update(range(first, last + 1))
        self.memory.last_seq = last
        self.play(self._catch_up(first - 1, last))

    def _load_jobs(self) -> Script:
        """Reads all jobs, as hosts do whose events do not lead to the present."""
        params: Json = {"limit": 200}
        while True:
            page = yield "jobs.list", params
            if isinstance(page, Refused):
                return
            for job in page["jobs"]:
                self._update(job)
            if page["next_cursor"] is None:
                self._loads_jobs = False
                return
            params = {"limit": 200, "cursor": page["next_cursor"]}

    def _update(self, job: Json) -> None:
        known = self.memory.jobs.setdefault(job["job_id"], job)
        if job["version"] > known["version"]:
            self.memory.jobs[job["job_id"]] = job

    def _catch_up(self, after: int, last: int) -> Script:
        """Reads what a lag has left out."""
        while after < last:
            page = yield "events.replay", {"after_seq": after, "limit": 500}
            if isinstance(page, Refused) or not page["events"]:
                return
            for one in page["events"]:
                after = one["params"]["seq"]
                if one["method"] == "jobs.updated":
                    self._update(one["params"]["job"])

    def _remember(self, method: str, params: Json) -> None:
        self.on_event(method, params)
        if method == "jobs.updated":
            job = params["job"]
            before = self.memory.jobs.get(job["job_id"])
            if before is not None and job["version"] <= before["version"]:
                self._fail("A job's version grows with each update.", (before, job))
            self.memory.jobs[job["job_id"]] = job
        elif method == "jobs.schedule_updated":
            self.memory.schedules[params["schedule"]["schedule_id"]] = params["schedule"]
        elif method == "accounts.updated":
            self.on_account(params)
