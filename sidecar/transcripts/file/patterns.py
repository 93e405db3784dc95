"""Patterns: placeholders that a person puts into a transcript for values that may vary.

{"$any": "uuid"}                                          any value of this kind
{"$re": "Wrote [0-9,]+ bytes", "$like": "Wrote 9 bytes"}  a text that matches in full; a replay sends `$like`
{"$unordered": [1, 2]}                                    these items in any order
{"$secret": 1}                                            the first secret of the transcript; a replay sends `$like`
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.redact import LIKE, RE, SECRET_KEY, placeholder

ANY: Final = "$any"
UNORDERED: Final = "$unordered"
KINDS: Final = frozenset({ANY, RE, UNORDERED, SECRET_KEY})
SHAPES: Final = {
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:?\d\d:?\d\d(?:\.?\d{3,6})?Z",
}
"""Ids and times as the sidecar writes them, including inside texts and file names."""
_ID: Final = re.compile(SHAPES["uuid"])
TYPES: Final = {"string": str, "cursor": str, "object": dict, "array": list, "integer": int, "boolean": bool} | {
    "null": type(None)
}
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
"""Values that a replay sends for `$any` without `$like`; an empty text for every other kind."""
NAMES: Final = frozenset({*SHAPES, *TYPES, *EXAMPLES})
"""The kinds of `$any`."""


def pattern_of(value: Any) -> str | None:
    if type(value) is not dict or not 0 < len(value) <= 2:
        return None
    kinds = [name for name in value if name in KINDS]
    return kinds[0] if len(kinds) == 1 and all(name in KINDS or name == LIKE for name in value) else None


def values_in(value: Any) -> Iterator[Any]:
    """Yields a value and all that is in it, at any depth and in its order."""
    yield value
    for one in value.values() if type(value) is dict else value if type(value) is list else ():
        yield from values_in(one)


def check(value: Any) -> None:
    """Raises ValueError if a value contains a pattern that nothing can match, such as `{"$any": "uid"}`."""
    for one in values_in(value):
        kind = pattern_of(one)
        if kind == ANY and one[ANY] not in NAMES:
            raise ValueError(f'unknown "$any": {one[ANY]!r}; there are {", ".join(sorted(NAMES))}')
        if kind == RE:
            try:
                re.compile(one[RE])
            except (re.error, TypeError) as error:
                raise ValueError(f'"$re" is not a regular expression: {one[RE]!r}: {error}') from None
        if kind == UNORDERED and type(one[UNORDERED]) is not list:
            raise ValueError(f'"$unordered" is not a list: {one[UNORDERED]!r}')


def ids_in(value: Any) -> list[str]:
    """Returns the ids in a value, at any depth and also inside texts."""
    return _ID.findall(to_json(value).decode())


def names_any(value: Any, ids: Collection[str]) -> bool:
    """Returns whether a value contains one of these ids, at any depth and also inside texts."""
    text = to_json(value).decode() if ids else ""
    return any(one in text for one in ids)


def is_secret(value: Any) -> bool:
    return pattern_of(value) == SECRET_KEY


def secret_numbers(value: Any) -> list[int]:
    """Returns the numbers of the secrets in a recorded value."""
    return [one[SECRET_KEY] for one in values_in(value) if is_secret(one) and type(one[SECRET_KEY]) is int]


def secret_to_send(secret: dict[str, Any]) -> str:
    return str(secret[LIKE]) if LIKE in secret else placeholder(secret[SECRET_KEY])


def example(value: Any) -> Any:
    """Returns the value with each pattern replaced by something that matches it."""
    kind = pattern_of(value)
    if kind is not None:
        if LIKE in value:
            return value[LIKE]
        if kind == ANY:
            return EXAMPLES.get(value[ANY], "")
        return [example(item) for item in value[UNORDERED]] if kind == UNORDERED else value[kind]
    if type(value) is dict:
        return {name: example(member) for name, member in value.items()}
    return [example(item) for item in value] if type(value) is list else value


def fits(kind: str, wanted: Any, actual: Any) -> bool:
    """Returns whether a value fits a pattern that is not `$unordered`: `{kind: wanted}`."""
    if kind == RE:
        return isinstance(actual, str) and re.fullmatch(wanted, actual, re.DOTALL) is not None
    return kind == SECRET_KEY or (kind == ANY and _is_any(wanted, actual))


def _is_any(name: str, actual: Any) -> bool:
    if name in SHAPES:
        return isinstance(actual, str) and re.fullmatch(SHAPES[name], actual) is not None
    if name == "number":
        return type(actual) in (int, float)
    return name == "anything" or type(actual) is TYPES.get(name)
