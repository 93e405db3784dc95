"""The published JSON Schema of a transcript's lines: it fits what is recorded, and refuses what the reader refuses."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from sidecar.paths import schema_dir
from sidecar.transcripts.file.format import VERSION, NotATranscript, event_line, header_line, raw_line, read
from tests.strict_json import parse
from tests.transcripts.recording import HEADER, TRANSCRIPTS, lines_of
from tests.transcripts.vectors import VECTORS, text_of

SCHEMA = Draft7Validator(json.loads((schema_dir() / "transcript.schema.json").read_text("utf-8")))


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_every_recorded_line_fits_the_schema(path: Path) -> None:
    assert [error.message for line in lines_of(path) for error in SCHEMA.iter_errors(line)] == []


def test_the_lines_that_the_recorder_writes_fit_the_schema() -> None:
    lines = [
        header_line({"server": "a test", "time_zone": None}),
        raw_line(1.5, b"no JSON"),
        raw_line(1.5, b"", redacted=7, oversize=True),
        event_line(2, "c2s", eof=True),
        event_line(3, "s2c", exit=0),
    ]
    assert [error.message for line in lines for error in SCHEMA.iter_errors(parse(line[:-1]))] == []
    assert parse(lines[0][:-1])["transcript"] == VERSION


ENTRY: dict[str, Any] = {"t": 1, "dir": "s2c"}
REFUSED: list[Any] = [
    *(5, None, [1], "text", {}),
    {"dir": "c2s", "msg": 1},
    {"t": 1, "msg": 1},
    {"t": "x", "dir": "c2s", "msg": 1},
    ENTRY,
    {**ENTRY, "message": {}},
    {**ENTRY, "dir": "S2C", "msg": {}},
    {**ENTRY, "msg": {}, "exit": 0},
    *({**ENTRY, "msg": message} for message in (5, None, [], [5])),
    {**ENTRY, "exit": "0"},
    {**ENTRY, "eof": True},
    {**ENTRY, "raw": ""},
    *({**ENTRY, "dir": "c2s", "raw": raw} for raw in (5, None)),
]


@pytest.mark.parametrize("line", REFUSED)
def test_what_the_schema_refuses_the_reader_refuses_too(line: Any, tmp_path: Path) -> None:
    assert not SCHEMA.is_valid(line)
    path = tmp_path / "a.jsonl"
    path.write_text(f"{text_of(HEADER)}\n{json.dumps(line)}\n{text_of(HEADER)}\n", "utf-8")
    with pytest.raises(NotATranscript, match=r"a\.jsonl:2: neither"):
        list(read(path))


def test_a_vector_is_refused_for_a_line_that_does_not_fit() -> None:
    for vector in (json.loads(path.read_text("utf-8")) for path in VECTORS):
        lines = [
            json.loads(line.lstrip("\ufeff")) if isinstance(line, str) and line.endswith("}") else line
            for line in vector["transcript"]
        ]
        whole = [line for line in lines if not isinstance(line, str)]
        assert all(map(SCHEMA.is_valid, whole)) or "refused" in vector, vector["about"]


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{text_of(HEADER)}\n", "utf-8-sig")
    assert [one.facts for one in read(path)] == [HEADER]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# a comment\n{header}\n", "a.jsonl:1: not JSON"),
        ("{header}\n// a comment\n{entry}\n", "a.jsonl:2: not JSON"),
        ("{header}\n<<<<<<< HEAD\n{entry}\n", "a.jsonl:2: not JSON"),
        ('{{\n "transcript": 1\n}}\n', "a.jsonl:1: not JSON"),
        ('{header}\n{{"t":1,"dir":"c2s","raw":"?!*"}}\n', "a.jsonl:2: neither"),
        ('{{"transcript":1,"fixed":3}}\n', "a.jsonl:1: `fixed` and `env`"),
    ],
)
def test_an_edited_file_is_refused_with_its_line(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text.format(header=text_of(HEADER), entry=text_of({**ENTRY, "msg": {}})), "utf-8")
    with pytest.raises(NotATranscript, match=re.escape(expected)):
        list(read(path))
