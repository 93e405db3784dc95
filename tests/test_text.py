"""Text as a search compares it."""

import random
import unicodedata
from typing import Final

import pytest

from sidecar.text import folded, folded_spans, narrow

CHARACTERS: Final = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs")]
JOINING: Final = [one for one in CHARACTERS if unicodedata.category(one).startswith("M")] + [
    *(chr(code) for code in range(0x1100, 0x1200)),
    *"ﾞﾟㅋㅠﾻￜ",
]
"""Characters that combine with others."""


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"), "한글"),
        (("ＰＲＯＪ－１２", "proj-12", "PROJ−12", "Proj\u201012", "PROJ\u201112"), "proj-12"),
        (("ｶﾞﾊﾟ", "ガパ", "カ\u3099ハ\u309a"), "ガパ"),
        (("Straße", "STRASSE", "ＳＴＲＡＳＳＥ", "stra\u00adße"), "strasse"),
        (("Ångström", "A\u030angstro\u0308m", "Ångström"), "ångström"),
        (("ㅋㅋㅠㅠ", "ﾻﾻￗￗ"), "ㅋㅋㅠㅠ"),
        (("ΟΔΟΣ", "οδος", "οδοσ"), "οδοσ"),
        (("❤", "❤\ufe0f"), "❤"),
        (("a b", "A\u00a0B", "Ａ　Ｂ"), "a b"),
        (("", "\u200b", "\ufeff"), ""),
    ],
)
def test_texts_that_look_the_same_have_one_form(texts: tuple[str, ...], form: str) -> None:
    assert {folded(text) for text in texts} == {form}


def test_every_character_has_the_form_of_its_decomposition() -> None:
    for character in CHARACTERS:
        form = folded(character)
        assert folded(form) == form
        assert folded(unicodedata.normalize("NFD", character)) == form


def test_the_form_consists_of_the_forms_of_the_parts_that_it_comes_from() -> None:
    rng = random.Random(16)
    for _ in range(20_000):
        pools = (CHARACTERS, JOINING, "abc か가")
        text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 8)))
        spans = list(folded_spans(text))
        assert len(spans) == len(folded(text))
        parts = [folded(text[start:end]) for start, end in dict.fromkeys(spans)]
        assert "".join(parts) == folded(text)


def test_only_the_width_of_ascii_is_narrowed() -> None:
    assert narrow("ＡＢ－１２：ﾃﾞﾓ①～") == "AB-12:ﾃﾞﾓ①~"
