"""Reads given pages and comments of Confluence; requests those again that an answer leaves out or fails to return."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from sidecar.atlassian.client import UNREADABLE, RequestRefused, SiteClient
from sidecar.atlassian.fields import by_id, get_string
from sidecar.atlassian.source import ListedObject, Skips, fetch_pages, in_halves, remote_id
from sidecar.http.client import BadResponse
from sidecar.json_reader import get_count, get_object, get_objects

MAX_PAGE: Final = 250
"""Maximum page size of API v2."""
MAX_VERSION_LOOKS: Final = 100
"""Versions of a page that are looked at because the list leaves them out; the rest waits a day."""
TRASHED: Final = ("trashed", "deleted")
PATHS: Final = {"page": "pages", "blogpost": "blogposts"}
COMMENT_PATHS: Final = ("footer-comments", "inline-comments")


@dataclass(slots=True)
class FoundContents:
    """The outcome for several pages and blog posts, by object id.  Those in neither collection could not be read."""

    found: dict[str, Any] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Those that Confluence does not show even if asked for them alone, or shows in the trash."""
    unreadable: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Versions:
    """The versions of a page or comment, by number."""

    items: dict[int, dict[str, Any]]
    unread: set[int] = field(default_factory=set)
    """Numbers of versions that could not be read."""
    problem: Exception | None = None


