"""Finds the entities in a result, by the models of the contract.  Pure."""

from collections.abc import Iterator
from typing import Any, get_args

from sidecar_protocol.contract import Model

Entry = dict[str, Any]


def entries(model: type[Model], value: Entry) -> Iterator[tuple[type[Model], Entry]]:
    """Yields a value and all entities within it, each with its model, in the order of the result."""
    yield model, value
    for name, field in model.model_fields.items():
        member = value.get(name)
        for inner in _models(field.annotation):
            for item in member if isinstance(member, list) else [member]:
                if isinstance(item, dict):
                    yield from entries(inner, item)


def _models(annotation: Any) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
