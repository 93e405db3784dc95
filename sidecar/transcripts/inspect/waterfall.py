"""Renders a transcript as one self-contained HTML page: a waterfall of calls and notifications, with search."""

import json
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, read
from sidecar.transcripts.inspect.summary import RunSummary, summarize

TEMPLATE: Final = Path(__file__).with_name("waterfall.html")
DATA: Final = "/*DATA*/"
DETAIL_CHARS: Final = 2_000
"""Length to which the text of a message is cut; the page shows the line number as well."""
DETAILED: Final = 5_000
"""Number of messages whose text is in the page; for the others it has name, time and size."""


def page(path: Path) -> str:
    """Returns the HTML.  Raises NotATranscript or OSError."""
    runs = summarize(read(path))
    messages = (line for line in read(path) if isinstance(line, Entry) and line.message is not None)
    details = {one.line: to_json(one.message).decode("utf-8")[:DETAIL_CHARS] for one in islice(messages, DETAILED)}
    data = {"file": path.name, "runs": [_run(run) for run in runs], "details": details}
    # Inside a script element only its end tag has a meaning.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return TEMPLATE.read_text("utf-8").replace(DATA, text, 1)


def _run(run: RunSummary) -> dict[str, Any]:
    calls = [
        [
            "call",
            one.line,
            one.t,
            one.method,
            one.latency_ms,
            one.sent_bytes,
            one.answer_bytes,
            one.error,
            one.notifications,
        ]
        for one in run.calls
    ]
    notifications = [
        ["sent" if one.from_client else "received", one.line, one.t, one.method, None, one.size, 0, None, 0]
        for one in run.notifications
    ]
    return {
        "header": run.header,
        "duration": run.duration_ms,
        "messages": run.messages,
        "bytes": run.bytes,
        "exit": run.exit_code,
        "unreadable": run.unreadable,
        "rows": sorted(calls + notifications, key=lambda row: (row[2], row[1])),
        "gaps": [[gap.line, gap.t, gap.ms] for gap in run.longest_gaps()],
    }
