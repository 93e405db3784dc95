"""Typed reads of untrusted JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.json_reader import get, get_count, get_number, get_object, get_objects, get_text, parse_json, parse_object

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", b"\xff\xfe", "[" * 100_000, "1" * 5_000])
def test_text_that_is_not_a_json_object_is_none(text: str | bytes) -> None:
    assert parse_object(text) is None


def test_an_object_is_parsed_from_text_and_from_bytes() -> None:
    assert parse_object('{"a": 1}') == parse_object(b'{"a": 1}') == {"a": 1}


def test_bytes_that_are_not_utf_8_lose_no_object() -> None:
    assert parse_object(b'{"a": "caf\xe9"}') == {"a": "caf\ufffd"}


def test_a_path_ends_at_the_first_member_that_is_missing_or_not_an_object() -> None:
    value = {"a": {"b": "found"}, "c": [1], "d": None}
    assert get_text(value, "a", "b") == "found"
    assert [get(value, *path) for path in (("a", "x"), ("c", "b"), ("d", "b"), ("x", "y"))] == [None] * 4


def test_objects_of_an_array_are_returned_without_its_other_items() -> None:
    assert get_objects([{"a": 1}, None, [], "text", {"b": 2}]) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), 10**400])
def test_what_is_not_a_finite_number_is_none(value: object) -> None:
    assert get_number(value) is None


@pytest.mark.parametrize(("value", "count"), [(0, 0), (553.4, 553), (-1, None), (2**53, None), (2**53 - 1, 2**53 - 1)])
def test_a_count_is_a_whole_number_within_javascripts_range(value: float, count: int | None) -> None:
    assert get_count(value) == count


@given(JSON, st.lists(st.sampled_from("ab"), max_size=3))
def test_no_value_raises(value: object, path: list[str]) -> None:
    for getter in (get_object, get_objects, get_text, get_number, get_count):
        getter(value, *path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb'{"a": "half an emoji \ud83d"}', {"a": "half an emoji \ufffd"}),
        (rb'{"a": "\ude00 \ud83d\ude00 \\ud83d"}', {"a": "\ufffd \U0001f600 \\ud83d"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_text_that_is_not_unicode_is_read_with_a_replacement_character(text: bytes, expected: object) -> None:
    assert parse_json(text) == expected


def test_json_is_read_to_a_depth_of_several_hundred_levels() -> None:
    value = parse_json(b"[" * 600 + b"7" + b"]" * 600)
    for _ in range(600):
        (value,) = value
    assert value == 7


@pytest.mark.parametrize("text", [b"", b"{", b"<html>", b'{"a": "cut \xe2\x82', b"[" * 100_000])
def test_text_that_is_no_json_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
