"""Inputs from the field, if a checkout has their folder next to it; the other tests have files of the same kinds."""

import json
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from tests.calendar.ics.harness import expand, spans, starts, titled

FOLDER: Final = Path(__file__).parents[3].parent / "shared" / "data" / "field" / "calendar"
FILES: Final = sorted(FOLDER.glob("*.ics"))


@pytest.mark.skipif(not FILES, reason="the folder of field inputs is not next to this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_from_the_field_has_the_right_occurrences(path: Path) -> None:
    expected = json.loads((FOLDER / "expected.json").read_text())[path.stem]["right"]
    found = expand(body=path.read_bytes(), zone=ZoneInfo("UTC"))
    if expected is None:
        assert len(found.events) > 1
    elif "/" in expected[0]:
        assert spans(found) == expected
    else:
        assert (titled(found) if " " in expected[0] else starts(found)) == expected
