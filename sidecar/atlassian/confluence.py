"""Confluence Cloud as a `Source`: what has changed by CQL, which only API v1 has; what it is by API v2.

CQL reads a date in the owner's zone, to the minute, and knows no epoch form.  So the bound is a whole day that lies
before the moment in every zone; what it brings too much has been read already, and is left out by its time of change.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sidecar_protocol.atlassian import AtlassianScope

from sidecar.atlassian.client import Refused, SiteClient
from sidecar.atlassian.confluence_events import comment_event, content_events
from sidecar.atlassian.shapes import dig, items, moment, number, text
from sidecar.atlassian.source import Asking, Found, Listed, Reading, pages
from sidecar.clock import DAY_MS
from sidecar.http.client import BadResponse

SEARCH: Final = "/wiki/rest/api/search"
SEARCH_PAGE: Final = 100
READ_ITEMS: Final = 50
VERSIONS: Final = 250
PROBES: Final = 1_000
"""Pages are asked after by the fifty, comments one by one."""
DAY_MARGIN: Final = timedelta(days=1)
"""The date of a moment differs from its date in UTC by a day at most, from UTC-12 to UTC+14."""
COMMENTS_MS: Final = 30 * DAY_MS
"""Others' comments on the owner's pages are searched for among all of the site's, so not further back than this."""
PATHS: Final = {"page": "pages", "blogpost": "blogposts"}
PLACES: Final = ("footer-comments", "inline-comments")

Params = list[tuple[str, str]]


