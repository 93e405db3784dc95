"""Confluence Cloud on loopback: CQL in the user's zone and to the minute, opaque cursors, versions, a trash."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from tests.fakes.atlassian import LOGIN, Answer, Asked, FakeSite, User, iso_stamp
from tests.fakes.queries import BadQuery, Call, Clause, parse

KINDS = {"pages": "page", "blogposts": "blogpost", "footer-comments": "comment", "inline-comments": "comment"}


@dataclass
class Content:
    """A page, a blog post or a comment; `versions` the oldest first."""

    content_id: str
    kind: str
    title: str
    versions: list[dict[str, Any]]
    on: "Content | None" = None
    inline: bool = False
    body: str = ""
    status: str = "current"
    watchers: set[str] = field(default_factory=set)
    mentions: set[str] = field(default_factory=set)

    @property
    def modified(self) -> int:
        """When its newest version was made."""
        made: int = self.versions[-1]["at"]
        return made

    def authors(self) -> set[str]:
        """All who have made a version."""
        return {one["authorId"] for one in self.versions}


class FakeConfluence:
    """One site's Confluence."""

    def __init__(self, site: FakeSite) -> None:
        self._site = site
        self.contents: dict[str, Content] = {}
        self.lag_ms = 0
        """How long the search takes to learn of a version."""
        self.skew_ms = 0
        """By how much the index's time of change is off."""
        self.largest_page = 100
        self.versions_a_page = 250
        self.ends_with_empty_page = False
        self.refuses_cursors = False
        self.repeats_cursors = False
        self.anonymous_redirects = True
        self._ids = count(65_000)

    # --- what people do -----------------------------------------------------------------------------------------

    def create(self, by: User, title: str, *, kind: str = "page", at_ms: int | None = None) -> Content:
        """A new page, or blog post."""
        return self._add(Content(str(next(self._ids)), kind, title, []), by, at_ms)

    def edit(self, content: Content, by: User, message: str = "", at_ms: int | None = None) -> None:
        """A new version of it."""
        at = self._site.now_ms() if at_ms is None else at_ms
        number = len(content.versions) + 1
        version = {"number": number, "authorId": by.account_id, "message": message, "minorEdit": False, "at": at}
        content.versions.append(version)

    def comment(
        self, on: Content, by: User, text: str, *, inline: bool = False, mentions: tuple[User, ...] = ()
    ) -> Content:
        """Say something on it."""
        made = Content(str(next(self._ids)), "comment", f"Re: {on.title}", [], on, inline, text)
        made.mentions = {one.account_id for one in mentions}
        return self._add(made, by, None)

    def edit_comment(self, comment: Content, by: User, text: str) -> None:
        """Say it otherwise."""
        comment.body = text
        self.edit(comment, by)

    def trash(self, content: Content) -> None:
        """Put it into the trash."""
        content.status = "trashed"

    def _add(self, content: Content, by: User, at_ms: int | None) -> Content:
        self.edit(content, by, at_ms=at_ms)
        self.contents[content.content_id] = content
        return content

    # --- what is asked ------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer | None:
        """See `Product`."""
        if asked.path.startswith("/wiki/api/v2/"):
            return self._v2(asked, asked.path.removeprefix("/wiki/api/v2/"))
        if asked.path == "/wiki/rest/api/user/current":
            if asked.user is None:
                return _forbidden("caller cannot access Confluence")
            person = {**asked.user.shown(), "type": "known", "timeZone": asked.user.time_zone}
            return Answer(200, person)
        return self._search(asked) if asked.path == "/wiki/rest/api/search" else None

    def _search(self, asked: Asked) -> Answer:
        if asked.user is None:
            return _forbidden("Current user not permitted to use Confluence")
        start, repeats = 0, False
        if cursor := asked.get("cursor"):
            if self.refuses_cursors:
                return Answer(400, {"statusCode": 400, "message": "XP-Search Aggregator: bad cursor"})
            start = json.loads(urlsafe_b64decode(cursor))["start"]
            repeats = self.repeats_cursors
        try:
            found = self._matching(asked.get("cql"), asked.user)
        except BadQuery as error:
            message = f"com.atlassian.confluence.api.service.exceptions.BadRequestException: {error}"
            return Answer(400, {"statusCode": 400, "data": {"authorized": True}, "message": message})
        limit = min(int(asked.get("limit", "25")), self.largest_page)
        page = found[start : start + limit]
        links = {"base": f"{self._site.url}/wiki", "context": "/wiki", "self": ""}
        end = start + len(page)
        if end < len(found) or (self.ends_with_empty_page and page):
            token = urlsafe_b64encode(json.dumps({"start": start if repeats else end}).encode()).decode()
            # The cursor stands in the middle, and everything else has to be sent along.
            more = {"next": "true", "cursor": token, "limit": limit, "cql": asked.get("cql")}
            links["next"] = "/rest/api/search?" + urlencode(more | {"expand": asked.get("expand")})
        answer = {"results": [self._result(one) for one in page], "start": start, "limit": limit, "size": len(page)}
        return Answer(200, {**answer, "_links": links})

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
            "creator": {content.versions[0]["authorId"]},
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

    def _v2(self, asked: Asked, path: str) -> Answer | None:
        if asked.user is None:
            if self.anonymous_redirects:
                return Answer(302, b"", {"Location": LOGIN, "Content-Type": "text/html"})
            return Answer(401, {"errors": [{"status": 401, "code": "UNAUTHORIZED", "title": "", "detail": None}]})
        kind, content_id, part = (*path.split("/"), "", "")[:3]
        if kind == "spaces":
            return _listed([{"id": "77", "key": "TEAM", "name": "The team"}])
        if kind == "users-bulk":
            people = {one.account_id: one for one in self._site.users.values()}
            return _listed([people[one].shown() for one in asked.body["accountIds"] if one in people])
        if kind not in KINDS:
            return None
        if not content_id:
            wanted = asked.get("id").split(",")
            there = [self.contents[one] for one in wanted if one in self.contents]
            return _listed([_whole(one) for one in there if one.kind == KINDS[kind] and one.status == "current"])
        content = self.contents.get(content_id)
        if content is None or content.kind != KINDS[kind] or content.inline is not (kind == "inline-comments"):
            return Answer(404, {"errors": [{"status": 404, "code": "NOT_FOUND", "title": "Not Found", "detail": None}]})
        return self._versions(asked, content) if part == "versions" else Answer(200, _whole(content))

    def _versions(self, asked: Asked, content: Content) -> Answer:
        start = int(asked.get("cursor", "0"))
        size = min(int(asked.get("limit", "25")), self.versions_a_page)
        newest_first = content.versions[::-1]
        links = {"base": f"{self._site.url}/wiki"}
        if start + size < len(newest_first):
            links["next"] = f"/wiki{asked.path.removeprefix('/wiki')}?" + urlencode({"cursor": start + size})
        return Answer(200, {"results": [_version(one) for one in newest_first[start : start + size]], "_links": links})


