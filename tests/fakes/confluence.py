"""A fake Confluence Cloud: CQL in the user's zone and to the minute, opaque cursors, versions, a trash, an archive."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tests.fakes.atlassian import LOGIN, FakeSite, Request, Response, User, iso_stamp
from tests.fakes.queries import BadQuery, Call, Clause, parse

KINDS = {"pages": "page", "blogposts": "blogpost", "footer-comments": "comment", "inline-comments": "comment"}


@dataclass
class Content:
    """A page, a blog post or a comment; `versions` are ordered from the oldest on."""

    content_id: str
    kind: str
    title: str
    versions: list[dict[str, Any]]
    creator_id: str = ""
    created: int = 0
    on: "Content | None" = None
    inline: bool = False
    body: str = ""
    document: Any = None
    """The body as ADF, or as any other JSON; by default a paragraph of `body`."""
    status: str = "current"
    space: str = "TEAM"
    watchers: set[str] = field(default_factory=set)
    mentions: set[str] = field(default_factory=set)

    @property
    def modified(self) -> int:
        """Time of the newest version, in milliseconds."""
        made: int = self.versions[-1]["at"]
        return made

    @property
    def is_trashed(self) -> bool:
        """Whether it or its page is in the trash."""
        return {self.status, "current" if self.on is None else self.on.status} & {"trashed", "deleted"} != set()

    def authors(self) -> set[str]:
        """Returns the authors of all versions."""
        return {one["authorId"] for one in self.versions}


class FakeConfluence:
    """The Confluence of one site."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site
        self.contents: dict[str, Content] = {}
        self.lag_ms = 0
        """Delay until the search finds a version."""
        self.skew_ms = 0
        """Error of the time of change in the index."""
        self.max_page_size = 100
        self.versions_per_page = 250
        self.listed_per_page = 25
        """Number of pages or blog posts that `?id=` lists at once, whatever the limit says."""
        self.links_by_header = False
        """Whether lists of API v2 name their next page in the `Link` header only."""
        self.ends_with_empty_page = False
        self.empty_pages = 0
        """Number of empty pages before each page of the search, as sites send them after filtering by permission."""
        self.shows_trashed = False
        """Whether a request for one page returns it from the trash, too."""
        self.left_out: set[str] = set()
        """Ids of pages that `?id=` leaves out without a word."""
        self.poisoned: dict[str, int] = {}
        """The status of every response that would contain an object, by the id of the page or comment, or `ID:v2`."""
        self.refuses_cursors = False
        self.repeats_cursors = False
        self.anonymous_redirects = True
        self._ids = count(65_000)

    # --- changes by users ---------------------------------------------------------------------------------------

    def create(self, by: User, title: str, *, kind: str = "page", at_ms: int | None = None) -> Content:
        """Adds a page or blog post."""
        return self._add(Content(str(next(self._ids)), kind, title, []), by, at_ms)

    def edit(self, content: Content, by: User, message: str = "", at_ms: int | None = None) -> None:
        """Adds a version."""
        at = self._site.now_ms() if at_ms is None else at_ms
        number = len(content.versions) + 1
        if not content.versions:
            content.creator_id, content.created = by.account_id, at
        version = {"number": number, "authorId": by.account_id, "message": message, "minorEdit": False, "at": at}
        content.versions.append(version)

    def comment(
        self, on: Content, by: User, text: str, *, inline: bool = False, mentions: tuple[User, ...] = ()
    ) -> Content:
        """Adds a comment."""
        made = Content(str(next(self._ids)), "comment", f"Re: {on.title}", [], on=on, inline=inline, body=text)
        made.mentions = {one.account_id for one in mentions}
        return self._add(made, by, None)

    def edit_comment(self, comment: Content, by: User, text: str) -> None:
        """Changes a comment."""
        comment.body = text
        self.edit(comment, by)

    def trash(self, content: Content) -> None:
        """Moves it to the trash; setting the status back to `current` restores it, which is no change of its own."""
        content.status = "trashed"

    def delete_version(self, content: Content, number: int) -> None:
        """Deletes a version; those after it get new numbers."""
        del content.versions[number - 1]
        for at, version in enumerate(content.versions, 1):
            version["number"] = at

    def _add(self, content: Content, by: User, at_ms: int | None) -> Content:
        self.edit(content, by, at_ms=at_ms)
        self.contents[content.content_id] = content
        return content

    # --- requests -----------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Response | None:
        """Returns the response, or None if the path is unknown."""
        if request.path.startswith("/wiki/api/v2/"):
            return self._v2(request, request.path.removeprefix("/wiki/api/v2/"))
        if request.path == "/wiki/rest/api/user/current":
            if request.user is None:
                return _forbidden("caller cannot access Confluence")
            person = {**request.user.shown(), "type": "known", "timeZone": request.user.time_zone}
            return Response(200, person)
        return self._search(request) if request.path == "/wiki/rest/api/search" else None

    def _search(self, request: Request) -> Response:
        if request.user is None:
            return _forbidden("Current user not permitted to use Confluence")
        start, empties, repeats = 0, 0, False
        if cursor := request.get("cursor"):
            if self.refuses_cursors:
                return Response(400, {"statusCode": 400, "message": "XP-Search Aggregator: bad cursor"})
            start, empties = json.loads(urlsafe_b64decode(cursor))
            repeats = self.repeats_cursors
        try:
            found = self._matching(request.get("cql"), request.user)
        except BadQuery as error:
            message = f"com.atlassian.confluence.api.service.exceptions.BadRequestException: {error}"
            return Response(400, {"statusCode": 400, "data": {"authorized": True}, "message": message})
        limit = min(int(request.get("limit", "25")), self.max_page_size)
        is_empty = empties < self.empty_pages
        page = [] if is_empty else found[start : start + limit]
        links = {"base": f"{self._site.url}/wiki", "context": "/wiki", "self": ""}
        end = start + len(page)
        if is_empty or end < len(found) or (self.ends_with_empty_page and page):
            after = (start if repeats else end, empties + 1 if is_empty else 0)
            token = urlsafe_b64encode(json.dumps(after).encode()).decode()
            # The cursor is one of several params; the client must send all of them.
            more = {"next": "true", "cursor": token, "limit": limit, "cql": request.get("cql")}
            links["next"] = "/rest/api/search?" + urlencode(more | {"expand": request.get("expand")})
        answer = {"results": [self._result(one) for one in page], "start": start, "limit": limit, "size": len(page)}
        return Response(200, {**answer, "_links": links})

    def _matching(self, cql: str, user: User) -> list[Content]:
        query = parse(cql)
        if set(query.order) - {"created", "lastmodified"}:
            raise BadQuery("order")
        horizon = self._site.now_ms() - self.lag_ms
        known = [one for one in self.contents.values() if one.status == "current" and one.versions[0]["at"] <= horizon]
        found = [one for one in known if query.matches(partial(self._holds, one, user))]
        for name in reversed(query.order):
            found.sort(key=lambda one: one.versions[0]["at"] if name == "created" else self._indexed(one))
        return found

    def _indexed(self, content: Content) -> int:
        horizon = self._site.now_ms() - self.lag_ms
        made: int = max(one["at"] for one in content.versions if one["at"] <= horizon)
        return made + self.skew_ms

    def _holds(self, content: Content, user: User, clause: Clause) -> bool:
        if clause.field == "type":
            return content.kind in (clause.value if isinstance(clause.value, list) else [clause.value])
        if clause.field == "lastmodified" and clause.operator == ">=":
            return self._indexed(content) // 60_000 >= _bound(clause.value, user) // 60_000
        people = {
            "contributor": content.authors(),
            "creator": {content.creator_id},
            "watcher": content.watchers,
            "mention": content.mentions,
        }
        if clause.field not in people or clause.value != Call("currentuser", ()):
            raise BadQuery(clause.field)
        return user.account_id in people[clause.field]

    def _result(self, content: Content) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": content.content_id,
            "type": content.kind,
            "status": content.status,
            "title": content.title,
        }
        if content.on is not None:
            shown["container"] = {"id": content.on.content_id, "type": content.on.kind}
        at = iso_stamp(self._indexed(content))
        return {"content": shown, "title": content.title, "entityType": "content", "url": "", "lastModified": at}

    def _v2(self, request: Request, path: str) -> Response | None:
        if request.user is None:
            if self.anonymous_redirects:
                return Response(302, b"", {"Location": LOGIN, "Content-Type": "text/html"})
            return Response(401, {"errors": [{"status": 401, "code": "UNAUTHORIZED", "title": "", "detail": None}]})
        kind, content_id, part, part_id = (*path.split("/"), "", "", "")[:4]
        if kind == "spaces":
            return _listed([{"id": "77", "key": "TEAM", "name": "The team"}])
        if kind == "users-bulk":
            people = {one.account_id: one for one in self._site.users.values()}
            return _listed([people[one].shown() for one in request.body["accountIds"] if one in people])
        if kind not in KINDS:
            return None
        return self._one(request, kind, content_id, part, part_id) if content_id else self._listed(request, kind)

    def _listed(self, request: Request, kind: str) -> Response:
        statuses = ("current", "archived") if kind == "pages" else ("current",)
        wanted = [self.contents[one] for one in request.get("id").split(",") if one in self.contents]
        there = [one for one in wanted if one.kind == KINDS[kind] and one.status in statuses]
        there = [one for one in there if one.content_id not in self.left_out]
        refusal = self._refusal(one.content_id for one in there)
        return refusal or self._page(request, [_whole(one) for one in there], self.listed_per_page)

    def _one(self, request: Request, kind: str, content_id: str, part: str, part_id: str) -> Response:
        content = self.contents.get(content_id)
        if content is None or content.kind != KINDS[kind] or content.inline is not (kind == "inline-comments"):
            return _not_found()
        if content.is_trashed and not (self.shows_trashed and content.on is None):
            return _not_found()
        numbers = [one["number"] for one in content.versions if part_id in ("", str(one["number"]))]
        ids = [content_id, *(f"{content_id}:v{number}" for number in numbers if part)]
        if (refusal := self._refusal(ids)) is not None:
            return refusal
        if part != "versions":
            return Response(200, _whole(content))
        newest_first = [_version(one) for one in content.versions[::-1] if one["number"] in numbers]
        if not part_id:
            return self._page(request, newest_first, self.versions_per_page)
        return Response(200, newest_first[0]) if newest_first else _not_found()

    def _refusal(self, ids: Iterable[str]) -> Response | None:
        status = next((self.poisoned[one] for one in ids if one in self.poisoned), None)
        return None if status is None else Response(status, {"errors": [{"status": status, "code": "", "title": ""}]})

    def _page(self, request: Request, results: list[dict[str, Any]], size: int) -> Response:
        start = int(request.get("cursor", "0"))
        size = min(int(request.get("limit", "25")), size)
        links, headers = {"base": f"{self._site.url}/wiki"}, {}
        if start + size < len(results):
            link = f"{request.path}?" + urlencode({**dict(request.query), "cursor": start + size})
            links |= {} if self.links_by_header else {"next": link}
            headers = {"Link": f'<{link}>; rel="next", <{self._site.url}/wiki>; rel="base"'}
        return Response(200, {"results": results[start : start + size], "_links": links}, headers)


