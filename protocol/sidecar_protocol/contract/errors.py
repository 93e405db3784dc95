"""The base class of the errors that clients receive."""

import inspect
from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic_core import to_json

from sidecar_protocol.contract.names import snake_case


class RpcError(Exception):
    """An error that is sent to the client.

    A subclass's name in snake case is its `kind`; the first line of its docstring is its default message.
    """

    code: ClassVar[int]
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str | None = None,
        *,
        hint: str | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        error_id: str | None = None,
        details: Iterable[dict[str, Any]] | None = None,
    ) -> None:
        self.message = message or self.summary()
        super().__init__(self.message)
        self.data: dict[str, Any] = {
            "kind": self.kind(),
            "retryable": self.retryable if retryable is None else retryable,
        }
        optional = {"retry_after_ms": retry_after_ms, "hint": hint, "error_id": error_id}
        self.data |= {key: value for key, value in optional.items() if value is not None}
        if details is not None:
            self.data["details"] = list(details)

    @classmethod
    def kind(cls) -> str:
        """Returns the stable identifier that clients compare: `job_not_found` for `JobNotFound`."""
        return snake_case(cls.__name__)

    @classmethod
    def summary(cls) -> str:
        """Returns the first line of the docstring."""
        return inspect.cleandoc(cls.__doc__ or cls.__name__).partition("\n")[0]

    def json_bytes(self) -> bytes:
        """Returns the JSON-RPC error object."""
        return to_json({"code": self.code, "message": self.message, "data": self.data}, inf_nan_mode="null")