def _bound(value: Any, user: User) -> int:
    """A date in the user's zone."""
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
    first = content.versions[0]
    shown: dict[str, Any] = {"id": content.content_id, "status": content.status, "title": content.title}
    shown["version"] = _version(content.versions[-1])
    if content.on is None:
        shown |= {"spaceId": "77", "authorId": first["authorId"], "createdAt": iso_stamp(first["at"])}
        shown["_links"] = {"webui": f"/spaces/TEAM/pages/{content.content_id}"}
        return shown
    shown["pageId" if content.on.kind == "page" else "blogPostId"] = content.on.content_id
    text = {"type": "paragraph", "content": [{"type": "text", "text": content.body}]}
    value = json.dumps({"type": "doc", "version": 1, "content": [text]})
    shown["body"] = {"atlas_doc_format": {"representation": "atlas_doc_format", "value": value}}
    shown["_links"] = {"webui": f"/spaces/TEAM/pages/{content.on.content_id}?focusedCommentId={content.content_id}"}
    return shown


def _listed(results: list[dict[str, Any]]) -> Answer:
    return Answer(200, {"results": results, "_links": {}})


def _forbidden(message: str) -> Answer:
    return Answer(403, {"statusCode": 403, "message": f"com.atlassian...PermissionException: {message}"})
