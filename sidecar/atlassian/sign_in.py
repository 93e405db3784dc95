"""Signing in at a site: its address, the API route that accepts the token, and the token's owner."""

import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from sidecar_protocol.accounts import AccountService
from sidecar_protocol.atlassian import SiteAddressInvalid

from sidecar.atlassian.client import GONE_STATUSES, ApiRoute, RequestRefused, SiteClient, TokenRejected
from sidecar.atlassian.fields import get_string
from sidecar.http.client import BadResponse, Http, HttpError, HttpRequest
from sidecar.loopback import is_loopback

log = logging.getLogger(__name__)

_JIRA_USER: Final = "/rest/api/3/myself"
_CONFLUENCE_USER: Final = "/wiki/rest/api/user/current"
_ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9:._-]{1,128}")
_ADDRESS_HINT: Final = "Enter the site's address as the browser shows it, such as https://example.atlassian.net."


def site_address(text: str) -> str:
    """Reduces what a user typed or pasted to scheme, host and port: `https://example.atlassian.net`.

    The default scheme is https; http is for loopback only, since it would send the token unencrypted.  Raises
    `SiteAddressInvalid`, whose message never repeats the address, since that may contain a password.
    """
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        hostname, port = parts.hostname or "", parts.port
        host = hostname if ":" in hostname else hostname.encode("idna").decode()
    except ValueError:  # includes UnicodeError
        raise SiteAddressInvalid(hint=_ADDRESS_HINT) from None
    if parts.scheme not in ("http", "https") or not host or any(sign in host for sign in ' /\\%<>"'):
        raise SiteAddressInvalid(hint=_ADDRESS_HINT)
    if parts.username is not None or parts.password is not None:
        raise SiteAddressInvalid("The address must not contain a user name or password.", hint=_ADDRESS_HINT)
    if parts.scheme == "http" and not is_loopback(host):
        raise SiteAddressInvalid("The site's address must begin with https.", hint=_ADDRESS_HINT)
    shown = f"[{host}]" if ":" in host else host
    default_port = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{shown}" + ("" if port in (None, default_port) else f":{port}")


class TokenOwner(NamedTuple):
    """The user that a token belongs to, as columns of `atlassian_accounts`."""

    atlassian_account_id: str
    display_name: str | None
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A client whose token the site has accepted, and the site's answers to it."""

    client: SiteClient
    route: ApiRoute
    cloud_id: str | None
    """The site's id at Atlassian; None if it could not be read, and then the route is the site's own API."""
    owner: TokenOwner

    def columns(self) -> dict[str, Any]:
        """Returns the columns of `atlassian_accounts` that describe the sign-in."""
        return {"api_route": self.route, "cloud_id": self.cloud_id, **self.owner._asdict()}


@dataclass(frozen=True, slots=True)
class SiteAuthenticator:
    """Signs in with an e-mail address and a token.  `gateway` is the address of Atlassian's API gateway."""

    http: Http
    gateway: str

    async def sign_in(self, service: AccountService, base_url: str, auth: tuple[str, str]) -> SignedIn:
        """Tries the site itself, then the gateway, since a token does not show which of them it is for.

        Raises `TokenRejected` if neither accepts it, `RequestRefused` with status 403 if one of them denies the
        access, `BadResponse` if the address is not an Atlassian site, and otherwise what `SiteClient` raises.
        """
        refusal: RequestRefused | TokenRejected = TokenRejected()
        cloud_id: str | None = None
        for route in ApiRoute:
            try:
                if route is ApiRoute.GATEWAY and (cloud_id := await self._cloud_id(base_url)) is None:
                    break
                return await self.sign_in_again(service, base_url, route, cloud_id, auth)
            except TokenRejected:
                continue
            except RequestRefused as error:
                if error.status in GONE_STATUSES:
                    raise BadResponse("not found at this address", error.what) from None
                refusal = error
        raise refusal

    async def sign_in_again(
        self, service: AccountService, base_url: str, route: ApiRoute, cloud_id: str | None, auth: tuple[str, str]
    ) -> SignedIn:
        """Signs in by one API; the gateway's needs the cloud id.  Raises what `SiteClient` raises."""
        root = base_url if route is ApiRoute.SITE else f"{self.gateway}/ex/{service}/{cloud_id}"
        client = SiteClient(self.http, service, route, root, auth)
        owner = await fetch_token_owner(client)
        return SignedIn(client, route, cloud_id or await self._cloud_id(base_url), owner)

    async def _cloud_id(self, base_url: str) -> str | None:
        """Returns the site's id, which is public; the request carries no token.  None if it cannot be read.

        Why it cannot be read says nothing of the token, and the request for the token's owner says more of the site.
        """
        try:
            request = HttpRequest("GET", base_url + "/_edge/tenant_info", "The site's cloud id")
            response = await self.http.send(request)
            cloud_id = get_string(response.json(request.what), "cloudId") if response.status == 200 else None
        except HttpError as error:
            log.info("%s", error)
            return None
        return cloud_id if cloud_id is not None and cloud_id.replace("-", "").isalnum() else None


async def fetch_token_owner(client: SiteClient) -> TokenOwner:
    """Returns the owner of the client's token.  Raises `TokenRejected` if the site rejects the token.

    A sync calls it before and after it trusts an empty list: unlike searches, these two endpoints reveal an anonymous
    request, by 401 and `anonymous`.
    """
    is_jira = client.service is AccountService.JIRA
    try:
        user = await client.get(_JIRA_USER if is_jira else _CONFLUENCE_USER, what="sign-in")
    except RequestRefused as refusal:
        if refusal.status == 403 and not is_jira and client.route is ApiRoute.SITE:
            # A site answers an anonymous user of Confluence as one whom it denies the access.  Jira, which accepts the
            # same tokens, distinguishes them; if the site has no Jira, this is not known.
            with suppress(RequestRefused, HttpError):
                await client.get(_JIRA_USER, what="sign-in")
        raise
    atlassian_account_id = get_string(user, "accountId")
    if atlassian_account_id is None or get_string(user, "type") == "anonymous":
        raise TokenRejected
    if not _ACCOUNT_ID.fullmatch(atlassian_account_id):  # it becomes part of queries
        raise BadResponse("the owner's profile has an unexpected structure", "The site")
    return TokenOwner(atlassian_account_id, get_string(user, "displayName"), get_string(user, "timeZone"))
