"""Issue keys in texts, in the form that Jira gives them."""

import re
from collections.abc import Iterable
from typing import Final

MAX_SEARCHED_CHARS: Final = 100_000
"""Characters searched per text.  A prompt can have two million; a key that matters is near its beginning."""
MAX_KEYS: Final = 20
"""Keys per event.  A page that lists a whole backlog is not about any of its issues in particular."""

# Upper case only, and not part of a longer word: neither x86-64 nor AB-CD-12 nor 2026-W48.  Only ASCII neighbours make
# a longer word, because Korean and Japanese particles follow a key without a space.
_KEY = re.compile(r"(?<![A-Za-z0-9_-])[A-Z][A-Z0-9_]{1,19}-[1-9][0-9]{0,6}(?![A-Za-z0-9_]|-[0-9])", re.ASCII)


def find_keys(texts: Iterable[str | None]) -> list[str]:
    """Returns everything in the texts that has the form of an issue key, without duplicates, in order.

    The text alone does not show whether it is one: UTF-8, COVID-19 and SHA-256 have the same form.
    """
    found: dict[str, None] = {}
    for text in texts:
        for match in _KEY.finditer(text[:MAX_SEARCHED_CHARS] if text else ""):
            found[match.group()] = None
            if len(found) == MAX_KEYS:
                return list(found)
    return list(found)


def parse_key(term: str) -> str | None:
    """Returns `term` as an issue key, ignoring case; None if it is not one."""
    upper = term.upper()
    return upper if _KEY.fullmatch(upper) else None


def project_of(issue_key: str) -> str:
    """Returns the project of a key: PROJ for PROJ-123."""
    return issue_key.rpartition("-")[0]
