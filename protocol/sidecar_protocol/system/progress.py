"""The progress of requests."""

from typing import ClassVar

from sidecar_protocol.contract import Ephemeral, Model
from sidecar_protocol.meta import ProgressToken


class ProgressValue(Model):
    """The progress of a request."""

    message: str | None = None
    """The current step."""
    fraction: float | None = None
    """0.0 to 1.0.  Null if the remaining work is unknown."""


class RequestProgress(Ephemeral):
    """Progress of a request with a `_meta.progress_token`.  Never sent after its response, which is its end."""

    name: ClassVar[str] = "$/progress"
    key: ClassVar[tuple[str, ...]] = ("token",)
    max_per_s: ClassVar[int] = 20
    token: ProgressToken
    value: ProgressValue
