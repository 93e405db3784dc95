"""The bare Python floor: what a loop of json.loads and json.dumps over the same tables does, and no more.

It keeps none of the sidecar's promises (no validation, no limits, no cancelling, one thing at a time), so it is what
Python itself costs.  Run as `python -m tests.bench.floor DATABASE`.
"""

import json
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

from tests.bench.plain_jobs import PlainJobs

Handler = Callable[[dict[str, Any]], dict[str, Any]]


def serve(jobs: PlainJobs, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer line after line until stdin ends; a method that it does not know is answered with `{}`."""
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
    return {"epoch": "floor", "oldest_seq": 1, "latest_seq": jobs.count(), "resume": "ok"}


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
