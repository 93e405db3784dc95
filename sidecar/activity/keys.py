"""Issue keys in texts, in the form that Jira gives them, of any width."""

import re
from collections.abc import Iterable
from typing import Final

from sidecar.text import narrow

MAX_SEARCHED_CHARS: Final = 100_000
"""Characters searched per text.  A prompt can have two million; a key that matters is near its beginning."""
MAX_KEYS: Final = 20
"""Keys per event.  A page that lists a whole backlog is not about any of its issues in particular."""

# Hyphens as word processors write them, and the minus sign, which Japanese keyboards and character sets give for one.
_HYPHEN: Final = r"\-\u2010\u2011\u2212"
# Upper case only, and not part of a longer word: neither x86-64 nor AB-CD-12 nor 2026-W48.  Only neighbours of ASCII's
# letters make a longer word, because Korean and Japanese particles follow a key without a space.  Between letters and
# number the key for the hyphen may have typed a Japanese long vowel mark (U+30FC).
_KEY: Final = re.compile(
    rf"(?<![A-Za-z0-9_{_HYPHEN}])([A-Z][A-Z0-9_]{{1,19}})[{_HYPHEN}\u30fc]([1-9][0-9]{{0,6}})"
    rf"(?![A-Za-z0-9_]|[{_HYPHEN}][0-9])",
    re.ASCII,
)


def find_keys(texts: Iterable[str | None]) -> list[str]:
    """Returns everything in the texts that has the form of an issue key, without duplicates, in order.

    The text alone does not show whether it is one: UTF-8, COVID-19 and SHA-256 have the same form.
    """
    found: dict[str, None] = {}
    for text in texts:
        for match in _KEY.finditer(narrow(text[:MAX_SEARCHED_CHARS]) if text else ""):
            found[_key(match)] = None
            if len(found) == MAX_KEYS:
                return list(found)
    return list(found)


def parse_key(term: str) -> str | None:
    """Returns `term` as an issue key, ignoring case and width; None if it is not one."""
    match = _KEY.fullmatch(narrow(term).upper())
    return match and _key(match)


def _key(match: re.Match[str]) -> str:
    return "-".join(match.groups())


def project_of(issue_key: str) -> str:
    """Returns the project of a key: PROJ for PROJ-123."""
    return issue_key.rpartition("-")[0]
