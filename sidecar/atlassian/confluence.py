"""Confluence Cloud as a `Source`: API v1 lists what has changed, since only v1 has CQL; API v2 fetches it."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sidecar.atlassian.adf import adf_text
from sidecar.atlassian.confluence_reader import PATHS, ConfluenceReader, kind_of, label
from sidecar.atlassian.fields import get_string, get_time_ms
from sidecar.atlassian.source import (
    DESCRIPTION_CHARS,
    Fetched,
    FetchedObject,
    ListedObject,
    Looked,
    SyncContext,
    listed_again,
    remote_id,
)
from sidecar.atlassian.sync_store import SyncedObject
from sidecar.clock import DAY_MS
from sidecar.feed import FeedEvent
from sidecar.json_reader import get, get_count, get_objects, parse_json
from sidecar.text import well_formed

SEARCH_PAGE: Final = 100
DAY_MARGIN: Final = timedelta(days=1)
"""A local date differs from the date in UTC by one day at most, from UTC-12 to UTC+14."""
COMMENTS_MS: Final = 30 * DAY_MS
"""How far back others' comments on the owner's pages are searched: the search lists all comments of the site."""


class ConfluenceSource:
    """One account's pages, blog posts and comments."""

    batch_size = 50
    max_deletion_checks = 1_000
    """Pages are checked fifty at a time, comments one by one."""

    def __init__(self, context: SyncContext, stored: Callable[[Sequence[str]], Mapping[str, SyncedObject]]) -> None:
        """`stored` returns those of the objects that have been read before."""
        self._context = context
        self._client = context.client
        self._stored = stored
        self._reader = ConfluenceReader(context.client, context.skips)
        self._reader.user_names[context.owner.atlassian_account_id] = context.owner.display_name

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
                yield [item for item in page if (one := stored.get(item.parent_id or "")) and not one.is_removed]

    async def _search(self, cql: str) -> AsyncIterator[list[ListedObject]]:
        # By time of change, an object that changes during the paging would shift another past the edge of a page.
        query = f"{cql} ORDER BY created ASC"
        params = [("cql", query), ("limit", str(SEARCH_PAGE)), ("expand", "content.container")]
        async for page in self._reader.pages("/wiki/rest/api/search", params, "search"):
            yield [item for result in get_objects(page, "results") if (item := _listed(result)) is not None]

    async def fetch(self, listed: Sequence[ListedObject]) -> Fetched:
        fetched = Fetched()
        stored = self._stored([item.object_id for item in listed])
        contents = [item for item in listed if kind_of(item.object_id) != "comment"]
        labels = {item.object_id: label(item) for item in contents}
        found = await self._reader.contents(list(labels), labels)
        fetched.gone |= found.gone
        await self._reader.fetch_space_names(
            {space for content in found.found.values() if (space := get_string(content, "spaceId")) is not None}
        )
        for item in contents:
            if (content := found.found.get(item.object_id)) is not None:
                fetched.objects.append(await self._fetch_content(item, content, stored.get(item.object_id)))
        comments = [item for item in listed if kind_of(item.object_id) == "comment"]
        await self._fetch_comments(comments, stored, fetched)
        return fetched

    async def look(self, objects: Sequence[SyncedObject]) -> Looked:
        names = {item.object_id: f"{kind_of(item.object_id)} {remote_id(item.object_id)}" for item in objects}
        removed = {item.object_id for item in objects if item.is_removed}
        contents = await self._reader.contents([one for one in names if kind_of(one) != "comment"], names, removed)
        comments = [ListedObject(one, "", None, name=names[one]) for one in names if kind_of(one) == "comment"]
        found, gone = await self._reader.comments(comments)
        parents = {object_id: _parent_id(comment) for object_id, (_, comment) in found.items()}
        parent_contents = await self._reader.contents(sorted(filter(None, set(parents.values()))), {})
        gone |= {object_id for object_id, parent in parents.items() if parent in parent_contents.gone}
        seen = contents.found | {one: comment for one, (_, comment) in found.items() if one not in gone}
        there = {
            item.object_id: replace(listed_again(item), shown_as=self._url(seen[item.object_id]))
            for item in objects
            if item.object_id in seen
        }
        return Looked(there, contents.gone | gone)

    async def _fetch_content(self, item: ListedObject, content: Any, stored: SyncedObject | None) -> FetchedObject:
        kind, _, content_id = item.object_id.partition(":")
        suffixes = () if stored is None else stored.event_suffixes
        known = {int(suffix[1:]) for suffix in suffixes if suffix.startswith("v") and suffix[1:].isdecimal()}
        versions = await self._reader.versions(f"{PATHS[kind]}/{content_id}", content, item, known)
        await self._fetch_user_names(list(versions.items.values()))
        events = self._content_events(item.object_id, content, versions.items.values())
        kept = [f"v{number}" for number in versions.unread & known]
        return FetchedObject(item, events, shown_as=self._url(content), kept=kept, is_complete=not versions.unread)

    async def _fetch_comments(
        self, listed: Sequence[ListedObject], stored: Mapping[str, SyncedObject], fetched: Fetched
    ) -> None:
        comments, gone = await self._reader.comments(listed)
        fetched.gone |= gone
        parents = sorted(filter(None, {_parent_id(comment) for _, comment in comments.values()}))
        contents = await self._reader.contents(parents, {})
        for item in listed:
            if item.object_id not in comments:
                continue
            path, comment = comments[item.object_id]
            parent = _parent_id(comment)
            if parent in contents.gone:
                fetched.gone.add(item.object_id)
                continue
            versions = await self._reader.versions(f"{path}/{remote_id(item.object_id)}", comment, item, set())
            if versions.unread or (parent in contents.unreadable and item.object_id in stored):
                continue  # what the feed has of it stays
            first = min(versions.items.values(), key=lambda version: get_count(version, "number") or 0, default={})
            await self._fetch_user_names([first])
            events = self._comment_events(item.object_id, comment, first, contents.found.get(parent or "", {}))
            is_complete = parent not in contents.unreadable
            fetched.objects.append(
                FetchedObject(item, events, parent, shown_as=self._url(comment), is_complete=is_complete)
            )

    async def _fetch_user_names(self, versions: Sequence[Any]) -> None:
        """Fetches the unknown names of authors, if others' events are included: a version has their ids only."""
        if self._context.is_watched:
            await self._reader.fetch_user_names(versions)

    def _comment_events(self, object_id: str, comment: Any, first: Any, content: Any) -> list[FeedEvent]:
        """Returns the event of a comment: its first version says who wrote it and when."""
        author, parent = get_string(first, "authorId"), _parent_id(comment)
        return self._context.events(
            object_id,
            "posted",
            f"{'page' if parent is None else kind_of(parent)}_commented",
            get_time_ms(first, "createdAt"),
            author,
            title=get_string(content, "title") or get_string(comment, "title"),
            description=_body_text(comment, self._reader.user_names) or None,
            url=self._url(comment),
            actor=self._reader.user_names.get(author or ""),
            container_id=get_string(content, "spaceId"),
            object_id=get_string(content, "id"),
            raw={"version": get_count(comment, "version", "number") or 0},
        )

    def _content_events(self, object_id: str, content: Any, versions: Iterable[Any]) -> list[FeedEvent]:
        """Returns the events of a page or blog post: its creation is the first version, each further one is an edit.

        If a version is deleted, those after it get new numbers, so that the first one may be an edit by someone else.
        A version's own time decides whether it belongs in the feed: a page that was edited by another user has
        recently changed, but may have versions of the owner's that are years old.
        """
        kind, _, content_id = object_id.partition(":")
        space_id = get_string(content, "spaceId")
        base = {
            "title": get_string(content, "title"),
            "url": self._url(content),
            "container_id": space_id,
            "container": self._reader.space_names.get(space_id or ""),
            "object_id": content_id,
        }
        events, creator = [], get_string(content, "authorId")
        for version in versions:
            if number := get_count(version, "number"):
                author = get_string(version, "authorId")
                is_creation = number == 1 and creator in (None, author)
                events += self._context.events(
                    object_id,
                    f"v{number}",
                    f"{kind}_created" if is_creation else f"{kind}_edited",
                    get_time_ms(version, "createdAt"),
                    author,
                    actor=self._reader.user_names.get(author or ""),
                    description=get_string(version, "message"),
                    raw={"version": number, "minor": bool(get(version, "minorEdit"))},
                    **base,
                )
        return events

    def _url(self, content: Any) -> str | None:
        """Returns the address for browsers: always the site's, since the gateway serves no pages."""
        path = get_string(content, "_links", "webui")
        return f"{self._context.base_url}/wiki{path}" if path is not None and path.startswith("/") else None


def _changed_since(since_ms: int) -> str:
    day = datetime.fromtimestamp(since_ms / 1000, UTC) - DAY_MARGIN
    return f'lastmodified >= "{day:%Y-%m-%d}"'


def _body_text(comment: Any, user_names: Mapping[str, str | None]) -> str:
    """Returns the text of the body, which is an ADF document encoded in a string."""
    value = get_string(comment, "body", "atlas_doc_format", "value")
    try:
        names = {user_id: name for user_id, name in user_names.items() if name is not None}
        return adf_text(parse_json(well_formed(value or "null").encode()), DESCRIPTION_CHARS, names)
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
    title = get_string(result, "content", "title") or get_string(result, "title")
    return ListedObject(f"{kind}:{content_id}", updated, updated_ms, parent, name=title)
