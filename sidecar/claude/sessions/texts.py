"""Texts of Claude's and the user's, made fit to be stored and sent."""

from typing import Final

from pydantic_core import to_json

from sidecar.text import well_formed

TEXT_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of UTF-8 in a job's result or a message: they are stored, and sent with every snapshot of the job."""
JSON_LIMIT: Final = 4 * 1024 * 1024
"""A page with one such message still fits into a result, however much its characters grow in JSON."""
TITLE_CHARS: Final = 120


def limited(text: str) -> tuple[str, bool]:
    """At most TEXT_LIMIT of a text, and whether it was longer."""
    encoded = text.encode()
    return encoded[:TEXT_LIMIT].decode(errors="ignore"), len(encoded) > TEXT_LIMIT


def storable(text: str) -> str:
    """Returns text that SQLite and JSON can hold: within the limits, without lone surrogates."""
    text, _ = limited(well_formed(text))
    return text if len(to_json(text)) <= JSON_LIMIT else text[: JSON_LIMIT // 6]


def title_of(prompt: str) -> str:
    """The first line of a prompt, as a title."""
    return prompt.strip().partition("\n")[0][:TITLE_CHARS].strip() or "(empty prompt)"
