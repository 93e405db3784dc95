"""Every model of the contract can be built; the process builds a model at its first use only."""

from collections.abc import Iterator

import pytest
from sidecar_protocol import catalog
from sidecar_protocol.contract import Model


def subclasses(model: type[Model]) -> Iterator[type[Model]]:
    """Yields every subclass that is declared in the package of the contract."""
    for subclass in model.__subclasses__():
        if subclass.__module__.startswith("sidecar_protocol."):
            yield subclass
        yield from subclasses(subclass)


def test_every_model_can_be_built(subtests: pytest.Subtests) -> None:
    models = [*subclasses(Model), *(declared.params for declared in catalog.methods())]
    assert len(models) > 200
    for model in models:
        with subtests.test(model.__name__):
            model.model_rebuild(force=True)
            assert model.__pydantic_complete__
