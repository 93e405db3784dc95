"""The kinds of server that are measured: how each is started and how its requests and answers are encoded.

All get the same JSON-RPC requests; those to FastAPI are translated into endpoints of the old backend.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from tests.bench import feed_rows
from tests.bench.driver import Framing, HttpFraming, LineFraming, MarkedLines

ROOT: Final = Path(__file__).parents[2]
PLAIN_DATABASE: Final = "baseline.db"
FAR_FUTURE: Final = "2099-01-01T00:00:00Z"
"""`run_at` of jobs that must stay queued."""
LOG_LINES_JOB: Final = "bench.log_lines"
EMPTY_JOB: Final = "bench.empty"
"""Job types of `tests.bench.job_sidecar`."""
SUCCEEDED: Final = b'","status":"succeeded"'
"""Occurs once in the `jobs.updated` of a job that succeeded."""


class Link(StrEnum):
    """The transport between client and server."""

    SOCKET_PAIR = "socket pair"
    """Used by Node for child processes."""
    PIPE = "pipe"
    """Used by shells, and by Node on Windows."""
    TCP = "tcp"


class Refused(Exception):
    """The server answered with an error, so that nothing can be measured."""


@dataclass(frozen=True, slots=True)
class ServerKind:
    """One kind of server."""

    name: str
    command: Callable[[Path], list[str]]
    """Returns the command that serves a data folder."""
    encode: Callable[[int, str, dict[str, Any]], bytes]
    """Encodes id, method and params."""
    decode: Callable[[bytes], Any]
    """Returns the result of the last answer in these bytes.  Raises `Refused`."""
    framing: Callable[[], Framing]
    links: tuple[Link, ...]
    """The supported transports, the usual one first."""
    fill_feed: Callable[[Path, int], None]
    """Creates the database of a data folder, with this number of events in its feed."""

    def many(self, method: str, each: list[dict[str, Any]]) -> list[bytes]:
        """Returns a request for each of the params, with ids from 1."""
        return [self.encode(number, method, params) for number, params in enumerate(each, start=1)]


def encode_line(request_id: int, method: str, params: dict[str, Any]) -> bytes:
    """Returns a JSON-RPC request as Electron writes it."""
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    if params:
        message["params"] = params
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode_line(block: bytes) -> Any:
    """Returns the result of the last answer."""
    for line in reversed(block.splitlines()):
        message = json.loads(line)
        if "error" in message:
            raise Refused(f"{message['error'].get('code')}: {message['error'].get('message')}")
        if "result" in message:
            return message["result"]
    raise Refused("no answer in what was read")


def encode_http(_: int, method: str, params: dict[str, Any]) -> bytes:
    """Returns a request to the old endpoint of a method, or to its health endpoint if there is none."""
    path, body = "/health", b""
    if method == "jobs.get":
        path = f"/jobs/{params['job_id']}"
    elif method == "jobs.list":
        path = f"/jobs?{urlencode(params)}"
    elif method == "activity.events.list":
        path = f"/activity/events?{urlencode(params)}"
    elif method == "jobs.create":
        path, body = "/jobs", json.dumps(params).encode()
    verb = "POST" if body else "GET"
    headers = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
    return f"{verb} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n".encode() + body


def decode_http(block: bytes) -> Any:
    """Returns the body of the last response."""
    head, _, body = block[block.rfind(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 2"):
        raise Refused(head.partition(b"\r\n")[0].decode(errors="replace"))
    return json.loads(body)


def _streams() -> tuple[Link, ...]:
    return (Link.PIPE,) if sys.platform == "win32" else (Link.SOCKET_PAIR, Link.PIPE)


def over_streams(name: str, command: Callable[[Path], list[str]], fill_feed: Callable[[Path, int], None]) -> ServerKind:
    """Returns a kind of server that speaks newline-delimited JSON-RPC on its standard streams."""
    return ServerKind(name, command, encode_line, decode_line, LineFraming, _streams(), fill_feed)


def _fill(folder: Path, rows: int) -> None:
    feed_rows.fill(folder / "sidecar.db", rows)


def _fill_plain(folder: Path, rows: int) -> None:
    feed_rows.fill_plain(folder / PLAIN_DATABASE, rows)


def sidecar_kind(command: list[str]) -> ServerKind:
    """Returns the sidecar; it reads its data folder from APP_DATA_DIR."""
    return over_streams("sidecar", lambda _: command, _fill)


def sidecar_with_benchmark_jobs() -> ServerKind:
    """Returns the sidecar with benchmark job types; its framing counts the jobs that succeeded."""
    command = [sys.executable, "-m", "tests.bench.job_sidecar"]
    return replace(sidecar_kind(command), framing=lambda: MarkedLines(SUCCEEDED))


def baseline_kind() -> ServerKind:
    """Returns the bare Python loop."""

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "tests.bench.baseline_server", str(folder / PLAIN_DATABASE)]

    return over_streams("baseline", command, _fill_plain)


def fastapi_kind() -> ServerKind:
    """Returns the kind of backend that the sidecar replaces; needs the packages fastapi and uvicorn."""

    def command(folder: Path) -> list[str]:
        return [sys.executable, "-m", "tests.bench.fastapi_server", str(folder / PLAIN_DATABASE)]

    return ServerKind("fastapi", command, encode_http, decode_http, HttpFraming, (Link.TCP,), _fill_plain)


def node_kind(node: str) -> ServerKind:
    """Returns a loop of Node's like the one of Python's; needs an executable that `node_with_sqlite` returns."""

    def command(folder: Path) -> list[str]:
        return [node, str(Path(__file__).with_name("node_server.mjs")), str(folder / PLAIN_DATABASE)]

    return over_streams("node", command, _fill_plain)


def node_with_sqlite() -> tuple[str | None, str]:
    """Returns the Node to measure, which NODE names or else PATH; without one that has SQLite, None and the reason."""
    node = shutil.which(os.environ.get("NODE", "node"))
    if node is None:
        return None, "no Node was found; set NODE to one of version 22.13 or newer"
    script = "try { require('node:sqlite') } catch { console.log(process.version) }"
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=False)
    if done.returncode == 0 and not done.stdout:
        return node, ""
    return None, f"Node {done.stdout.strip()} has no SQLite; set NODE to one of version 22.13 or newer"


def missing(*packages: str) -> str:
    """Returns which of the packages are not installed as text, or an empty string."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    options = " ".join(f"--with {name}" for name in packages)
    return f"{' and '.join(absent)} not installed (uv run {options} ...)" if absent else ""


def trivial_method() -> str:
    """Returns the cheapest method: `rpc.ping` if the contract has it, else `system.health`."""
    try:
        contract = json.loads((ROOT / "schema" / "openrpc.json").read_bytes())
    except (OSError, ValueError):
        return "system.health"
    names = {method.get("name") for method in contract.get("methods", [])}
    return "rpc.ping" if "rpc.ping" in names else "system.health"


def handshake(events: dict[str, Any] | None = None) -> dict[str, Any]:
    """Returns the params of `initialize`; `events` of an earlier answer requests all events from the first on."""
    params: dict[str, Any] = {
        "protocol_version": 1,
        "client_info": {"name": "bench", "version": "0"},
        "process_id": os.getpid(),
        "capabilities": {},
    }
    if events is not None:
        params["resume"] = {"epoch": events["epoch"], "after_seq": max(0, events["oldest_seq"] - 1)}
    return params