class ConfluenceSource:
    """One account's pages, blog posts and comments; `known` tells which of these have been read before."""

    read_at_once = READ_ITEMS
    probes = PROBES

    def __init__(self, client: SiteClient, asking: Asking, known: Callable[[Sequence[str]], set[str]]) -> None:
        self._client = client
        self._asking = asking
        self._known = known
        self._spaces: dict[str, str | None] = {}
        self._names: dict[str, str | None] = {asking.me: asking.my_name}

    async def begin(self, warn: Callable[[str], None]) -> None:
        """See `Source`: nothing is needed."""

    async def changed(self, lower_ms: int) -> AsyncIterator[list[Listed]]:
        """See `Source`."""
        mine = ["contributor = currentUser()", "creator = currentUser()"]
        watched = self._asking.scope is AtlassianScope.WATCHED
        if watched:
            mine += ["watcher = currentUser()", "mention = currentUser()"]
        cql = f"type in (page, blogpost, comment) AND ({' OR '.join(mine)}) AND {_changed_since(lower_ms)}"
        async for page in self._search(cql):
            yield page
        if watched:
            recent_ms = max(lower_ms, (self._client.server_ms or lower_ms) - COMMENTS_MS)
            async for page in self._search(f"type = comment AND {_changed_since(recent_ms)}"):
                known = self._known([one.parent for one in page if one.parent is not None])
                yield [one for one in page if one.parent in known]

    async def _search(self, cql: str) -> AsyncIterator[list[Listed]]:
        """Pages of a search, in the order of creation: in that of changes, one pushes things past a page's edge."""
        first: Params = [
            ("cql", f"{cql} ORDER BY created ASC"),
            ("limit", str(SEARCH_PAGE)),
            ("expand", "content.container"),
        ]

        async def ask(following: str | None) -> Any:
            params = first if following is None else parse_qsl(urlsplit(following).query)
            return _with_results(await self._client.get(SEARCH, params, what="search"))

        def following(answer: Any) -> str | None:
            # A page without results may name a next one for ever.
            return text(answer, "_links", "next") if items(answer, "results") else None

        async for answer in pages("Confluence's search", ask, following):
            yield [listed for result in items(answer, "results") if (listed := _listed(result)) is not None]

    async def read(self, listed: Sequence[Listed]) -> Reading:
        """See `Source`."""
        reading = Reading()
        for kind in PATHS:
            await self._read_contents(kind, [one for one in listed if one.object_id.startswith(f"{kind}:")], reading)
        await self._read_comments([one for one in listed if one.object_id.startswith("comment:")], reading)
        return reading

    async def gone(self, object_ids: Sequence[str]) -> set[str]:
        """See `Source`."""
        gone = set()
        for kind in PATHS:
            asked = [one for one in object_ids if one.startswith(f"{kind}:")]
            there = await self._contents(kind, [one.rpartition(":")[2] for one in asked])
            gone |= {one for one in asked if one.rpartition(":")[2] not in there}
        for one in object_ids:
            if one.startswith("comment:") and await self._comment(one.rpartition(":")[2]) is None:
                gone.add(one)
        return gone

    async def _read_contents(self, kind: str, listed: Sequence[Listed], reading: Reading) -> None:
        contents = await self._contents(kind, [one.remote_id for one in listed])
        await self._learn_spaces({space for one in contents.values() if (space := text(one, "spaceId")) is not None})
        for one in listed:
            content = contents.get(one.remote_id)
            if content is None:
                reading.missing.append(one.object_id)
                continue
            versions = await self._versions(f"{PATHS[kind]}/{one.remote_id}", content)
            space = self._spaces.get(text(content, "spaceId") or "")
            await self._learn_names(versions)
            events = content_events(kind, content, versions, space, self._asking, self._names)
            reading.found.append(Found(one, events))

    async def _read_comments(self, listed: Sequence[Listed], reading: Reading) -> None:
        there = {one.object_id: found for one in listed if (found := await self._comment(one.remote_id)) is not None}
        on = {_stands_on(comment) for _, comment in there.values()}
        contents: dict[str, Any] = {}
        for kind in PATHS:
            ids = [name.rpartition(":")[2] for name in sorted(filter(None, on)) if name.startswith(f"{kind}:")]
            contents |= {f"{kind}:{found_id}": one for found_id, one in (await self._contents(kind, ids)).items()}
        for one in listed:
            if one.object_id not in there:
                reading.missing.append(one.object_id)
                continue
            place, comment = there[one.object_id]
            versions = await self._versions(f"{place}/{one.remote_id}", comment)
            first = min(versions, key=lambda version: number(version, "number"), default={})
            await self._learn_names([first])
            parent = _stands_on(comment)
            kind = "page" if parent is None else parent.partition(":")[0]
            event = comment_event(comment, first, kind, contents.get(parent or "", {}), self._asking, self._names)
            reading.found.append(Found(one, [] if event is None else [event], parent))

    async def _contents(self, kind: str, ids: Sequence[str]) -> dict[str, Any]:
        """Pages or blog posts by id, those in the trash left out."""
        if not ids:
            return {}
        params = [("id", ",".join(ids)), ("limit", str(VERSIONS))]
        answer = await self._client.get(f"/wiki/api/v2/{PATHS[kind]}", params, what=PATHS[kind])
        found = items(_with_results(answer), "results")
        return {content_id: content for content in found if (content_id := text(content, "id")) is not None}

    async def _comment(self, comment_id: str) -> tuple[str, Any] | None:
        """A comment and the kind of place where it stands; its id does not tell which that is."""
        for place in PLACES:
            try:
                path = f"/wiki/api/v2/{place}/{comment_id}"
                comment = await self._client.get(path, [("body-format", "atlas_doc_format")], what="comment")
            except Refused as refusal:
                if refusal.status != 404:
                    raise
            else:
                return (place, comment) if text(comment, "status") in (None, "current") else None
        return None

    async def _versions(self, path: str, content: Any) -> list[dict[str, Any]]:
        """All versions of something; of what was never edited, the one that came with it."""
        current = dig(content, "version")
        if number(current, "number") == 1:
            return [current]
        first: Params = [("limit", str(VERSIONS))]

        async def ask(following: str | None) -> Any:
            params = first if following is None else parse_qsl(urlsplit(following).query)
            answer = await self._client.get(f"/wiki/api/v2/{path}/versions", params, what="versions")
            return _with_results(answer)

        found: dict[int, dict[str, Any]] = {}
        async for answer in pages("Confluence's versions", ask, lambda answer: text(answer, "_links", "next")):
            found |= {number(version, "number"): version for version in items(answer, "results")}
        return list(found.values())

    async def _learn_names(self, versions: Sequence[Any]) -> None:
        """The names of authors whose events are wanted: a version has their id alone."""
        if self._asking.scope is AtlassianScope.MINE:
            return
        unknown = sorted({author for one in versions if (author := text(one, "authorId"))} - self._names.keys())
        if unknown:
            body = {"accountIds": unknown[:VERSIONS]}
            answer = await self._client.post("/wiki/api/v2/users-bulk", body, what="authors")
            names = {text(one, "accountId"): text(one, "displayName") for one in items(answer, "results")}
            self._names |= {author: names.get(author) for author in unknown}

    async def _learn_spaces(self, ids: set[str]) -> None:
        """The names of spaces that are not known yet."""
        unknown = sorted(ids - self._spaces.keys())
        if unknown:
            params = [("ids", ",".join(unknown)), ("limit", str(VERSIONS))]
            answer = await self._client.get("/wiki/api/v2/spaces", params, what="spaces")
            names = {text(space, "id"): text(space, "name") for space in items(_with_results(answer), "results")}
            self._spaces |= {space_id: names.get(space_id) for space_id in unknown}


def _with_results(answer: Any) -> Any:
    """The answer, if it has a list of results: what has none is no empty list."""
    if not isinstance(dig(answer, "results"), list):
        raise BadResponse("a field of the response is missing", "Confluence")
    return answer


def _changed_since(lower_ms: int) -> str:
    day = datetime.fromtimestamp(lower_ms / 1000, UTC) - DAY_MARGIN
    return f'lastmodified >= "{day:%Y-%m-%d}"'


def _stands_on(comment: Any) -> str | None:
    """The page or blog post of a comment: `page:65001`."""
    for kind, name in (("page", "pageId"), ("blogpost", "blogPostId")):
        if (content_id := text(comment, name)) is not None:
            return f"{kind}:{content_id}"
    return None


def _listed(result: Any) -> Listed | None:
    content_id, kind = text(result, "content", "id"), text(result, "content", "type")
    if content_id is None or kind not in (*PATHS, "comment"):
        return None
    container = dig(result, "content", "container")
    container_id, container_kind = text(container, "id"), text(container, "type")
    parent = f"{container_kind}:{container_id}" if container_id and container_kind in PATHS else None
    return Listed(f"{kind}:{content_id}", text(result, "lastModified") or "", moment(result, "lastModified"), parent)
