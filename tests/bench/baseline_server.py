"""The baseline: a loop of json.loads and json.dumps over the same tables.

It has no validation, limits, cancellation or concurrency, so it measures the cost of Python itself.  Run as
`python -m tests.bench.baseline_server DATABASE`.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from tests.bench.plain_tables import PlainTables

Handler = Callable[[dict[str, Any]], dict[str, Any]]


def serve(tables: PlainTables, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers one line after the other until stdin ends; the result of an unknown method is `{}`."""
    handlers: dict[str, Handler] = {
        "initialize": lambda _: {"protocol_version": 1, "events": _events(tables)},
        "system.health": lambda _: {"status": "ok", "version": "0", "checks": []},
        "events.replay": lambda _: {"events": [], "truncated": False} | _events(tables),
        "jobs.create": tables.create,
        "jobs.get": tables.get,
        "jobs.list": tables.list,
        "activity.events.list": tables.feed,
    }
    for line in requests:
        message = json.loads(line)
        params = message.get("params", {})
        handler = handlers.get(message["method"])
        result = handler(params) if handler else {}
        _write(answers, {"jsonrpc": "2.0", "id": message["id"], "result": result})
        if message["method"] == "initialize" and "resume" in params:
            _replay(tables, answers)


def _events(tables: PlainTables) -> dict[str, Any]:
    return {"epoch": "baseline", "oldest_seq": 1, "latest_seq": tables.count(), "resume": "ok"}


def _replay(tables: PlainTables, answers: BinaryIO) -> None:
    page = tables.list({"limit": -1})
    for seq, job in enumerate(reversed(page["jobs"]), start=1):
        params = {"seq": seq, "at": job["updated_at"], "job": job}
        _write(answers, {"jsonrpc": "2.0", "method": "jobs.updated", "params": params})


def _write(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    serve(PlainTables(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
