"""Inputs from the field, if a checkout has their folder next to it; the other tests have files of the same kinds."""

import json
from datetime import UTC
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from sidecar.calendar.ics.expand import IcsCalendar
from sidecar.calendar.provider import RemoteEvent
from tests.calendar.ics.harness import OWNER, TIME_RANGE

FOLDER: Final = Path(__file__).parents[3].parent / "shared" / "data" / "field" / "calendar"
FILES: Final = sorted(FOLDER.glob("*.ics"))


def as_written(event: RemoteEvent, expected: list[str]) -> str:
    """Formats an event as the expected values are: a start, with an end or a title if these have them."""
    end = f"/{_moment(event.end_time)}" if "/" in expected[0] else ""
    title = f" {event.title}" if " " in expected[0] else ""
    return _moment(event.start_time) + end + title


def _moment(text: str) -> str:
    return text if len(text) == 10 else text[:16] + text[19:]


@pytest.mark.skipif(not FILES, reason="the folder of field inputs is not next to this checkout")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_from_the_field_has_the_right_occurrences(path: Path) -> None:
    expected = json.loads((FOLDER / "expected.json").read_text())[path.stem]["right"]
    file = IcsCalendar(path.read_bytes())
    zone = file.describe(OWNER).time_zone
    events = file.expand(TIME_RANGE, ZoneInfo(zone) if zone else UTC, OWNER).events
    if expected is None:
        assert len(events) > 1
    else:
        assert [as_written(event, expected) for event in events] == expected
