"""Requests to the vendors' clouds, their responses, and the errors if there is no usable response.

Separate from `sidecar.http`, so that code that only builds requests or handles errors does not import httpx.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from pydantic_core import from_json
from sidecar_protocol.entities import WaitingFor

from sidecar.job_handler import JobFailed, JobSnoozed

OFFLINE_RETRY_S: Final = 60.0
"""Delay before a job that found no network is retried."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request.

    `what` names what is requested, for error messages and the log: "Google Calendar's events".  `repeatable` says
    whether sending it twice does no harm.
    """

    method: str
    url: str
    what: str
    params: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = None
    auth: tuple[str, str] | None = None
    """User name and password for HTTP Basic authentication."""
    repeatable: bool = True
    has_secret_address: bool = False
    """Whether knowing the URL grants access; then the target of a redirect is a secret, too."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response: status, headers with lower-case names, complete body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Returns the parsed body.  Raises `BadResponse` if it is not JSON, such as a proxy's HTML page."""
        try:
            return from_json(self.body)
        except ValueError:
            kind = self.headers.get("content-type", "an unnamed type").partition(";")[0]
            raise BadResponse(f"expected JSON, received {kind[:80]} (HTTP {self.status})") from None

    @property
    def server_ms(self) -> int | None:
        """The server's time by its `Date` header, in milliseconds since 1970, or None."""
        moment = http_date(self.headers.get("date", ""))
        return None if moment is None else round(moment.timestamp() * 1000)


class HttpError(Exception):
    """A request without a usable response.

    `what` names what was requested ("Google Calendar's events"), `reason` says what happened; both are for people.
    """

    def __init__(self, reason: str, what: str = "The server") -> None:
        super().__init__(f"{what}: {reason}")
        self.reason = reason


class ServerUnreachable(HttpError):
    """There is no connection to the server, or it did not respond in time."""


class CertificateUntrusted(HttpError):
    """The server's certificate is not trusted by this computer."""


class BadResponse(HttpError):
    """The response breaks the server's protocol: HTML instead of JSON, a truncated or oversized body."""


class InvalidUrl(HttpError):
    """The URL is malformed."""


class RateLimited(HttpError):
    """The server demands a longer pause than a request may wait: `retry_after_s`, in seconds."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"rate limited; retry in {retry_after_s:.0f} s", what)
        self.retry_after_s = retry_after_s


def job_error(error: HttpError) -> JobSnoozed | JobFailed:
    """Returns what a job raises for this: a snooze until the network or the rate limit allows it, or a failure."""
    message = f"{error}."
    match error:
        case ServerUnreachable():
            return JobSnoozed(message, delay_s=OFFLINE_RETRY_S, waiting_for=WaitingFor.NETWORK)
        case RateLimited():
            return JobSnoozed(message, delay_s=error.retry_after_s, waiting_for=WaitingFor.RATE_LIMIT)
        case CertificateUntrusted():
            hint = "If a proxy or a virus scanner inspects connections, add its certificate to the system's store."
            return JobFailed(message, kind="tls_untrusted", hint=hint)
        case InvalidUrl():
            return JobFailed(message, kind="bad_address")
        case _:
            return JobFailed(message, kind="bad_response", retryable=True)


def http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
