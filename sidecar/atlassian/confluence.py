"""Confluence Cloud as a `Source`: API v1 lists what has changed, since only v1 has CQL; API v2 fetches it."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from pydantic_core import from_json

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.client import RequestRefused
from sidecar.atlassian.fields import by_id, get_string, get_time_ms
from sidecar.atlassian.source import DESCRIPTION_CHARS, FetchedObject, ListedObject, SyncContext, fetch_pages, remote_id
from sidecar.clock import DAY_MS
from sidecar.feed import FeedEvent
from sidecar.json_reader import get, get_count, get_object, get_objects

SEARCH_PAGE: Final = 100
MAX_PAGE: Final = 250
"""Maximum page size of API v2."""
DAY_MARGIN: Final = timedelta(days=1)
"""A local date differs from the date in UTC by one day at most, from UTC-12 to UTC+14."""
COMMENTS_MS: Final = 30 * DAY_MS
"""How far back others' comments on the owner's pages are searched: the search lists all comments of the site."""
PATHS: Final = {"page": "pages", "blogpost": "blogposts"}
COMMENT_PATHS: Final = ("footer-comments", "inline-comments")


class ConfluenceSource:
    """One account's pages, blog posts and comments; `stored` returns those of the ids that have been read before."""

    batch_size = 50
    max_deletion_checks = 1_000
    """Pages are checked fifty at a time, comments one by one."""

    def __init__(self, context: SyncContext, stored: Callable[[Sequence[str]], set[str]]) -> None:
        self._context = context
        self._client = context.client
        self._stored = stored
        self._space_names: dict[str, str | None] = {}
        owner = context.owner
        self._user_names: dict[str, str | None] = {owner.atlassian_account_id: owner.display_name}

    async def list_changed(self, since_ms: int) -> AsyncIterator[list[ListedObject]]:
        is_watched = self._context.is_watched
        roles = ["contributor", "creator", *(("watcher", "mention") if is_watched else ())]
        by_owner = " OR ".join(f"{role} = currentUser()" for role in roles)
        cql = f"type in (page, blogpost, comment) AND ({by_owner}) AND {_changed_since(since_ms)}"
        async for page in self._search(cql):
            yield page
        if is_watched:
            recent_ms = max(since_ms, (self._client.server_ms or since_ms) - COMMENTS_MS)
            async for page in self._search(f"type = comment AND {_changed_since(recent_ms)}"):
                stored = self._stored([item.parent_id for item in page if item.parent_id is not None])
                yield [item for item in page if item.parent_id in stored]

    async def _search(self, cql: str) -> AsyncIterator[list[ListedObject]]:
        # By time of change, an object that changes during the paging would shift another past the edge of a page.
        query = f"{cql} ORDER BY created ASC"
        params = [("cql", query), ("limit", str(SEARCH_PAGE)), ("expand", "content.container")]
        async for page in self._pages("/wiki/rest/api/search", params, "search"):
            results = get_objects(page, "results")
            yield [item for result in results if (item := _listed(result)) is not None]
            if not results:  # it may link to a next page forever
                return

    async def fetch(self, listed: Sequence[ListedObject]) -> list[FetchedObject]:
        comments = [item for item in listed if _kind(item.object_id) == "comment"]
        contents = [item for item in listed if _kind(item.object_id) != "comment"]
        return [*await self._fetch_contents(contents), *await self._fetch_comments(comments)]

    async def find_missing(self, object_ids: Sequence[str]) -> set[str]:
        contents = await self._contents(object_ids)
        comments = [object_id for object_id in object_ids if _kind(object_id) == "comment"]
        found = {object_id for object_id in comments if await self._comment(remote_id(object_id)) is not None}
        return set(object_ids) - contents.keys() - found

    async def _fetch_contents(self, listed: Sequence[ListedObject]) -> list[FetchedObject]:
        contents = await self._contents([item.object_id for item in listed])
        await self._fetch_space_names(
            {space for content in contents.values() if (space := get_string(content, "spaceId")) is not None}
        )
        fetched = []
        for item in listed:
            if (content := contents.get(item.object_id)) is not None:
                kind, _, content_id = item.object_id.partition(":")
                versions = await self._versions(f"{PATHS[kind]}/{content_id}", content)
                await self._fetch_user_names(versions)
                fetched.append(FetchedObject(item, self._content_events(item.object_id, content, versions)))
        return fetched

    async def _fetch_comments(self, listed: Sequence[ListedObject]) -> list[FetchedObject]:
        comments = [
            (item, found) for item in listed if (found := await self._comment(remote_id(item.object_id))) is not None
        ]
        contents = await self._contents(sorted(filter(None, {_parent_id(comment) for _, (_, comment) in comments})))
        fetched = []
        for item, (path, comment) in comments:
            versions = await self._versions(f"{path}/{remote_id(item.object_id)}", comment)
            first = min(versions, key=lambda version: get_count(version, "number") or 0, default={})
            await self._fetch_user_names([first])
            parent = _parent_id(comment)
            kind = "page" if parent is None else _kind(parent)
            content = contents.get(parent or "", {})
            author = get_string(first, "authorId")
            events = self._context.events(
                item.object_id,
                "posted",
                f"{kind}_commented",
                get_time_ms(first, "createdAt"),
                author,
                title=get_string(content, "title") or get_string(comment, "title"),
                description=_body_text(comment) or None,
                url=self._url(comment),
                actor=self._user_names.get(author or ""),
                container_id=get_string(content, "spaceId"),
                object_id=get_string(content, "id"),
                raw={"version": get_count(comment, "version", "number") or 0},
            )
            fetched.append(FetchedObject(item, events, parent))
        return fetched

    def _content_events(self, object_id: str, content: Any, versions: Iterable[Any]) -> list[FeedEvent]:
        """Returns the events of a page or blog post: its creation is the first version, each further one is an edit.

        A version's own time decides whether it belongs in the feed: a page that was edited by another user has
        recently changed, but may have versions of the owner's that are years old.
        """
        kind, _, content_id = object_id.partition(":")
        space_id = get_string(content, "spaceId")
        base = {
            "title": get_string(content, "title"),
            "url": self._url(content),
            "container_id": space_id,
            "container": self._space_names.get(space_id or ""),
            "object_id": content_id,
        }
        events = []
        for version in versions:
            if number := get_count(version, "number"):
                author = get_string(version, "authorId")
                events += self._context.events(
                    object_id,
                    f"v{number}",
                    f"{kind}_created" if number == 1 else f"{kind}_edited",
                    get_time_ms(version, "createdAt"),
                    author,
                    actor=self._user_names.get(author or ""),
                    description=get_string(version, "message"),
                    raw={"version": number, "minor": bool(get(version, "minorEdit"))},
                    **base,
                )
        return events

    def _url(self, content: Any) -> str | None:
        """Returns the address for browsers: always the site's, since the gateway serves no pages."""
        path = get_string(content, "_links", "webui")
        return f"{self._context.base_url}/wiki{path}" if path is not None and path.startswith("/") else None

    async def _contents(self, object_ids: Sequence[str]) -> dict[str, Any]:
        """Returns the pages and blog posts among these objects, without those in the trash."""
        contents: dict[str, Any] = {}
        for kind, path in PATHS.items():
            if ids := [remote_id(object_id) for object_id in object_ids if _kind(object_id) == kind]:
                params = [("id", ",".join(ids)), ("limit", str(MAX_PAGE))]
                response = await self._client.get(f"/wiki/api/v2/{path}", params, what=path, list_name="results")
                found = by_id(get_objects(response, "results"))
                contents |= {f"{kind}:{content_id}": content for content_id, content in found.items()}
        return contents

    async def _comment(self, comment_id: str) -> tuple[str, Any] | None:
        """Returns a comment with the path of its kind, which the id does not show; None if it is deleted."""
        for path in COMMENT_PATHS:
            try:
                params = [("body-format", "atlas_doc_format")]
                comment = await self._client.get(f"/wiki/api/v2/{path}/{comment_id}", params, what="comment")
            except RequestRefused as refusal:
                if refusal.status != 404:
                    raise
            else:
                return (path, comment) if get_string(comment, "status") in (None, "current") else None
        return None

    async def _versions(self, path: str, content: Any) -> list[dict[str, Any]]:
        """Returns all versions; the only one of an unedited object is a part of it."""
        current = get_object(content, "version")
        if get_count(current, "number") == 1:
            return [dict(current)]
        versions: dict[int, dict[str, Any]] = {}
        params = [("limit", str(MAX_PAGE))]
        async for page in self._pages(f"/wiki/api/v2/{path}/versions", params, "versions"):
            versions |= {get_count(version, "number") or 0: version for version in get_objects(page, "results")}
        return list(versions.values())

    async def _pages(self, path: str, first_params: list[tuple[str, str]], what: str) -> AsyncIterator[Any]:
        async def fetch(link: str | None) -> Any:
            params = first_params if link is None else parse_qsl(urlsplit(link).query)
            return await self._client.get(path, params, what=what, list_name="results")

        async for page in fetch_pages(f"Confluence's {what}", fetch, lambda page: get_string(page, "_links", "next")):
            yield page

    async def _fetch_user_names(self, versions: Sequence[Any]) -> None:
        """Fetches the unknown names of authors, if others' events are included: a version has their ids only."""
        if not self._context.is_watched:
            return
        authors = {author for version in versions if (author := get_string(version, "authorId"))}
        if unknown := sorted(authors - self._user_names.keys()):
            body = {"accountIds": unknown[:MAX_PAGE]}
            response = await self._client.post("/wiki/api/v2/users-bulk", body, what="authors")
            users = get_objects(response, "results")
            names = {get_string(user, "accountId"): get_string(user, "displayName") for user in users}
            self._user_names |= {author: names.get(author) for author in unknown}

    async def _fetch_space_names(self, ids: set[str]) -> None:
        if unknown := sorted(ids - self._space_names.keys()):
            params = [("ids", ",".join(unknown)), ("limit", str(MAX_PAGE))]
            response = await self._client.get("/wiki/api/v2/spaces", params, what="spaces", list_name="results")
            spaces = by_id(get_objects(response, "results"))
            self._space_names |= {space_id: get_string(spaces.get(space_id), "name") for space_id in unknown}