def _bound(value: Any, user: User) -> int:
    """Parses a date in the user's zone."""
    if not isinstance(value, str):
        raise BadQuery(str(value))
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M"):
        try:
            at = datetime.strptime(value, form).replace(tzinfo=ZoneInfo(user.time_zone))
        except ValueError:
            continue
        return round(at.timestamp() * 1000)
    raise BadQuery(value)


def _version(version: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in version.items() if name != "at"}
    return {**shown, "createdAt": iso_stamp(version["at"])}


def _whole(content: Content) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": content.content_id, "status": content.status, "title": content.title}
    shown["version"] = _version(content.versions[-1])
    if content.on is None:
        shown |= {"spaceId": "77", "authorId": content.creator_id, "createdAt": iso_stamp(content.created)}
        shown["_links"] = {"webui": f"/spaces/{content.space}/pages/{content.content_id}"}
        return shown
    shown["pageId" if content.on.kind == "page" else "blogPostId"] = content.on.content_id
    text = {"type": "paragraph", "content": [{"type": "text", "text": content.body}]}
    value = json.dumps(content.document or {"type": "doc", "version": 1, "content": [text]})
    shown["body"] = {"atlas_doc_format": {"representation": "atlas_doc_format", "value": value}}
    shown["_links"] = {"webui": f"/spaces/TEAM/pages/{content.on.content_id}?focusedCommentId={content.content_id}"}
    return shown


def _listed(results: list[dict[str, Any]]) -> Response:
    return Response(200, {"results": results, "_links": {}})


def _not_found() -> Response:
    return Response(404, {"errors": [{"status": 404, "code": "NOT_FOUND", "title": "Not Found", "detail": None}]})


def _forbidden(message: str) -> Response:
    return Response(403, {"statusCode": 403, "message": f"com.atlassian...PermissionException: {message}"})
