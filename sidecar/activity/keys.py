"""Issue keys, as Jira writes them, in people's texts."""

import re
from collections.abc import Iterable
from typing import Final

SEARCHED_CHARS: Final = 100_000
"""Of a text; a prompt may have two million characters, and who means an issue says so before."""
KEYS: Final = 20
"""Of an event; a page that lists a whole backlog is about none of its issues in particular."""

# Capitals only, and not inside of something longer: neither x86-64 nor AB-CD-12 nor 2026-W48.  Only ASCII neighbours
# make it longer, because Korean and Japanese put their particles right behind the key.
_KEY = re.compile(r"(?<![A-Za-z0-9_-])[A-Z][A-Z0-9_]{1,19}-[1-9][0-9]{0,6}(?![A-Za-z0-9_]|-[0-9])", re.ASCII)


def keys_in(texts: Iterable[str | None]) -> list[str]:
    """What looks like an issue key in these texts, each once, in the order of the texts.

    Whether it is one cannot be told from the text: UTF-8, COVID-19 and SHA-256 look the same.
    """
    found: dict[str, None] = {}
    for text in texts:
        for match in _KEY.finditer(text[:SEARCHED_CHARS] if text else ""):
            found[match.group()] = None
            if len(found) == KEYS:
                return list(found)
    return list(found)


def as_key(term: str) -> str | None:
    """The issue key that somebody means who searches for this, in whatever case; None: it is none."""
    upper = term.upper()
    return upper if _KEY.fullmatch(upper) else None


def project_of(issue_key: str) -> str:
    """PROJ of PROJ-123."""
    return issue_key.rpartition("-")[0]