class ConfluenceReader:
    """Reads pages, blog posts and comments for one sync."""

    def __init__(self, client: SiteClient, skips: Skips) -> None:
        self.space_names: dict[str, str | None] = {}
        self.user_names: dict[str, str | None] = {}
        self._client = client
        self._skips = skips

    async def contents(
        self, object_ids: Sequence[str], names: Mapping[str, str], removed: Collection[str] = ()
    ) -> FoundContents:
        """Returns pages and blog posts, archived ones as well.

        One that the others' answer leaves out is looked at by itself; one of `removed` is then taken for gone.
        """
        contents = FoundContents()

        async def alone(object_id: str, error: Exception | None) -> dict[str, Any]:
            self._skips.failed(error)
            return await self._content(object_id, names.get(object_id), contents)

        for kind, path in PATHS.items():

            async def fetch(some: Sequence[str], kind: str = kind, path: str = path) -> dict[str, Any]:
                params = [("id", ",".join(map(remote_id, some))), ("limit", str(MAX_PAGE))]
                found: dict[str, Any] = {}
                async for page in self.pages(f"/wiki/api/v2/{path}", params, path):
                    results = by_id(get_objects(page, "results"))
                    found |= {f"{kind}:{content_id}": content for content_id, content in results.items()}
                self._skips.succeeded()
                return found

            wanted = [object_id for object_id in object_ids if kind_of(object_id) == kind]
            found = await in_halves(wanted, fetch, alone)
            for object_id in wanted:
                if object_id not in found and object_id not in contents.gone | contents.unreadable:
                    if object_id in removed:
                        contents.gone.add(object_id)
                    else:
                        found |= await alone(object_id, None)
            contents.gone |= {object_id for object_id, content in found.items() if _is_trashed(content)}
            contents.found |= {object_id: found[object_id] for object_id in found if object_id not in contents.gone}
        return contents

    async def _content(self, object_id: str, name: str | None, contents: FoundContents) -> dict[str, Any]:
        """Looks at one page or blog post."""
        kind, _, content_id = object_id.partition(":")
        try:
            return {object_id: await self._client.get(f"/wiki/api/v2/{PATHS[kind]}/{content_id}", what=kind)}
        except UNREADABLE as error:
            if isinstance(error, RequestRefused) and error.status == 404:
                contents.gone.add(object_id)
            else:
                contents.unreadable.add(object_id)
                await self._skips.skip(object_id, name or f"{kind} {content_id}", error)
        return {}

    async def comments(self, listed: Sequence[ListedObject]) -> tuple[dict[str, tuple[str, Any]], set[str]]:
        """Returns comments by object id, each with the path of its kind, and the ids of the deleted ones."""
        found, gone = {}, set()
        for item in listed:
            try:
                comment = await self._comment(remote_id(item.object_id))
            except UNREADABLE as error:
                await self._skips.skip_part(item.object_id, label(item), error)
                continue
            self._skips.succeeded()
            if comment is None:
                gone.add(item.object_id)
            else:
                found[item.object_id] = comment
        return found, gone

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
                return None if _is_trashed(comment) else (path, comment)
        return None

    async def versions(self, path: str, content: Any, item: ListedObject, known: Collection[int]) -> Versions:
        """Returns all versions; the only one of an unedited object is a part of it.

        Known versions that the list leaves out are looked at one by one, and all of them if it cannot be read.
        """
        current = get_object(content, "version")
        newest = get_count(current, "number") or 0
        if newest == 1:
            return Versions({1: dict(current)})
        versions = Versions({newest: dict(current)} if newest else {})
        wanted = {number for number in known if number < newest}
        try:
            params = [("limit", str(MAX_PAGE))]
            async for page in self.pages(f"/wiki/api/v2/{path}/versions", params, "versions"):
                found = get_objects(page, "results")
                versions.items |= {get_count(version, "number") or 0: version for version in found}
        except UNREADABLE as error:
            versions.problem = error
            wanted = set(range(1, newest)) or {1}
        await self._look_at_versions(path, sorted(wanted - versions.items.keys(), reverse=True), versions)
        if versions.unread:
            problem = versions.problem or BadResponse("a part of the list is missing", "Confluence's versions")
            await self._skips.skip_part(item.object_id, f"The versions of {label(item)}", problem)
        return versions

    async def _look_at_versions(self, path: str, numbers: Sequence[int], versions: Versions) -> None:
        versions.unread |= set(numbers[MAX_VERSION_LOOKS:])
        for number in numbers[:MAX_VERSION_LOOKS]:
            try:
                found = await self._client.get(f"/wiki/api/v2/{path}/versions/{number}", what="version")
            except UNREADABLE as error:
                if not isinstance(error, RequestRefused) or error.status != 404:  # else it is deleted
                    versions.problem = error
                    versions.unread.add(number)
            else:
                versions.items[number] = found

    async def pages(self, path: str, first_params: list[tuple[str, str]], what: str) -> AsyncIterator[Any]:
        async def fetch(link: str | None) -> tuple[Any, str | None]:
            given = [] if link is None else parse_qsl(urlsplit(link).query)
            names = {name for name, _ in given}
            params = [*given, *(param for param in first_params if param[0] not in names)]
            return await self._client.get_page(path, params, what=what, list_name="results")

        async for page in fetch_pages(f"Confluence's {what}", "results", fetch):
            yield page

    async def fetch_user_names(self, versions: Sequence[Any]) -> None:
        authors = {author for version in versions if (author := get_string(version, "authorId"))}
        unknown = sorted(authors - self.user_names.keys())
        for start in range(0, len(unknown), MAX_PAGE):
            some = unknown[start : start + MAX_PAGE]
            users: list[dict[str, Any]] = []
            try:
                response = await self._client.post("/wiki/api/v2/users-bulk", {"accountIds": some}, what="authors")
                users = get_objects(response, "results")
            except RequestRefused as refusal:
                self._skips.warn(f"The names of authors are missing: {refusal}")
            names = {get_string(user, "accountId"): get_string(user, "displayName") for user in users}
            self.user_names |= {author: names.get(author) for author in some}

    async def fetch_space_names(self, ids: set[str]) -> None:
        unknown = sorted(ids - self.space_names.keys())
        for start in range(0, len(unknown), MAX_PAGE):
            some = unknown[start : start + MAX_PAGE]
            params = [("ids", ",".join(some)), ("limit", str(MAX_PAGE))]
            spaces: dict[str, Any] = {}
            try:
                async for page in self.pages("/wiki/api/v2/spaces", params, "spaces"):
                    spaces |= by_id(get_objects(page, "results"))
            except RequestRefused as refusal:
                self._skips.warn(f"The names of spaces are missing: {refusal}")
            self.space_names |= {space_id: get_string(spaces.get(space_id), "name") for space_id in some}


def kind_of(object_id: str) -> str:
    return object_id.partition(":")[0]


def label(item: ListedObject) -> str:
    """Returns what a warning calls an object: `page “Minutes”`, or `page 65001` if its title is unknown."""
    kind, _, content_id = item.object_id.partition(":")
    return f"{kind} {content_id}" if item.name is None else f"{kind} “{item.name}” ({content_id})"


def _is_trashed(content: Any) -> bool:
    return get_string(content, "status") in TRASHED
