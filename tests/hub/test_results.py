"""Results for assistants: short, in the person's time zone, and honest about what they leave out."""

import json
from typing import Any
from zoneinfo import ZoneInfo

from sidecar.hub.results import MAX_BYTES, Shown, show

BERLIN = ZoneInfo("Europe/Berlin")


def shown(result: dict[str, Any], *, is_paged: bool = False) -> Any:
    found = show(result, BERLIN, is_paged=is_paged)
    assert found is not None
    assert len(found.text.encode()) <= MAX_BYTES
    return json.loads(found.text)


def test_times_are_in_the_persons_zone_and_dates_stay() -> None:
    event = {"at": "2026-11-23T08:00:00.000Z", "in_summer": "2026-07-01T10:00:00+02:00", "local_date": "2026-11-23"}
    assert shown({"event": event}) == {
        "event": {
            "at": "2026-11-23T09:00:00+01:00",
            "in_summer": "2026-07-01T10:00:00+02:00",
            "local_date": "2026-11-23",
        }
    }
    assert shown({"title": "at 2026-11-23T08:00:00Z", "wrong": "2026-11-31T08:00:00Z"}) == {
        "title": "at 2026-11-23T08:00:00Z",
        "wrong": "2026-11-31T08:00:00Z",
    }


def test_empty_fields_and_those_for_programs_are_left_out_but_not_zero_or_false() -> None:
    job: dict[str, Any] = {
        "title": None,
        "text": "",
        "links": [],
        "raw": {"a": 1},
        "version": 3,
        "count": 0,
        "by_me": False,
    }
    assert shown({"jobs": [job], "next_cursor": None}) == {"jobs": [{"count": 0, "by_me": False}]}
    assert shown({"jobs": []}) == {"jobs": []}


def test_a_long_text_in_a_list_is_cut_and_says_so() -> None:
    assert shown({"events": [{"description": "x" * 1_500}]}) == {
        "events": [{"description": "x" * 1_000 + "… (500 more characters)"}]
    }
    assert shown({"job_id": "a", "result": {"text": "x" * 1_500}}) == {"job_id": "a", "result": {"text": "x" * 1_500}}


def test_a_list_that_is_too_long_says_how_much_of_it_is_shown() -> None:
    entries = [{"number": number, "text": "ü" * 400} for number in range(340)]
    found = show({"events": entries}, BERLIN, is_paged=False)
    assert found is not None
    value = json.loads(found.text)
    kept = len(value["events"])
    assert 30 < kept < 50
    assert (found.kept, found) == (kept, Shown(found.body, kept))
    assert value["note"] == f"{kept} of 340 entries are shown; narrow the range."
    assert [one["number"] for one in value["events"]] == list(range(kept))


def test_a_page_with_others_after_it_says_so() -> None:
    page = {"jobs": [{"id": 1}, {"id": 2}], "next_cursor": "abc"}
    assert shown(page, is_paged=True) == {
        "note": "2 entries are shown and more follow: narrow the range, or pass next_cursor as cursor.",
        "jobs": [{"id": 1}, {"id": 2}],
        "next_cursor": "abc",
    }


def test_a_huge_entry_is_cut_further_and_one_that_is_huge_in_other_ways_is_refused() -> None:
    entry = {f"field_{number}": "x" * 1_200 for number in range(60)}
    assert shown({"events": [entry]})["events"][0]["field_0"] == "x" * 200 + "… (1000 more characters)"
    assert show({"events": [{"many": list(range(20_000))}]}, BERLIN, is_paged=False) is None
    assert show({"many": {str(number): number for number in range(20_000)}}, BERLIN, is_paged=False) is None
    single = shown({"a": "x" * 2_000_000, "b": "y" * 2_000_000})
    assert single["a"].endswith("more characters)")
