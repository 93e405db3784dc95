"""Helpers that write transcripts and read them as plain values."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.strict_json import parse

CORPUS = Path(__file__).parent
TRANSCRIPTS = sorted(CORPUS.glob("*.jsonl"))
BACKUP = CORPUS / "a_backup_runs_and_its_log_is_read.jsonl"
CONNECT = CORPUS / "a_client_connects_queries_status_and_shuts_down.jsonl"
HEADER = {"transcript": 1, "protocol_version": 1, "schema_hash": "of the test", "server": "a test"}


def lines_of(path: Path) -> list[Any]:
    """Returns the file's lines, parsed strictly."""
    return [parse(line) for line in path.read_bytes().split(b"\n")[:-1]]


def sent_by_client(path: Path) -> list[Any]:
    """Returns the messages from the client."""
    return [line["msg"] for line in lines_of(path) if line.get("dir") == "c2s" and "msg" in line]


def sent_by_sidecar(path: Path) -> list[Any]:
    """Returns the messages from the sidecar."""
    return [line["msg"] for line in lines_of(path) if line.get("dir") == "s2c" and "msg" in line]


def request(request_id: int | str, method: str, **params: Any) -> dict[str, Any]:
    """Returns a request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def answer(request_id: int | str, **result: Any) -> dict[str, Any]:
    """Returns an answer."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def notification(method: str, **params: Any) -> dict[str, Any]:
    """Returns a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def c2s(t: float, message: Any) -> dict[str, Any]:
    """Returns the entry of a message from the client."""
    return {"t": t, "dir": "c2s", "msg": message}


def s2c(t: float, message: Any, **more: Any) -> dict[str, Any]:
    """Returns the entry of a message from the sidecar."""
    return {"t": t, "dir": "s2c", **more, "msg": message}


def write(path: Path, *lines: Any) -> Path:
    """Writes a transcript of these lines, after a header."""
    return write_lines(path, [HEADER, *lines])


def write_lines(path: Path, lines: Iterable[Any]) -> Path:
    """Writes a transcript of these lines, the first of which is a header, as compactly as the recorder."""
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, "utf-8")
    return path


def copy_with(source: Path, target: Path, old: str, new: str) -> Path:
    """Writes a copy in which one text is replaced."""
    text = source.read_text("utf-8")
    assert old in text, f"{source.name} has no {old}"
    target.write_text(text.replace(old, new), "utf-8")
    return target
