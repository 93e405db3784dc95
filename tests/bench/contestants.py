"""Who is measured: how each is started, and how a request is said to it.

All are asked the same things in JSON-RPC's words; FastAPI gets them translated into the old backend's endpoints.
"""

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.bench.driver import Framing, HttpFraming, LineFraming, MarkedLines

ROOT: Final = Path(__file__).parents[2]
FAR_FUTURE: Final = "2099-01-01T00:00:00Z"
"""Jobs that must stay queued run at this time."""
TALK: Final = "bench.talk"
NOTHING: Final = "bench.nothing"
"""Job types of `tests.bench.working_sidecar`."""
SUCCEEDED: Final = b'","status":"succeeded"'
"""In the `jobs.updated` that tells a job's end; a job without a message or result of that wording has it once."""


class Link(StrEnum):
    """What carries the bytes."""

    SOCKET_PAIR = "socket pair"
    """What Node gives its children."""
    PIPE = "pipe"
    """What a shell gives, and what Node gives on Windows."""
    TCP = "tcp"


class Refused(Exception):
    """The server answered with an error, so there is nothing to measure."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One kind of server."""

    name: str
    command: Callable[[Path], list[str]]
    """The command that serves the data folder."""
    encode: Callable[[int, str, dict[str, Any]], bytes]
    """Id, method and params as bytes."""
    decode: Callable[[bytes], Any]
    """The result in the last answer of these bytes; raises Refused."""
    framing: Callable[[], Framing]
    links: tuple[Link, ...]
    """What it can be reached by; the first is the usual one."""

    def many(self, method: str, each: list[dict[str, Any]]) -> list[bytes]:
        """A request for each of the params, with ids from 1."""
        return [self.encode(number, method, params) for number, params in enumerate(each, start=1)]


def encode_line(request_id: int, method: str, params: dict[str, Any]) -> bytes:
    """A JSON-RPC request as Electron would write it."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params:
        message["params"] = params
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_line(block: bytes) -> Any:
    """The result on the last line that is an answer."""
    for line in reversed(block.splitlines()):
        message = json.loads(line)
        if "error" in message:
            raise Refused(f"{message['error'].get('code')}: {message['error'].get('message')}")
        if "result" in message:
            return message["result"]
    raise Refused("no answer in what was read")


def encode_http(_: int, method: str, params: dict[str, Any]) -> bytes:
    """The old endpoint for a method; what had none asks for its health."""
    path, body = "/health", b""
    if method == "jobs.get":
        path = f"/jobs/{params['job_id']}"
    elif method == "jobs.list":
        path = f"/jobs?{urlencode(params)}"
    elif method == "jobs.create":
        path, body = "/jobs", json.dumps(params).encode()
    verb = "POST" if body else "GET"
    headers = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
    return f"{verb} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n".encode() + body


def decode_http(block: bytes) -> Any:
    """The body of the last response."""
    head, _, body = block[block.rfind(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise Refused(head.partition(b"\r\n")[0].decode(errors="replace"))
    return json.loads(body)


def _streams() -> tuple[Link, ...]:
    return (Link.PIPE,) if sys.platform == "win32" else (Link.SOCKET_PAIR, Link.PIPE)


def over_streams(name: str, command: Callable[[Path], list[str]]) -> Contestant:
    """A server that speaks newline-delimited JSON-RPC on its standard streams."""
    return Contestant(name, command, encode_line, decode_line, LineFraming, _streams())


def the_sidecar(command: list[str]) -> Contestant:
    """What is measured; it finds its data folder in APP_DATA_DIR."""
    return over_streams("sidecar", lambda _: command)


def the_working_sidecar() -> Contestant:
    """The sidecar with job types that measure; its framing counts their ends."""
    command = [sys.executable, "-m", "tests.bench.working_sidecar"]
    return replace(the_sidecar(command), framing=lambda: MarkedLines(SUCCEEDED))


def the_floor() -> Contestant:
    """The bare Python loop."""
    return over_streams("floor", lambda folder: [sys.executable, "-m", "tests.bench.floor", str(folder / "floor.db")])


def fastapi() -> Contestant:
    """The kind of backend that the sidecar replaces; `missing` says whether it can run."""

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "tests.bench.http_floor", str(folder / "floor.db")]

    return Contestant("fastapi", command, encode_http, decode_http, HttpFraming, (Link.TCP,))


def missing(*packages: str) -> str:
    """Why what needs these packages cannot be measured here; empty if it can."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    options = " ".join(f"--with {name}" for name in packages)
    return f"{' and '.join(absent)} not installed (uv run {options} ...)" if absent else ""


def trivial_method() -> str:
    """The request that does least: `rpc.ping` where the contract has it, otherwise `system.health`."""
    try:
        contract = json.loads((ROOT / "schema" / "openrpc.json").read_bytes())
    except (OSError, ValueError):
        return "system.health"
    names = {method.get("name") for method in contract.get("methods", [])}
    return "rpc.ping" if "rpc.ping" in names else "system.health"


def handshake(events: dict[str, Any] | None = None) -> dict[str, Any]:
    """The params of `initialize`; with `events` (from an earlier answer), all events since the first are wanted."""
    params: dict[str, Any] = {
        "protocol_version": 1,
        "client_info": {"name": "bench", "version": "0"},
        "process_id": os.getpid(),
        "capabilities": {},
    }
    if events is not None:
        params["resume"] = {"epoch": events["epoch"], "after_seq": max(0, events["oldest_seq"] - 1)}
    return params
