"""Excerpts of texts that a search has found, with highlights that point into the original text."""

from sidecar.storage.fulltext import Snippet, snippet


def marked(found: Snippet) -> list[str]:
    """Returns the highlighted parts, cut out as JavaScript would."""
    units = found.text.encode("utf-16-le")
    return [units[2 * start : 2 * end].decode("utf-16-le") for start, end in found.highlights]


def test_a_snippet_shows_the_first_match_and_highlights_all_of_its_matches() -> None:
    text = "x" * 200 + " 𝄞 one\nNeedle, another needle " + "y" * 200
    found = snippet(text, ["needle", "one"])
    assert found.text.startswith("…xxx")
    assert found.text.endswith("yyy…")
    assert "\n" not in found.text
    assert marked(found) == ["one", "Needle", "needle"]


def test_a_snippet_without_a_match_is_the_beginning_of_the_text() -> None:
    assert snippet("short", []) == snippet("short", ["other"])
    assert snippet("short", ["other"]).highlights == []
    assert snippet("a" * 300, ["other"]).text == "a" * 160 + "…"


def test_a_snippet_has_the_whole_of_a_long_match() -> None:
    term = "b" * 300
    found = snippet("a " * 100 + term + " c", [term])
    assert found.text[found.highlights[0][0] : found.highlights[0][1]] == term


def test_a_snippet_never_cuts_a_letter_from_its_accents() -> None:
    text = "e\u0301" * 400
    assert snippet(text, ["other"]).text == "e\u0301" * 80 + "…"
    assert snippet("x" + text, ["other"]).text == "x" + "e\u0301" * 79 + "…"
    found = snippet(text + "ＴＥＡ" + text, ["tea"])
    assert found.text.startswith("…e\u0301")
    assert found.text.endswith("e\u0301…")
    assert marked(found) == ["ＴＥＡ"]


def test_letters_that_stand_for_several_are_highlighted_as_a_whole_and_once() -> None:
    assert marked(snippet("oﬃce ㎏ ½", ["f", "g", "2"])) == ["ﬃ", "㎏", "½"]
    assert marked(snippet("\U0001f375 Straße, STRASSE", ["strasse"])) == ["Straße", "STRASSE"]
