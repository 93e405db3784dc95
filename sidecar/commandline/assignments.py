"""Parses `key=value` arguments into the params of a method, by the types that the contract declares.

The sidecar validates the values; this only chooses between text and JSON.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import click
from sidecar_protocol.catalog import methods
from sidecar_protocol.contract import Method

META: Final = "_meta"
"""Allowed with every method."""

TYPE_NAMES: Final = {int: "an integer", float: "a number", bool: "true or false"}

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(:?=)(.*)", re.DOTALL)


def callable_methods() -> dict[str, Method]:
    """Returns the methods that have a result, by name."""
    return {declared.name: declared for declared in methods() if declared.result is not None}


def find_method(name: str) -> Method:
    """Returns the method with this name.  Raises `click.UsageError`, which suggests similar names."""
    known = callable_methods()
    if name in known:
        return known[name]
    if any(declared.name == name for declared in methods()):
        raise click.UsageError(f"{name} is a notification, which has no result.")
    raise click.UsageError(f"There is no method {name}.{_nearest(name, known)} `sidecar methods` lists all methods.")


def params_of(declared: Method, assignments: Iterable[str]) -> dict[str, Any]:
    """Parses arguments into params.  Raises `click.UsageError`."""
    types = param_types(declared)
    params: dict[str, Any] = {}
    for assignment in assignments:
        match = _ASSIGNMENT.fullmatch(assignment)
        if match is None:
            raise click.UsageError(f"{assignment!r} is not of the form key=value, key:=JSON or key=@file.")
        name, operator, text = match.groups()
        if name not in types:
            raise click.UsageError(
                f"{declared.name} has no parameter {name}.{_nearest(name, types)}{_listed(declared)}"
            )
        value = _json(name, text) if operator == ":=" else _value(name, text, types[name])
        if isinstance(params.get(name), list) and isinstance(value, list):
            params[name] += value
        elif name in params:
            raise click.UsageError(f"{name} is given twice.")
        else:
            params[name] = value
    return params


def param_types(declared: Method) -> dict[str, list[Any]]:
    """Returns the alternative types of each param, without their constraints."""
    return {name: alternatives(field.annotation) for name, field in declared.params.model_fields.items()} | {
        META: [dict]
    }


def completions(declared: Method, start: str) -> Iterator[tuple[str, str]]:
    """Yields what an argument that begins with `start` can be, with a description: `limit=`, `status=failed`."""
    name, equals, _ = start.partition("=")
    if equals:
        types = param_types(declared).get(name, [])
        words = [(f"{name}={word}", "") for one in types for word in choices(one)]
    else:
        words = [(f"{one}=", field.description or "") for one, field in declared.params.model_fields.items()]
    return (word for word in words if word[0].startswith(start))


def alternatives(annotation: Any) -> list[Any]:
    """Returns the types of a union, or the only type, without constraints."""
    if hasattr(annotation, "__metadata__"):
        return alternatives(annotation.__origin__)
    if get_origin(annotation) in (Union, UnionType):
        return [one for argument in get_args(annotation) for one in alternatives(argument)]
    return [annotation]


def choices(kind: Any) -> list[str]:
    """Returns all values of a type that has few, else an empty list."""
    if kind is bool:
        return ["true", "false"]
    return [member.value for member in kind] if isinstance(kind, type) and issubclass(kind, StrEnum) else []


def _read(name: str, file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.UsageError(f"{name}: {file} cannot be read: {reason}.") from None


def _value(name: str, text: str, types: list[Any]) -> Any:
    if text.startswith("@"):
        text = _read(name, text[1:])
    if any(map(_is_text, types)):
        return text
    lists = [alternatives(get_args(one)[0]) for one in types if get_origin(one) is list]
    if any(_is_text(item) for items in lists for item in items) and not text.lstrip().startswith("["):
        return [text]
    try:
        return json.loads(text)
    except ValueError:
        wanted = " or ".join(TYPE_NAMES.get(one, "JSON") for one in types if one is not NoneType)
        raise click.UsageError(f"{name} must be {wanted}, not {text!r}.") from None


def _is_text(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, str)


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{name}:= must be followed by JSON: {error}.") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _listed(declared: Method) -> str:
    names = ", ".join(declared.params.model_fields)
    return f" Its parameters: {names}." if names else " It has no parameters."
