"""The progress of requests."""

from enum import StrEnum
from typing import ClassVar

from sidecar_protocol.contract import Ephemeral, Model
from sidecar_protocol.meta import ProgressToken


class ProgressKind(StrEnum):
    """Whether a report is the first, a later one or the last of its request."""

    BEGIN = "begin"
    REPORT = "report"
    END = "end"


class ProgressValue(Model):
    """The progress of a request."""

    kind: ProgressKind
    message: str | None = None
    fraction: float | None = None


class RequestProgress(Ephemeral):
    """Progress of a request with a `_meta.progress_token`.  Never sent after its response."""

    name: ClassVar[str] = "$/progress"
    key: ClassVar[tuple[str, ...]] = ("token",)
    max_per_s: ClassVar[int] = 20
    token: ProgressToken
    value: ProgressValue
