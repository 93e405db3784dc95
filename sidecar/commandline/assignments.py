"""Parses `key=value` arguments into the params of a method, by the types that the contract declares.

The sidecar validates the values; this only chooses between text and JSON.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import click
from sidecar_protocol.catalog import methods
from sidecar_protocol.contract import Method

META: Final = "_meta"
"""Allowed with every method."""

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
    schemas = param_schemas(declared)
    params: dict[str, Any] = {}
    for assignment in assignments:
        match = _ASSIGNMENT.fullmatch(assignment)
        if match is None:
            raise click.UsageError(f"{assignment!r} is not of the form key=value, key:=JSON or key=@file.")
        name, operator, text = match.groups()
        if name not in schemas:
            raise click.UsageError(
                f"{declared.name} has no parameter {name}.{_nearest(name, schemas)}{_listed(schemas)}"
            )
        value = _json(name, text) if operator == ":=" else _value(name, text, schemas[name])
        if name in params and isinstance(params[name], list) and isinstance(value, list):
            params[name] = params[name] + value
        elif name in params:
            raise click.UsageError(f"{name} is given twice.")
        else:
            params[name] = value
    return params


def param_schemas(declared: Method) -> dict[str, dict[str, Any]]:
    """Returns the JSON schema of each param, with its own references resolved."""
    document = declared.params.model_json_schema()
    definitions = document.get("$defs", {})

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return schema | resolved(definitions[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return schema | {"anyOf": [resolved(choice) for choice in schema["anyOf"]]}
        return schema

    schemas = {name: resolved(schema) for name, schema in document.get("properties", {}).items()}
    return schemas | {META: {"type": "object"}}


def completions(declared: Method, start: str) -> Iterator[tuple[str, str]]:
    """Yields what an argument that begins with `start` can be, with a description: `limit=`, `status=failed`."""
    schemas = param_schemas(declared)
    name, equals, _ = start.partition("=")
    if equals:
        words = [(f"{name}={word}", "") for word in _choices(schemas.get(name, {}))]
    else:
        words = [(f"{one}=", str(schema.get("description", ""))) for one, schema in schemas.items() if one != META]
    return (word for word in words if word[0].startswith(start))


def _choices(schema: dict[str, Any]) -> list[str]:
    words = ["true", "false"] if schema.get("type") == "boolean" else [str(word) for word in schema.get("enum", ())]
    return words + [word for choice in schema.get("anyOf", ()) for word in _choices(choice)]


def _read(name: str, file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.UsageError(f"{name}: {file} cannot be read: {reason}.") from None


def _value(name: str, text: str, schema: dict[str, Any]) -> Any:
    if text.startswith("@"):
        text = _read(name, text[1:])
    choices = (schema, *schema.get("anyOf", ()))
    types = {choice["type"] for choice in choices if "type" in choice}
    if "string" in types:
        return text
    items = {choice.get("items", {}).get("type") for choice in choices}
    if "string" in items and not text.lstrip().startswith("["):
        return [text]
    try:
        return json.loads(text)
    except ValueError:
        wanted = " or ".join(sorted(types - {"null"})) or "JSON"
        article = "an" if wanted[0] in "aeio" else "a"
        raise click.UsageError(f"{name} must be {article} {wanted}, not {text!r}.") from None


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"{name}:= must be followed by JSON: {error}.") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _listed(schemas: dict[str, Any]) -> str:
    names = [name for name in schemas if name != META]
    return f" Its parameters: {', '.join(names)}." if names else " It has no parameters."
