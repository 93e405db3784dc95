"""Requests to one Atlassian site on one account's behalf, and what its answers mean.

The trap: a token that has expired is treated as nobody's, and nobody may search.  The answer is 200 with an empty list
and `X-Seraph-LoginReason: AUTHENTICATED_FAILED` (JRACLOUD-93811), so that header is looked at on every answer.
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
SLOWER_S: Final = 120.0
"""A site that says 429 to the last try, without naming a time, is left alone this long."""


class SignedOut(Exception):
    """The site does not take the token: expired, revoked, never right, or for the other address."""


class Refused(Exception):
    """The site understood and will not: 400, 403, 404 and the like.  Its words are localized: `status` counts."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(f"{what} answered {status}")
        self.status = status
        self.what = what


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs a request in."""

    email: str
    token: str = field(repr=False)


class SiteClient:
    """One account's way to its site; `root` is the site's own address, or the gateway's with the cloud id."""

    def __init__(self, http: Http, service: AtlassianService, root: str, credentials: Credentials) -> None:
        self._http = http
        self._name = PRODUCT_NAMES[service]
        self._root = root
        self._credentials = credentials
        self.server_ms: int | None = None
        """The site's own time, as its last answer told it."""

    async def get(self, path: str, params: Sequence[tuple[str, str]] = (), *, what: str) -> Any:
        """Ask for something; raises `SignedOut`, `Refused`, `HttpError`, `JobFailed`, `JobSnoozed`."""
        return await self._ask(HttpRequest("GET", self._root + path, f"{self._name}'s {what}", params))

    async def post(self, path: str, body: Mapping[str, Any], *, what: str) -> Any:
        """Ask for something whose description needs a body: all of these only read, and may be repeated."""
        return await self._ask(HttpRequest("POST", self._root + path, f"{self._name}'s {what}", json=dict(body)))

    async def _ask(self, request: HttpRequest) -> Any:
        signed = HttpRequest(
            request.method,
            request.url,
            request.what,
            request.params,
            # Without it a 401 comes as text, or as HTML.
            headers={"accept": "application/json"},
            json=request.json,
            auth=(self._credentials.email, self._credentials.token),
        )
        response = await self._http.send(signed)
        self.server_ms = response.server_ms or self.server_ms
        judge(response, request.what)
        return response.json()


def judge(response: HttpResponse, what: str) -> None:
    """Raise what an answer means, unless it is one that can be read."""
    status = response.status
    if status == 401 or "AUTHENTICATED_FAILED" in response.headers.get("x-seraph-loginreason", ""):
        raise SignedOut
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        if _leads_to_sign_in(response.headers.get("location", "")):
            raise SignedOut
        hint = "The site may have been renamed: connect it by its new address."
        raise JobFailed(f"{what} has moved to another address.", kind="site_moved", hint=hint)
    if status == 429:
        raise JobSnoozed(f"{what} asks for fewer requests.", delay_s=SLOWER_S, waiting_for=WaitingFor.RATE_LIMIT)
    if status == 410:
        raise JobFailed(f"{what} is no longer offered by Atlassian.", kind="api_removed", hint="Update the app.")
    if status >= 500:
        raise JobFailed(f"{what} answered {status}.", kind="site_error", retryable=True)
    raise Refused(status, what)


def _leads_to_sign_in(location: str) -> bool:
    """Where nobody is signed in, pages redirect to a form that signs one in."""
    try:
        parts = urlsplit(location)
    except ValueError:  # that is no address
        return False
    return parts.hostname == "id.atlassian.com" or "login" in parts.path


def failed(refusal: Refused) -> JobFailed:
    """What a job raises for a refusal that nothing else explains."""
    if refusal.status == 403:
        hint = "The account may have lost its access to this product, or the token lacks a scope."
        return JobFailed(f"{refusal}.", kind="permission_denied", hint=hint)
    return JobFailed(f"{refusal}.", kind="request_refused", retryable=True)
