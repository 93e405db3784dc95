"""Renders a transcript as one self-contained HTML page: a waterfall of calls and notifications, with search.

Texts from the transcript are data there: they are in a script element as JSON without `<`, are shown as text only, and
the page's policy allows no other script and no request.
"""

import json
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, Header, error_kind, read, request_id, seq_of

FOLDER: Final = Path(__file__).parent
MAX_PAGE_CHARS: Final = 40_000_000
"""Texts of messages in the page; it says how many of further ones it lacks."""
MAX_SAY_CHARS: Final = 300
MAX_REQUEST_CHARS: Final = 80

Say = Callable[[str, Any], str]
"""Returns what a notification, or a result, says to people: its method, and its params or the result."""


class _Run:
    """The rows of one run, as the page's script expects them."""

    def __init__(self, header: dict[str, Any], say: Say) -> None:
        self._say = say
        self._open: dict[Any, dict[str, Any]] = {}
        self.facts: dict[str, Any] = {"header": header, "rows": [], "bytes": 0, "missing": 0, "missing_bytes": 0}

    def add(self, entry: Entry, chars_left: int) -> int:
        """Adds an entry; returns how many characters of the limit its texts took."""
        self.facts["bytes"] += entry.size
        is_kept = entry.size <= chars_left
        if not is_kept:
            self.facts["missing"] += 1
            self.facts["missing_bytes"] += entry.size
        if entry.message is None:
            text = json.dumps(entry.facts) if is_kept else None
            said = (entry.raw or b"").decode("utf-8", "replace") if is_kept else ""
            self._add_row(entry, "other", _event(entry), None, request=text, say=said)
        for message in entry.messages if entry.message is not None else ():
            text = to_json(message).decode() if is_kept else None
            if type(message) is not dict:
                self._add_row(entry, "other", "not a message", None, request=text)
            elif message.get("method") is None and not entry.from_client:
                self._add_answer(entry, message, text)
            else:
                self._add_sent(entry, message, text)
        return entry.size if is_kept else 0

    def _add_sent(self, entry: Entry, message: dict[str, Any], text: str | None) -> None:
        method, params, own = str(message.get("method")), message.get("params"), request_id(message)
        if entry.from_client and "id" in message:
            row = self._add_row(entry, "call", method, None, request=text, say=_short(params, MAX_REQUEST_CHARS))
            if own is not None:
                self._open[own] = row
            return
        kind = "sent" if entry.from_client else "received"
        say = _short(params) if entry.from_client else self._said(method, params)
        self._add_row(entry, kind, method, None, request=text, say=say, number=seq_of(message))

    def _add_answer(self, entry: Entry, message: dict[str, Any], text: str | None) -> None:
        row, error = self._open.pop(request_id(message), None), message.get("error")
        kind = None if error is None else error_kind(error)
        if row is None:
            self._add_row(entry, "other", "answer without a request", kind, request=text)
            return
        took = round(entry.t - row["t"], 3)
        row |= {
            "took": took,
            "response_line": entry.line,
            "response": text,
            "error": kind,
            "size": row["size"] + entry.size,
        }
        if error is None:
            row["say"] = " → ".join(filter(None, (row["say"], self._said(row["method"], message.get("result")))))
        elif type(error) is dict:
            row["say"] = str(error.get("message"))[:MAX_SAY_CHARS]

    def _said(self, method: str, value: Any) -> str:
        try:
            return self._say(method, value)[:MAX_SAY_CHARS]
        except (AttributeError, KeyError, TypeError, ValueError):  # of another version, or written by hand
            return _short(value)

    def _add_row(self, entry: Entry, kind: str, method: str, error: Any, **more: Any) -> dict[str, Any]:
        row = {"kind": kind, "line": entry.line, "t": entry.t, "method": method, "size": entry.size, "error": error}
        self.facts["rows"].append(row | more)
        return self.facts["rows"][-1]  # type: ignore[no-any-return]


def page(path: Path, say: Say) -> str:
    """Returns the HTML.  Raises NotATranscript or OSError."""
    runs: list[_Run] = []
    chars_left = MAX_PAGE_CHARS
    for line in read(path):
        if isinstance(line, Header):
            runs.append(_Run(line.facts, say))
        else:
            chars_left -= runs[-1].add(line, chars_left)
    data = {"file": path.name, "runs": [run.facts for run in runs]}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    script = (FOLDER / "waterfall.js").read_text("utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    template = (FOLDER / "waterfall.html").read_text("utf-8").replace("/*HASH*/", f"sha256-{digest}")
    before, _, after = template.partition("/*DATA*/")
    return before + text + after.replace("/*SCRIPT*/", script)


def _event(entry: Entry) -> str:
    if entry.is_eof:
        return "end of stdin"
    return "not JSON" if entry.exit_code is None else f"exit code {entry.exit_code}"


def _short(value: Any, limit: int = MAX_SAY_CHARS) -> str:
    text = "" if value in (None, {}) else to_json(value).decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"
