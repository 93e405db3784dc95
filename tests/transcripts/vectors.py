"""The rules of replay as data: a transcript, lines to send to the stand-in, and the lines that come back.

`vectors/*.json`: {about, options?, transcript: [line], steps: [{send: [line], receive: [message]}]}, or `refused`, the
number of the line for which the file is refused, instead of `steps`.  A line is an object, or its text.  Of errors only
{code, kind, paths?, recovered_id?} is compared.
"""

import json
from pathlib import Path
from typing import Any

VECTORS = sorted(Path(__file__).with_name("vectors").glob("*.json"))


def text_of(line: Any) -> str:
    """Returns a line as it is written."""
    return line if isinstance(line, str) else json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def plain(message: Any) -> Any:
    """Returns a received message as a vector states it."""
    if isinstance(message, list):
        return [plain(one) for one in message]
    if not isinstance(message, dict) or "error" not in message:
        return message
    error = message["error"]
    data = error.get("data", {})
    paths = [one["path"] for one in data.get("details", ())]
    recovered = {"recovered_id": data["recovered_id"]} if "recovered_id" in data else {}
    known = {"code": error["code"], "kind": data.get("kind"), **({"paths": paths} if paths else {}), **recovered}
    return {**message, "error": known}


def options_of(options: dict[str, Any]) -> list[str]:
    """Returns the options of a vector as arguments of `sidecar replay`."""
    arguments = [part for param in options.get("ignore", ()) for part in ("--ignore", param)]
    if "run" in options:
        arguments += ["--run", str(options["run"])]
    if "shift_dates" in options:
        arguments += ["--shift-dates", "--now", options["shift_dates"]]
    return arguments
