"""The baseline: a loop of json.loads and json.dumps over the same tables.

It has no validation, limits, cancellation or concurrency, so it measures the cost of Python itself.  Run as
`python -m tests.bench.baseline_server DATABASE`.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from tests.bench.plain_jobs import PlainJobs

Handler = Callable[[dict[str, Any]], dict[str, Any]]


def serve(jobs: PlainJobs, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers one line after the other until stdin ends; the result of an unknown method is `{}`."""
    handlers: dict[str, Handler] = {
        "initialize": lambda _: {"protocol_version": 1, "events": _events(jobs)},
        "system.health": lambda _: {"status": "ok", "version": "0", "checks": []},
        "events.replay": lambda _: {"events": [], "truncated": False} | _events(jobs),
        "jobs.create": jobs.create,
        "jobs.get": jobs.get,
        "jobs.list": jobs.list,
    }
    for line in requests:
        message = json.loads(line)
        params = message.get("params", {})
        handler = handlers.get(message["method"])
        result = handler(params) if handler else {}
        _write(answers, {"jsonrpc": "2.0", "id": message["id"], "result": result})
        if message["method"] == "initialize" and "resume" in params:
            _replay(jobs, answers)


def _events(jobs: PlainJobs) -> dict[str, Any]:
    return {"epoch": "baseline", "oldest_seq": 1, "latest_seq": jobs.count(), "resume": "ok"}


def _replay(jobs: PlainJobs, answers: BinaryIO) -> None:
    page = jobs.list({"limit": -1})
    for seq, job in enumerate(reversed(page["jobs"]), start=1):
        params = {"seq": seq, "at": job["updated_at"], "job": job}
        _write(answers, {"jsonrpc": "2.0", "method": "jobs.updated", "params": params})


def _write(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    serve(PlainJobs(sys.argv[1]), sys.stdin.buffer, sys.stdout.buffer)
