"""Which of a site's two doors takes a token, and whose token it is."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from sidecar_protocol.atlassian import AtlassianService

from sidecar.atlassian import shapes
from sidecar.atlassian.client import Credentials, Refused, SignedOut, SiteClient, judge
from sidecar.http.client import BadResponse, Http, HttpRequest

Route = Literal["site", "gateway"]
_ID: Final = re.compile(r"[A-Za-z0-9:._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a token belongs to."""

    atlassian_account_id: str
    display_name: str | None
    time_zone: str | None
    """In which Jira and Confluence read dates in a query that name no zone."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where a token is accepted."""

    route: Route
    cloud_id: str | None = None


class Reception:
    """Signs tokens in.  `gateway`: where those with scopes are accepted."""

    def __init__(self, http: Http, gateway: str) -> None:
        self._http = http
        self._gateway = gateway

    def client(self, service: AtlassianService, base_url: str, door: Door, credentials: Credentials) -> SiteClient:
        """The way to a site through a door."""
        root = base_url if door.route == "site" else f"{self._gateway}/ex/{service}/{door.cloud_id}"
        return SiteClient(self._http, service, root, credentials)

    async def sign_in(
        self, service: AtlassianService, base_url: str, credentials: Credentials
    ) -> tuple[SiteClient, Door, Owner]:
        """Try the site itself, then the gateway: a token does not tell which of the two it is for.

        Raises `SignedOut` if neither accepts it, what `SiteClient` raises, and `BadResponse` if it is not such a site.
        """
        refusal: Refused | SignedOut = SignedOut()
        for route in ("site", "gateway"):
            door = Door("site") if route == "site" else Door("gateway", await self._cloud_id(base_url))
            client = self.client(service, base_url, door, credentials)
            try:
                return client, door, await owner(client, service)
            except SignedOut:
                continue
            except Refused as error:
                if error.status == 404:
                    raise BadResponse("not found at this address", error.what) from None
                refusal = error if error.status != 403 else refusal
        raise refusal

    async def _cloud_id(self, base_url: str) -> str:
        """The site's id, which everybody may ask for; the token is not sent along."""
        what = "The site's cloud id"
        response = await self._http.send(HttpRequest("GET", base_url + "/_edge/tenant_info", what))
        try:
            judge(response, what)
        except Refused as refusal:
            if refusal.status == 404:
                raise BadResponse("not found at this address", "Atlassian site") from None
            raise
        cloud_id = shapes.text(response.json(), "cloudId")
        if cloud_id is None or not cloud_id.replace("-", "").isalnum():
            raise BadResponse("not found at this address", "Atlassian site")
        return cloud_id


async def owner(client: SiteClient, service: AtlassianService) -> Owner:
    """Whose token it is; raises `SignedOut` where it is nobody's any more.

    Asked before a sync trusts an empty list, and after it: these two answer nobody with 401 and `anonymous`.
    """
    if service is AtlassianService.JIRA:
        found: Any = await client.get("/rest/api/3/myself", what="sign-in")
    else:
        found = await client.get("/wiki/rest/api/user/current", what="sign-in")
    atlassian_account_id = shapes.text(found, "accountId")
    if atlassian_account_id is None or shapes.text(found, "type") == "anonymous":
        raise SignedOut
    if not _ID.fullmatch(atlassian_account_id):  # it will stand in queries
        raise BadResponse("the owner's profile has an unexpected structure", "The site")
    return Owner(atlassian_account_id, shapes.text(found, "displayName"), shapes.text(found, "timeZone"))
