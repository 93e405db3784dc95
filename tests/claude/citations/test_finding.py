"""Citations in answers: which bracketed numbers are some, where they are, and which sentence they belong to."""

import pytest

from sidecar.claude.citations.finding import find_citations


def numbers(text: str) -> list[int]:
    """Returns the cited numbers; checks that the positions, in UTF-16 code units, lead to them."""
    found = find_citations(text, 500)
    units = text.encode("utf-16-le")
    for one in found:
        assert units[2 * one.start : 2 * one.end].decode("utf-16-le").lstrip("0") == str(one.number)
    return [one.number for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You met Ada [3] and Bob[4].", [3, 4]),
        ("Both [3][5], all [3, 5], [1,2] and [ 1]", [3, 5, 3, 5, 1, 2]),
        ("😀 Stand-up [7], then 会議[8]。", [7, 8]),
        ("会议\u30103\u3011，会議\uff3b4\u30015\uff3d", [3, 4, 5]),
        ("none: [0], [1234567], [x], [-1], [1-3], [1.5], [], [^2], \\[3\\]", []),
        ("far away [999999] and [2026]", [999_999, 2026]),
        ("| at | what |\n|--|--|\n| 9:00 | stand-up [2] |", [2]),
        ("> - quoted [2]\n\n## Today [3]", [2, 3]),
        ("Great![3]", [3]),
    ],
)
def test_numbers_in_brackets_are_citations(text: str, expected: list[int]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`rows[1]` [2]", [2]),
        ("``a ` [1] ` b`` [2]", [2]),
        ("```python\na[1] = b[2]\n```\n[3]", [3]),
        ("  ~~~~\n[1]\n~~~\n[2]\n~~~~\n[3]", [3]),
        ("- ```\n  [1]\n  ```\n- [2]", [2]),
        ("```\nnever closed [1]", []),
        ("``` `not a fence` [1]", [1]),
        ("a lone ` does not hide [1]", [1]),
        ("- a lone ` here\n- and ` there do not hide [1]", [1]),
        ("\\`escaped [1]` [2]", [1, 2]),
        ("a span\ngoes `on [1]\nhere` [2]", [2]),
        ("but not ` past\n\na blank [1] line `", [1]),
    ],
)
def test_what_is_in_code_is_none(text: str, expected: list[int]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1](https://x.example/1) [2]", [2]),
        ("[1](/relative) [2](tentative) ![3](a.png)", []),
        ("[[1]](https://x.example/1) [[2]]", [2]),
        ("[a page](https://x.example/a[1])[2]", [2]),
        ("https://x.example/?a[1]=2 <https://x.example/[1]> [2]", [2]),
        ("(see https://x.example/a)[2]", [2]),
        ("said [1] and [2]\n\n[1]: https://x.example/1\n[3]: <https://x.example/3> 'three'", [2]),
        ("Sources:\n[1]: stand-up at nine\n[2] planning", [1, 2]),
    ],
)
def test_links_and_their_definitions_are_none(text: str, expected: list[int]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("It rained.  You met Bob [9]. Then sun.", "You met Bob [9]."),
        ("It rained. [9] Then sun.", "It rained. [9]"),
        ("It rained [9]", "It rained [9]"),
        ("一。二\u30109\u3011。三", "二\u30109\u3011。"),
        ("Intro\n- **9:00** Stand-up! [9]\n- more", "- **9:00** Stand-up! [9]"),
        ("x" * 400 + " [9]", "x" * 300),
    ],
)
def test_a_citation_belongs_to_a_sentence(text: str, sentence: str) -> None:
    [found] = find_citations(text, 500)
    assert found.sentence == sentence


def test_as_many_as_asked_for_are_found() -> None:
    assert [one.number for one in find_citations("[1] " * 10, 3)] == [1, 1, 1]
    assert find_citations("", 3) == []
