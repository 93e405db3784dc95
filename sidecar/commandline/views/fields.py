"""Fields of the contract, for their display: whether one is a time, an id, a status, a number with a unit or a text."""

from collections.abc import Iterator
from enum import Enum, StrEnum, auto
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Kind(Enum):
    """How the values of a field are shown."""

    TIME = auto()
    ID = auto()
    WORD = auto()
    """One of a few words, such as a status."""
    FLAG = auto()
    NUMBER = auto()
    BYTES = auto()
    SECONDS = auto()
    DOLLARS = auto()
    TEXT = auto()
    """Text of any length, or a value of several parts."""


NUMBERS: Final = {"bytes": Kind.BYTES, "s": Kind.SECONDS, "usd": Kind.DOLLARS}
"""Units, by the last word of a number's name."""


def marks(field: FieldInfo) -> dict[str, Any]:
    """Returns what `json_schema_extra` declares of a field, or of one of its types: `format`, `x-time`."""
    found: dict[str, Any] = {}
    for info in (field, *_infos(field.annotation)):
        if isinstance(info.json_schema_extra, dict):
            found |= info.json_schema_extra
    return found


def is_time(field: FieldInfo) -> bool:
    """Whether a field is a point in time or a date."""
    declared = marks(field)
    return declared.get("format") == "date-time" or bool(declared.get("x-time"))


def alternatives(annotation: Any) -> list[Any]:
    """Returns the types of a union, or the only type, without constraints."""
    if hasattr(annotation, "__metadata__"):
        return alternatives(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return [one for argument in get_args(annotation) for one in alternatives(argument)]
    return [annotation]


def kind_of(name: str, field: FieldInfo | None) -> Kind:
    """Returns how to show a field; one that is not declared is judged by its name."""
    if field is None:
        return Kind.TIME if name.endswith(("_at", "_time")) else Kind.ID if name.endswith("_id") else Kind.TEXT
    declared, types = marks(field), alternatives(field.annotation)
    if is_time(field):
        return Kind.TIME
    if declared.get("format") in ("uuid", "id") or name.endswith("_id"):
        return Kind.ID
    if bool in types:
        return Kind.FLAG
    if int in types or float in types:
        return NUMBERS.get(name.rpartition("_")[2], Kind.NUMBER)
    is_word = "x-known-values" in declared or any(isinstance(one, type) and issubclass(one, StrEnum) for one in types)
    return Kind.WORD if is_word else Kind.TEXT


def models_of(field: FieldInfo | None) -> list[type[BaseModel]]:
    """Returns the models among a field's types, also those of the items of a list."""
    if field is None:
        return []
    found = [item for one in alternatives(field.annotation) for item in (one, *get_args(one))]
    return [one for one in found if isinstance(one, type) and issubclass(one, BaseModel)]


def _infos(annotation: Any) -> Iterator[FieldInfo]:
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, FieldInfo):
            yield mark
    if hasattr(annotation, "__metadata__"):
        yield from _infos(annotation.__origin__)
    elif get_origin(annotation) in (Union, UnionType):  # the items of a list have marks of their own
        for argument in get_args(annotation):
            yield from _infos(argument)
