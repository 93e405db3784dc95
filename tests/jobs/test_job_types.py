"""Job types are found while a thread is still importing some of them."""

from typing import Any, ClassVar

import pytest
from sidecar_protocol.contract import JobSpec, Model

from sidecar.features import JOB_TYPES

ModelType = type[Model]  # inside a job type, `type` is an attribute


class Looked:
    """Looks for a job type while its class is being made, as the loop can while a thread imports the module."""

    def __init__(self) -> None:
        self.found: Any = None

    def __set_name__(self, owner: type, name: str) -> None:
        self.found = JOB_TYPES.get("tests.half_made")


def test_a_job_type_whose_class_is_still_being_made_is_not_found() -> None:
    looked = Looked()

    class HalfMade(JobSpec):
        """A job type."""

        type: ClassVar[str] = "tests.half_made"
        result: ClassVar[ModelType] = Model
        looks: ClassVar[Looked] = looked

    assert looked.found is None
    assert JOB_TYPES["tests.half_made"] is HalfMade


def test_a_job_type_that_the_contract_lacks_is_not_found() -> None:
    with pytest.raises(KeyError):
        JOB_TYPES["tests.no_such"]
