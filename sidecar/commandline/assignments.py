"""Parses `key=value` arguments into the params of a method, by the types that the contract declares.

The sidecar validates the values; this only chooses between text and JSON, and reads times as people write them.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin

import click
from sidecar_protocol.catalog import methods
from sidecar_protocol.contract import Method

from sidecar.commandline.views.fields import alternatives, is_time
from sidecar.commandline.views.local_times import FORMS, WORDS, LocalTimes
from sidecar.days import computer_zone_name

META: Final = "_meta"
"""Allowed with every method."""
TIME_ZONE: Final = "time_zone"
"""A param that is this computer's zone if a method needs it and it is left out."""

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


def params_of(declared: Method, assignments: Iterable[str], times: LocalTimes | None = None) -> dict[str, Any]:
    """Parses arguments into params.  `times` reads times; by default those of this computer.

    Raises `click.UsageError`.
    """
    types = param_types(declared)
    fields = declared.params.model_fields
    times = times or LocalTimes.of_this_computer()
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
        if operator == ":=":
            value = _json(name, text)
        elif name in fields and is_time(fields[name]):
            value = _time(name, text, times)
        else:
            value = _value(name, text, types[name])
        if isinstance(params.get(name), list) and isinstance(value, list):
            params[name] += value
        elif name in params:
            raise click.UsageError(f"{name} is given twice.")
        else:
            params[name] = value
    zone = fields.get(TIME_ZONE)
    if zone is not None and zone.is_required() and TIME_ZONE not in params and (here := computer_zone_name()):
        params[TIME_ZONE] = here
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
        field = declared.params.model_fields.get(name)
        known = [word for one in types for word in choices(one)] or (WORDS if field and is_time(field) else ())
        words = [(f"{name}={word}", "") for word in known]
    else:
        words = [(f"{one}=", field.description or "") for one, field in declared.params.model_fields.items()]
    return (word for word in words if word[0].startswith(start))


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


def _time(name: str, text: str, times: LocalTimes) -> str:
    moment = times.parse(text)
    if moment is None:
        raise click.UsageError(f"{name} must be a time such as {FORMS}, not {text!r}.")
    return moment


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
