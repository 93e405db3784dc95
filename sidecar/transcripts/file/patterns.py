"""Patterns: what stands in a transcript where a person does not want to fix a value.

{"$any": "uuid"}                                        any value of this kind
{"$re": "Wrote [0-9,]+ bytes", "$like": "Wrote 9 bytes"}   a text that fits; `$like` is what a stand-in says there
{"$unordered": [1, 2]}                                  these items, in any order
{"$secret": 1}                                          the first secret of the conversation; `$like` is said instead
"""

import re
from typing import Any, Final

from sidecar.transcripts.file.redact import INSTEAD, MARK, placeholder

ANY: Final = "$any"
RE: Final = "$re"
UNORDERED: Final = "$unordered"
LIKE: Final = INSTEAD
KINDS: Final = frozenset({ANY, RE, UNORDERED, MARK})
SHAPES: Final = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:?\d\d:?\d\d(?:\.?\d{3,6})?Z",
}
"""Ids and times as the sidecar writes them, also in the middle of a text and in a file's name."""
EXAMPLES: Final[dict[str, Any]] = {
    "uuid": "01a00000-0000-7000-8000-000000000000",
    "date-time": "2026-11-23T08:00:00.000Z",
    "object": {},
    "array": [],
    "number": 0,
    "integer": 0,
    "boolean": False,
    "null": None,
    "anything": None,
}
"""What a stand-in says for `$any` without `$like`; of every other kind an empty text."""


def pattern_of(value: Any) -> str | None:
    """The kind of pattern that a value is; None for an ordinary value."""
    if type(value) is not dict or not 0 < len(value) <= 2:
        return None
    kinds = [name for name in value if name in KINDS]
    return kinds[0] if len(kinds) == 1 and all(name in KINDS or name == LIKE for name in value) else None


def is_secret(value: Any) -> bool:
    """Whether a recorded value is what stands for a secret."""
    return type(value) is dict and MARK in value and value.keys() <= {MARK, LIKE}


def said_again(secret: dict[str, Any]) -> str:
    """What is sent for a secret when a recorded conversation is said again."""
    return str(secret[LIKE]) if LIKE in secret else placeholder(secret[MARK])


def example(value: Any) -> Any:
    """A value with something that fits in each pattern's place."""
    kind = pattern_of(value)
    if kind is not None:
        if LIKE in value:
            return value[LIKE]
        if kind == ANY:
            return EXAMPLES.get(value[ANY], "")
        return [example(one) for one in value[UNORDERED]] if kind == UNORDERED else value[kind]
    if type(value) is dict:
        return {name: example(one) for name, one in value.items()}
    return [example(one) for one in value] if type(value) is list else value


def is_any(wanted: str, actual: Any) -> bool:
    """Whether a value is of this kind."""
    if wanted in SHAPES:
        return isinstance(actual, str) and re.fullmatch(SHAPES[wanted], actual) is not None
    if wanted in ("number", "integer"):
        return type(actual) is int or (wanted == "number" and type(actual) is float)
    kinds = {"string": str, "cursor": str, "object": dict, "array": list, "boolean": bool, "null": type(None)}
    return wanted == "anything" or (wanted in kinds and isinstance(actual, kinds[wanted]))


def matches(expression: str, actual: Any) -> bool:
    """Whether a value is a text that the whole regular expression fits."""
    return isinstance(actual, str) and re.fullmatch(expression, actual, re.DOTALL) is not None
