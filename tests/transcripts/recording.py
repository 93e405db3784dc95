"""Writing transcripts in a test, and reading them as plain values."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.strict_json import parse

CORPUS = Path(__file__).parent
TRANSCRIPTS = sorted(CORPUS.glob("*.jsonl"))
BACKUP = CORPUS / "a_backup_runs_and_its_log_is_read.jsonl"
HELLO = CORPUS / "a_client_connects_queries_status_and_shuts_down.jsonl"
HEADER = {"transcript": 1, "protocol_version": 1, "schema_hash": "of the test", "server": "a test"}


def lines_of(path: Path) -> list[Any]:
    """The file's lines, each strictly JSON."""
    return [parse(line) for line in path.read_bytes().split(b"\n")[:-1]]


def said_to(path: Path) -> list[Any]:
    """What the client said."""
    return [line["msg"] for line in lines_of(path) if line.get("dir") == "c2s" and "msg" in line]


def said_by(path: Path) -> list[Any]:
    """What the sidecar said."""
    return [line["msg"] for line in lines_of(path) if line.get("dir") == "s2c" and "msg" in line]


def ask(request_id: int | str, method: str, **params: Any) -> dict[str, Any]:
    """A request's message."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def answer(request_id: int | str, **result: Any) -> dict[str, Any]:
    """An answer's message."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def tell(method: str, **params: Any) -> dict[str, Any]:
    """A notification's message."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def c2s(t: float, message: Any) -> dict[str, Any]:
    """A line of the client's."""
    return {"t": t, "dir": "c2s", "msg": message}


def s2c(t: float, message: Any, **more: Any) -> dict[str, Any]:
    """A line of the sidecar's."""
    return {"t": t, "dir": "s2c", **more, "msg": message}


def write(path: Path, *lines: Any) -> Path:
    """A transcript of these lines, after a header."""
    return write_lines(path, [HEADER, *lines])


def write_lines(path: Path, lines: Iterable[Any]) -> Path:
    """A transcript of these lines, of which the first is a header; as compact as the recorder writes them."""
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, "utf-8")
    return path


def changed(source: Path, target: Path, old: str, new: str) -> Path:
    """A copy in which one text is another."""
    text = source.read_text("utf-8")
    assert old in text, f"{source.name} has no {old}"
    target.write_text(text.replace(old, new), "utf-8")
    return target
