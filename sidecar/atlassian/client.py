"""Requests to one Atlassian site on behalf of one account, and the errors that its responses mean.

The trap: a request with an expired token is anonymous, and an anonymous user may search.  The response is 200 with an
empty list and `X-Seraph-LoginReason: AUTHENTICATED_FAILED` (JRACLOUD-93811), so every response's header is checked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar_protocol.atlassian import AtlassianService
from sidecar_protocol.entities import WaitingFor

from sidecar.http.client import Http, HttpRequest, HttpResponse
from sidecar.job_handler import JobFailed, JobSnoozed

PRODUCT_NAMES: Final = {AtlassianService.JIRA: "Jira", AtlassianService.CONFLUENCE: "Confluence"}
RATE_LIMIT_PAUSE_S: Final = 120.0
"""Pause after a 429 to the last retry that names no time."""


class TokenRejected(Exception):
    """The site does not accept the token: it is expired, revoked, wrong, or for the other API route."""


class RequestRefused(Exception):
    """The site refuses the request: 400, 403, 404 and the like.  Its texts are localized, so only `status` counts."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what}: HTTP {status}")
        self.status = status
        self.what = what


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user name and password of HTTP Basic authentication."""

    email: str
    token: str = field(repr=False)


class SiteClient:
    """Sends one account's requests; `root` is the site's address, or the gateway's with the cloud id."""

    def __init__(self, http: Http, service: AtlassianService, root: str, credentials: Credentials) -> None:
        self._http = http
        self._product = PRODUCT_NAMES[service]
        self._root = root
        self._credentials = credentials
        self.server_ms: int | None = None
        """The site's clock, by its last response."""

    async def get(self, path: str, params: Sequence[tuple[str, str]] = (), *, what: str) -> Any:
        """Returns a response's JSON.

        Raises `TokenRejected`, `RequestRefused`, `HttpError`, `JobFailed` and `JobSnoozed`.
        """
        return await self._send("GET", path, what, params=params)

    async def post(self, path: str, body: Mapping[str, Any], *, what: str) -> Any:
        """Sends a query that needs a body: these requests only read, and may be repeated."""
        return await self._send("POST", path, what, json=dict(body))

    async def _send(
        self, method: str, path: str, what: str, params: Sequence[tuple[str, str]] = (), json: Any = None
    ) -> Any:
        what = f"{self._product}'s {what}"
        request = HttpRequest(
            method,
            self._root + path,
            what,
            params,
            headers={"accept": "application/json"},  # without it a 401 is text or HTML
            json=json,
            auth=(self._credentials.email, self._credentials.token),
        )
        response = await self._http.send(request)
        self.server_ms = response.server_ms or self.server_ms
        raise_for_status(response, what)
        return response.json()


def raise_for_status(response: HttpResponse, what: str) -> None:
    """Raises the error that a response means, unless it is a success."""
    status = response.status
    if status == 401 or "AUTHENTICATED_FAILED" in response.headers.get("x-seraph-loginreason", ""):
        raise TokenRejected
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        if _is_sign_in_page(response.headers.get("location", "")):
            raise TokenRejected
        hint = "If the site was renamed, delete the account and connect the site by its new address."
        raise JobFailed(f"{what}: moved to another address.", kind="site_moved", hint=hint)
    if status == 429:
        message = f"{what}: rate limited; retry in {RATE_LIMIT_PAUSE_S:.0f} s."
        raise JobSnoozed(message, delay_s=RATE_LIMIT_PAUSE_S, waiting_for=WaitingFor.RATE_LIMIT)
    if status == 410:
        raise JobFailed(f"{what}: no longer offered by Atlassian.", kind="api_removed", hint="Update the app.")
    if status >= 500:
        raise JobFailed(f"{what}: HTTP {status}.", kind="site_error", retryable=True)
    raise RequestRefused(status, what)


def _is_sign_in_page(location: str) -> bool:
    """Returns whether a redirect leads to a sign-in form, which is where pages send anonymous users."""
    try:
        parts = urlsplit(location)
    except ValueError:  # not a URL
        return False
    return parts.hostname == "id.atlassian.com" or "login" in parts.path


def refused_job(refusal: RequestRefused) -> JobFailed:
    """Returns what a sync raises for a refused request that it cannot handle otherwise."""
    if refusal.status == 403:
        hint = "The account may have lost its access to this product, or the token lacks a scope."
        return JobFailed(f"{refusal}.", kind="permission_denied", hint=hint)
    return JobFailed(f"{refusal}.", kind="request_refused", retryable=True)
