"""Renders a transcript as one self-contained HTML page: a waterfall of calls and notifications, with search."""

import json
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, read
from sidecar.transcripts.inspect.summary import summarize

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
    data = {"file": path.name, "runs": [run.as_json() for run in runs], "details": details}
    # Inside a script element only its end tag has a meaning.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return TEMPLATE.read_text("utf-8").replace(DATA, text, 1)
