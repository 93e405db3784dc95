"""Requests to one Atlassian site on behalf of one account, and the errors that its responses mean."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from sidecar_protocol.accounts import AccountReason, AccountService
from sidecar_protocol.entities import WaitingFor

from sidecar.accounts.account import AccountRefused, Verdict
from sidecar.http.client import BadResponse, Http, HttpRequest, HttpResponse
from sidecar.job_handler import JobFailed, JobSnoozed
from sidecar.json_reader import get, get_text

PRODUCT_NAMES: Final = {AccountService.JIRA: "Jira", AccountService.CONFLUENCE: "Confluence"}
GONE_STATUSES: Final = frozenset({404, 410})
DENIED_HINT: Final = (
    "The site may not allow requests from this network: connect to the company's VPN, or ask its administrator about "
    "the IP allow-list. Otherwise the user may have lost the access to this product, or the token lacks a scope or has "
    "expired."
)
_NEXT_LINK: Final = re.compile(r"""<([^<>]*)>[^<,]*;\s*rel="?next\b""")
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


class ApiRoute(StrEnum):
    """Where a token is accepted: without scopes at the site, with scopes at the gateway."""

    SITE = "site"
    GATEWAY = "gateway"


class SiteFailed(JobFailed):
    """The site answers with an error of its own: 500 and the like."""


UNREADABLE: Final = (RequestRefused, SiteFailed, BadResponse)
"""Errors that can be the fault of the requested object: others may still be readable."""


class SiteClient:
    """Sends one account's requests.

    `root` is the site's address, or the gateway's with the cloud id; `auth` is the user's e-mail address and API token.
    """

    def __init__(self, http: Http, service: AccountService, route: ApiRoute, root: str, auth: tuple[str, str]) -> None:
        self.service = service
        self.route = route
        self.server_ms: int | None = None
        """The site's clock, by its last response."""
        self._http = http
        self._root = root
        self._auth = auth

    async def get(
        self, path: str, params: Sequence[tuple[str, str]] = (), *, what: str, list_name: str | None = None
    ) -> Any:
        """Returns a response's JSON.

        `list_name` is a list that it must have: a missing one does not mean an empty one.  Raises `TokenRejected`,
        `RequestRefused`, `AccountRefused`, `HttpError`, `JobFailed` and `JobSnoozed`.
        """
        return (await self._send("GET", path, what, list_name, params=params))[0]

    async def get_page(
        self, path: str, params: Sequence[tuple[str, str]], *, what: str, list_name: str
    ) -> tuple[Any, str | None]:
        """Returns a page of a list, and the link to the next one, which is in the body or in the header `Link`."""
        page, response = await self._send("GET", path, what, list_name, params=params)
        link = get_text(page, "_links", "next") or _next_link(response.headers.get("link", ""))
        return page, link or None

    async def post(self, path: str, body: Mapping[str, Any], *, what: str, list_name: str | None = None) -> Any:
        """Sends a query that needs a body: these requests only read, and may be repeated.  Otherwise as `get`."""
        return (await self._send("POST", path, what, list_name, json=dict(body)))[0]

    async def _send(
        self, method: str, path: str, what: str, list_name: str | None, **content: Any
    ) -> tuple[Any, HttpResponse]:
        what = f"{PRODUCT_NAMES[self.service]}'s {what}"
        headers = {"accept": "application/json"}  # without it a 401 is text or HTML
        request = HttpRequest(method, self._root + path, what, headers=headers, auth=self._auth, **content)
        response = await self._http.send(request)
        self.server_ms = response.server_ms or self.server_ms
        raise_for_status(response, what)
        value = response.json(what)
        if list_name is not None and not isinstance(get(value, list_name), list):
            raise BadResponse("a field of the response is missing", what)
        return value, response


def raise_for_status(response: HttpResponse, what: str) -> None:
    """Raises the error that a response means, unless it is a success."""
    status = response.status
    # A search with an expired token answers 200 with an empty list and this header (JRACLOUD-93811).
    if status == 401 or "AUTHENTICATED_FAILED" in response.headers.get("x-seraph-loginreason", ""):
        raise TokenRejected
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        if _is_sign_in_page(response.headers.get("location", "")):
            raise TokenRejected
        hint = "If the site was renamed, update the account with its new address."
        raise AccountRefused(AccountReason.SITE_MOVED, f"{what}: moved to another address.", hint)
    if status == 429:
        message = f"{what}: rate limited; retry in {RATE_LIMIT_PAUSE_S:.0f} s."
        raise JobSnoozed(message, delay_s=RATE_LIMIT_PAUSE_S, waiting_for=WaitingFor.RATE_LIMIT)
    if status >= 500:
        raise SiteFailed(f"{what}: HTTP {status}.", kind="site_error", retryable=True)
    raise RequestRefused(status, what)


def _next_link(header: str) -> str | None:
    """Returns the target of `<...>; rel="next"` in a header `Link` (RFC 8288)."""
    found = _NEXT_LINK.search(header)
    return None if found is None else found[1]


def _is_sign_in_page(location: str) -> bool:
    """Returns whether a redirect leads to a sign-in form, which is where pages send anonymous users."""
    try:
        parts = urlsplit(location)
    except ValueError:  # not a URL
        return False
    return parts.hostname == "id.atlassian.com" or "login" in parts.path


def refused_sign_in(refusal: RequestRefused) -> AccountRefused | JobFailed:
    """Returns what a sync raises whose sign-in is refused."""
    if refusal.status in GONE_STATUSES:
        hint = "Check that the site still exists; if it was renamed, update the account with its new address."
        return AccountRefused(AccountReason.ADDRESS_REJECTED, f"{refusal}.", hint)
    return refused_job(refusal)


def refused_job(refusal: RequestRefused) -> AccountRefused | JobFailed:
    """Returns what a sync raises that cannot go on without a refused request."""
    if refusal.status == 403:
        return AccountRefused(AccountReason.ACCESS_DENIED, f"{refusal}.", DENIED_HINT, Verdict.ELSEWHERE)
    if refusal.status == 410:
        return JobFailed(f"{refusal}.", kind="api_removed", hint="Atlassian no longer offers this: update the app.")
    return JobFailed(f"{refusal}.", kind="request_refused", retryable=True)
