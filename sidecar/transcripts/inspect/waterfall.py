"""A transcript as one page that needs nothing else: a waterfall of its calls and notifications, with search."""

import json
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, read
from sidecar.transcripts.inspect.survey import Life, survey

TEMPLATE: Final = Path(__file__).with_name("waterfall.html")
DATA: Final = "/*DATA*/"
DETAIL_CHARS: Final = 2_000
"""Of a message; who wants it whole has the line's number."""
DETAILED: Final = 5_000
"""So many messages are in the page themselves; of the others it has name, time and size."""


def page(path: Path) -> str:
    """The HTML.  Raises NotATranscript, OSError."""
    lives = survey(read(path))
    said = (line for line in read(path) if isinstance(line, Entry) and line.message is not None)
    details = {one.line: to_json(one.message).decode("utf-8")[:DETAIL_CHARS] for one in islice(said, DETAILED)}
    data = {"file": path.name, "lives": [_life(life) for life in lives], "details": details}
    # In a script element nothing but its own end tag means anything.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return TEMPLATE.read_text("utf-8").replace(DATA, text, 1)


def _life(life: Life) -> dict[str, Any]:
    calls = [
        ["call", one.line, one.t, one.method, one.latency_ms, one.sent_bytes, one.answer_bytes, one.error, one.told]
        for one in life.calls
    ]
    told = [
        ["sent" if one.sent else "told", one.line, one.t, one.method, None, one.size, 0, None, 0] for one in life.told
    ]
    return {
        "header": life.header,
        "duration": life.duration_ms,
        "messages": life.messages,
        "bytes": life.bytes,
        "exit": life.exit_code,
        "unreadable": life.unreadable,
        "rows": sorted(calls + told, key=lambda row: (row[2], row[1])),
        "gaps": [[gap.line, gap.t, gap.ms] for gap in life.longest_gaps()],
    }
