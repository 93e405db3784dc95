"""The protocol's version, and `params._meta`: what any request may carry beside its params."""

from typing import Annotated, Final

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Input
from sidecar_protocol.scalars import Milliseconds

PROTOCOL_VERSION: Final = 1

# Strict: "5" must come back as "5", not as 5.
ProgressToken = Annotated[
    Annotated[int, Strict()] | Annotated[str, StringConstraints(max_length=128)],
    Field(description="Names the request in its $/progress notifications."),
]
TraceParent = Annotated[
    str, StringConstraints(max_length=128), Field(description="W3C trace context; it goes into the log.")
]


class Meta(Input):
    """Beside the params of any method."""

    progress_token: ProgressToken | None = None
    timeout_ms: Milliseconds | None = None
    """After this the server gives the request up and answers -32802."""
    traceparent: TraceParent | None = None
