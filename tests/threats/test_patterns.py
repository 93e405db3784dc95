"""Texts of strangers, chosen to make regular expressions slow, are read in linear time.

A pattern that takes quadratic time would need hours for these texts, and the interpreter can do nothing else meanwhile:
the test then ends by its timeout.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any, Final

import pytest
from sidecar_protocol.json_line import recover_id

from sidecar.activity.export import FORMULA
from sidecar.activity.keys import find_keys, parse_key
from sidecar.activity.markdown import link, plain
from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.client import _NEXT_LINK
from sidecar.atlassian.statuses import kind_of
from sidecar.calendar.ics.lines import parse_line
from sidecar.calendar.ics.split import NotACalendar, components
from sidecar.calendar.ics.times import parse_duration, parse_time
from sidecar.calendar.ics.zone_names import find_zone
from sidecar.claude.citations.finding import find_citations
from sidecar.claude.failures import TEXTS
from sidecar.claude.limits import parse_reset_time
from sidecar.claude.records.reading import parse_record
from sidecar.claude.sessions.markdown import fenced
from sidecar.commandline.formatting import one_line
from sidecar.hub.results import show
from sidecar.json_reader import parse_json
from sidecar.secret_texts import SecretFinder, redact
from sidecar.storage.fulltext import search_terms, snippet
from sidecar.text import folded, narrow
from tests.in_process_app import EIGHT_O_CLOCK

CHARS: Final = 300_000
ROOT: Final = Path(__file__).parents[2]


def _macro(text: str) -> dict[str, Any]:
    return {"type": "doc", "content": [{"type": "somethingNew", "attrs": {"cxhtml": text}}]}


def _record(text: str) -> list[bytes]:

    line = {"type": "user", "uuid": "a", "message": {"role": "user", "content": text}}
    return [json.dumps(line).encode()]


READERS: Final[dict[str, Callable[[str], object]]] = {
    "a cell of a spreadsheet": lambda text: FORMULA.sub("'", text),
    "issue keys in a text": lambda text: find_keys([text]),
    "a term that may be a key": parse_key,
    "a title in Markdown": plain,
    "a link in Markdown": lambda text: link("a", f"https://{text}"),
    "a macro of Confluence": lambda text: adf_text(_macro(text)),
    "a paging header": _NEXT_LINK.search,
    "the name of a status": lambda text: kind_of(None, text),
    "a line of a calendar": parse_line,
    "a time line of a calendar": lambda text: parse_line(f"DTSTART;{text}"),
    "a calendar": lambda text: components(f"BEGIN:VCALENDAR\n{text}\nEND:VCALENDAR".encode()),
    "a time of a calendar": lambda text: parse_time(f"20261129{text}", None),
    "a duration": parse_duration,
    "a time zone": find_zone,
    "a time zone in brackets": lambda text: find_zone(f"(UTC{text}"),
    "the citations of an answer": lambda text: find_citations(text, 500),
    "an error of Claude": lambda text: [re.search(pattern, text, re.IGNORECASE) for pattern in TEXTS.values()],
    "a limit's reset time": lambda text: parse_reset_time(text, EIGHT_O_CLOCK),
    "a record of the CLI": lambda text: parse_record(_record(f"<command-name>{text}")),
    "a code block": fenced,
    "a value in the terminal": one_line,
    "JSON with broken escapes": lambda text: parse_json(f'["{text}'.encode()),
    "a broken line of the protocol": lambda text: recover_id(text.encode()),
    "a log line": redact,
    "a result of a tool": lambda text: show({"at": f"2026-11-23T08:00:00.0{text}"}, UTC, is_paged=False),
    "a piece of a recorded text": lambda text: SecretFinder().spans(text, is_cut=True),
    "a search": search_terms,
    "an excerpt": lambda text: snippet(text, ["a", " "]),
    "a text to be searched": folded,
    "a text in wide letters": narrow,
}
PIECES: Final = (
    " ", "\n", "a", "A", "0", "-", '"', "<", "(", "[", "\\", "/", ",", ";", ":", "=", "T", " ;", "; ", ";a",
    ';a="', "(/", "<a", "<>;", "A-", "A-1", "- ", "\\u", "\\ud8", '\\"', "ㅏ", "\u1100\u1161", "not todo ", "未",
    "resets at ", "token ", "<command-name>", "\nBEGIN:VEVENT", "=\n", "DTSTART", "://",
    "eyJ", "bearer ", "[1", "[1, ", "[1][2]", "`", "](", "[[", "1. ", "~~~\n", " [1]: a\n", "QWRh", "%41",
)  # fmt: skip
"""Parts that the texts repeat."""


@pytest.mark.parametrize("name", READERS)
def test_a_long_text_of_one_piece_is_read_in_linear_time(name: str) -> None:
    read = READERS[name]
    for piece in PIECES:
        with suppress(ValueError, NotACalendar):  # refused, after having been read
            read(f"a{piece * (CHARS // len(piece))}!")


OWN: Final = {
    "atlassian/sign_in": "ids of one token, and parts of an address that people enter",
    "calendar/events_store": "bounded parts",
    "calendar/google/oauth": "one bounded class",
    "calendar/ics/address": "the beginning of an address",
    "claude/checks": "the first line of a program, and a version",
    "claude/doctor": "one bounded class",
    "claude/permissions/cli_requests": "one bounded class",
    "claude/prompts/media": "one word, and one class",
    "claude/records/files": "one bounded class",
    "claude/records/listing": "the beginning of a line",
    "claude/sessions/export": "one class",
    "claude/sessions/following": "one bounded class",
    "claude/status/reading": "classes that end where the next match could begin",
    "claude/trust": "lines of the settings of git, and names in files of limited size",
    "hub/foreign": "bounded parts",
    "loopback": "bounded parts",
    "packaging": "names of files of installed packages",
    "recurrence": "bounded parts",
    "storage/backups": "names of files in the person's own folder",
    "storage/migrations": "our own SQL",
    "storage/schema_sql": "our own SQL",
    "storage/secrets": "what this program has written",
    "commandline": "what people type",
    "transcripts": "files of developers, and their own patterns",
    "activity/summary": "names of types, and one class",
    "calendar/ics/zones": "bounded parts",
}
"""Modules whose patterns meet no text of strangers, or cannot take long, by the beginning of their names."""


def test_each_module_with_a_pattern_is_read_here_or_says_why_not() -> None:
    tried = {
        "activity/export", "activity/keys", "activity/markdown", "atlassian/adf", "atlassian/client",
        "atlassian/statuses", "calendar/ics/lines", "calendar/ics/split", "calendar/ics/times",
        "calendar/ics/zone_names", "claude/citations/finding", "claude/failures", "claude/limits",
        "claude/records/reading", "claude/sessions/markdown",
        "hub/results", "json_reader", "secret_texts", "storage/fulltext", "text",
    }  # fmt: skip
    found = {
        path.relative_to(ROOT / "sidecar").with_suffix("").as_posix()
        for path in (ROOT / "sidecar").rglob("*.py")
        if re.search(r"\bre\.(compile|match|search|sub|split|fullmatch|findall|finditer)\(", path.read_text("utf-8"))
    }
    assert {name for name in found - tried if not name.startswith(tuple(OWN))} == set()
    assert tried - found == set(), "no longer have patterns"
    assert [name for name in OWN if not any(one.startswith(name) for one in found)] == [], "no longer have patterns"
