"""`sidecar methods`: lists the methods, and explains one with its params, its result and an example."""

import shlex
from collections.abc import Iterator
from enum import StrEnum
from types import NoneType
from typing import Any, Final, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.console import Console
from rich.text import Text
from sidecar_protocol.catalog import JOB_TYPES
from sidecar_protocol.contract import Method

from sidecar.commandline.assignments import callable_methods, choices, find_method
from sidecar.commandline.formatting import hanging
from sidecar.commandline.options import JSON
from sidecar.commandline.output import JsonOutput, compact
from sidecar.commandline.tables import print_methods
from sidecar.commandline.views.fields import alternatives

NAME_WIDTH: Final = 24
PARAMS: Final = "params"
WORDS: Final = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "object", NoneType: "null"}
EXAMPLES: Final[dict[str, Any]] = {
    "account_id": "01a00000-0000-7000-8000-000000000001",
    "allowed_tools": ["Read"],
    "api_token": "your-api-token",
    "base_url": "https://example.atlassian.net",
    "calendar_id": "ada@example.com",
    "client_info": {"name": "example", "version": "1.0"},
    "email": "ada@example.com",
    "end": "2026-12-01T00:00:00Z",
    "job_type": "maintenance.backup",
    "prompt": "Say hello",
    "protocol_version": 1,
    "provider": "google",
    "query": "planning",
    "redirect_uri": "http://127.0.0.1:8000/callback",
    "start": "2026-11-24T00:00:00Z",
    "type": "maintenance.backup",
}
"""Values of params in examples, by name; the others follow from their types."""
UUID: Final = "01a00000-0000-7000-8000-000000000000"


@click.command()
@click.argument("name", required=False)
@JSON
def methods(name: str | None, *, as_json: bool) -> None:
    """List the methods that `sidecar call` accepts, or explain NAME.

    The start of a name, such as `jobs.`, lists the methods that begin with it.
    """
    known = list(callable_methods().values())
    chosen = [one for one in known if name is None or one.name.startswith(name)]
    if name is not None and (name in callable_methods() or not chosen):
        declared = find_method(name)
        if as_json:
            JsonOutput().result(_facts(declared))
        else:
            print_method(Console(highlight=False), declared)
    elif as_json:
        JsonOutput().result(
            [{"name": one.name, "doc": one.doc, "params": list(one.params.model_fields)} for one in chosen]
        )
    else:
        print_methods(chosen)


def print_method(console: Console, declared: Method) -> None:
    """Prints what a person needs to call a method."""
    console.print(Text(declared.name, style="bold cyan"))
    paragraphs = declared.doc.split("\n\n")
    console.print(Text("\n\n".join(" ".join(one.split()) for one in paragraphs)))
    _print_fields(console, PARAMS, declared.params)
    if declared.name == "jobs.create":
        types = ", ".join(sorted(spec.type for spec in JOB_TYPES))
        console.print(hanging(console, Text("  job types".ljust(NAME_WIDTH) + " ", "dim"), types))
    if declared.result is not None:
        _print_fields(console, f"result: {declared.result.__name__}", declared.result)
    if declared.raises:
        console.print(Text("\nerrors", style="bold"))
        for error in declared.raises:
            doc = (error.__doc__ or "").partition("\n")[0]
            console.print(hanging(console, Text(f"  {error.kind()}".ljust(NAME_WIDTH) + " "), doc))
    console.print(Text("\nexample", style="bold"))
    console.print(Text(f"  sidecar call {example(declared)}"), soft_wrap=True)


def _print_fields(console: Console, title: str, model: type[BaseModel]) -> None:
    console.print(Text(f"\n{title}", style="bold"))
    for name, field in model.model_fields.items():
        facts = [type_name(field.annotation), *(_default(field) if title == PARAMS else ())]
        line = Text(f"  {name}".ljust(NAME_WIDTH) + " ", "bold" if title == PARAMS and field.is_required() else "")
        console.print(hanging(console, line, ". ".join(filter(None, [", ".join(facts), field.description]))))
    if not model.model_fields:
        console.print(Text("  none", style="dim"))


def _default(field: FieldInfo) -> Iterator[str]:
    if field.is_required():
        yield "required"
    elif isinstance(field.default, str | int | float) and field.default != "":
        yield f"{str(field.default).lower() if isinstance(field.default, bool) else field.default} by default"


def type_name(annotation: Any) -> str:
    """Returns a type in words: `integer`, `one of queued, running`, `list of text`."""
    return (
        " or ".join(dict.fromkeys(_word(kind) for kind in alternatives(annotation) if kind is not NoneType)) or "null"
    )


def _word(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"one of {', '.join(choices(kind))}"
    if get_origin(kind) is list:
        return f"list of {type_name(get_args(kind)[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.__name__
    return WORDS.get(get_origin(kind) or kind, "value")


def example(declared: Method) -> str:
    """Returns a call with the required params, as a shell takes it."""
    required = [(name, field) for name, field in declared.params.model_fields.items() if field.is_required()]
    return " ".join([declared.name, *(_assignment(name, field) for name, field in required)])


def _assignment(name: str, field: FieldInfo) -> str:
    value = EXAMPLES[name] if name in EXAMPLES else _value(name, field.annotation)
    is_text = isinstance(value, str)
    text = value if is_text else compact(value)
    return shlex.quote(f"{name}{'=' if is_text else ':='}{text}")


def _value(name: str, annotation: Any) -> Any:
    kind = next(one for one in alternatives(annotation) if one is not NoneType)
    if words := choices(kind):
        return True if kind is bool else words[0]
    if get_origin(kind) is list:
        return [_value(name, get_args(kind)[0])]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields.items()
        return {key: EXAMPLES.get(key, _value(key, field.annotation)) for key, field in fields if field.is_required()}
    if kind in (int, float):
        return 1
    return {} if (get_origin(kind) or kind) is dict else UUID if name.endswith("_id") else "text"


def _facts(declared: Method) -> dict[str, Any]:
    result = declared.result
    return {
        "name": declared.name,
        "doc": declared.doc,
        "params": {name: type_name(field.annotation) for name, field in declared.params.model_fields.items()},
        "result": {name: type_name(field.annotation) for name, field in result.model_fields.items()}
        if result
        else None,
        "errors": [error.kind() for error in declared.raises],
        "example": f"sidecar call {example(declared)}",
    }