def _changed_since(since_ms: int) -> str:
    day = datetime.fromtimestamp(since_ms / 1000, UTC) - DAY_MARGIN
    return f'lastmodified >= "{day:%Y-%m-%d}"'


def _kind(object_id: str) -> str:
    return object_id.partition(":")[0]


def _body_text(comment: Any) -> str:
    """Returns the text of the body, which is an ADF document encoded in a string."""
    value = get_string(comment, "body", "atlas_doc_format", "value")
    try:
        return adf_text(from_json(value or "null"), DESCRIPTION_CHARS)
    except ValueError:
        return ""


def _parent_id(comment: Any) -> str | None:
    """Returns the page or blog post that a comment belongs to: `page:65001`."""
    for kind, name in (("page", "pageId"), ("blogpost", "blogPostId")):
        if (content_id := get_string(comment, name)) is not None:
            return f"{kind}:{content_id}"
    return None


def _listed(result: Any) -> ListedObject | None:
    content_id, kind = get_string(result, "content", "id"), get_string(result, "content", "type")
    if content_id is None or kind not in (*PATHS, "comment"):
        return None
    container = get(result, "content", "container")
    container_id, container_kind = get_string(container, "id"), get_string(container, "type")
    parent = f"{container_kind}:{container_id}" if container_id and container_kind in PATHS else None
    updated, updated_ms = get_string(result, "lastModified") or "", get_time_ms(result, "lastModified")
    return ListedObject(f"{kind}:{content_id}", updated, updated_ms, parent)
