"""Text as SQLite, UTF-8, JavaScript and a terminal can take it, and as a search compares it."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from unicodedata import category, decomposition, normalize

_HANGUL: Final = "\u3131-\u318e\uffa0-\uffbe\uffc2-\uffc7\uffca-\uffcf\uffd2-\uffd7\uffda-\uffdc"
"""Hangul letters on their own, and their half-width forms.  NFKC would join the letters of ㅋㅠ to the syllable 큐."""
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point in Unicode: soft hyphens, zero-width characters, variation selectors and the like."""
_SPECIAL: Final = re.compile(f"[{_HANGUL}{_INVISIBLE}]")
_HANGUL_LETTERS: Final = re.compile(f"([{_HANGUL}]+)")
_INVISIBLES: Final = re.compile(f"[{_INVISIBLE}]")
_WIDE_ASCII: Final = re.compile("[\uff01-\uff5e]+")
_WIDTH: Final = 0xFF01 - 0x21
"""Distance of a full-width letter or sign from its ASCII form."""
CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, which begin escape sequences, and those that change the direction of text; not \\n and \\t."""


def printable(text: str) -> str:
    """Returns the text without what a terminal would obey, except line breaks and tabs."""
    return CONTROLS.sub("", text)


def well_formed(text: str) -> str:
    """Joins surrogate pairs and replaces lone surrogates by U+FFFD, so that the text can be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def utf16_length(text: str) -> int:
    """Returns the length in UTF-16 code units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text) + sum(1 for character in text if character > "\uffff")


def narrow(text: str) -> str:
    """Replaces full-width letters, digits and signs by ASCII, character for character."""
    if text.isascii():
        return text
    return _WIDE_ASCII.sub(lambda wide: "".join(chr(ord(character) - _WIDTH) for character in wide[0]), text)


def folded(text: str) -> str:
    """Returns the form of a text in which a search compares it; texts that look the same have the same form.

    It is Unicode's NFKC_Casefold with two exceptions: Hangul letters on their own stay as they are, and hyphens and
    the minus sign, which keyboards and character sets confuse, become ASCII hyphens.
    """
    if text.isascii():
        return text.lower()
    if _SPECIAL.search(text) is None:  # the usual case, in half the time
        form = normalize("NFC", normalize("NFKC", text).casefold())
    else:
        form = _INVISIBLES.sub("", normalize("NFC", _compatible(text).casefold()))
    return form.replace("\u2010", "-").replace("\u2212", "-")


def folded_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yields for each character of `folded(text)` the range [start, end) of `text` that it comes from."""
    if text.isascii():
        yield from zip(range(len(text)), range(1, len(text) + 1), strict=True)
        return
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or not continues(text[end]):
            for _ in folded(text[start:end]) if end - start > 1 else _folded_character(text[start]):
                yield start, end
            start = end


@lru_cache(maxsize=4096)
def continues(character: str) -> bool:
    """Returns whether a character belongs to the one before it: an accent, a vowel sign, a conjoining Hangul letter."""
    if character.isascii() or _HANGUL_LETTERS.match(character):
        return False
    first = normalize("NFKD", character)[0]
    return category(first).startswith("M") or "\u1160" <= first <= "\u11ff"


_folded_character = lru_cache(maxsize=4096)(folded)


def _compatible(text: str) -> str:
    """Returns a text in NFKC, except for Hangul letters on their own, which become full-width."""
    parts = _HANGUL_LETTERS.split(text)
    parts[::2] = [normalize("NFKC", part) for part in parts[::2]]
    parts[1::2] = ["".join(map(_wide_letter, part)) for part in parts[1::2]]
    return "".join(parts)


def _wide_letter(letter: str) -> str:
    return letter if letter < "\uffa0" else chr(int(decomposition(letter).split()[1], 16))
