"""The protocol version, and the `_meta` member that the params of any request may contain."""

from typing import Annotated, Final

from pydantic import Field, Strict, StringConstraints

from sidecar_protocol.contract import Input
from sidecar_protocol.scalars import WHOLE, Milliseconds

PROTOCOL_VERSION: Final = 1

# Strict, so that "5" is returned as "5" and not as 5.
ProgressToken = Annotated[
    Annotated[int, Strict(), WHOLE] | Annotated[str, StringConstraints(max_length=128)],
    Field(description="Identifies the request in its $/progress notifications."),
]
TraceParent = Annotated[
    str, StringConstraints(max_length=128), Field(description="W3C trace context, written to the log.")
]


class Meta(Input):
    """Options of a request, allowed with any method."""

    progress_token: ProgressToken | None = None
    timeout_ms: Milliseconds | None = None
    """Time limit; when it has passed, the server cancels the request and responds with -32802."""
    traceparent: TraceParent | None = None
