"""The contract's models are built when they are first used, by its users' first calls: here all of them are."""

from collections.abc import Iterator

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import Model


def below(model: type[Model]) -> Iterator[type[Model]]:
    """Every class of a model in the modules that the catalog lists."""
    for one in model.__subclasses__():
        if one.__module__.startswith("protocol."):
            yield one
        yield from below(one)


@pytest.mark.parametrize(
    "model", [*below(Model), *(declared.params for declared in catalog.methods())], ids=lambda model: model.__name__
)
def test_a_model_can_be_built(model: type[Model]) -> None:
    model.model_rebuild(force=True)
    assert model.__pydantic_complete__
