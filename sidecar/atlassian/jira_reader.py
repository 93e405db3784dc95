"""Reads given issues of Jira: what one answer leaves out or fails to return is requested again, down to each item."""

import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sidecar.atlassian.client import UNREADABLE, RequestRefused, SiteClient
from sidecar.atlassian.fields import by_id, get_string
from sidecar.atlassian.source import Skips, fetch_pages, in_halves
from sidecar.json_reader import get, get_count, get_objects

Items = dict[str, dict[str, Any]]
"""Comments, worklogs or history entries by id."""

FIELDS: Final = ("summary", "project", "created", "creator", "description", "parent", "status", "comment", "worklog")
SHORT_FIELDS: Final = ("summary", "project", "created", "creator", "parent", "status")
"""Without the fields that hold texts: one of those may be why Jira cannot return the issue."""
HISTORIES_PAGE: Final = 1_000
PART_PAGE: Final = 100
"""Comments, worklogs or history entries per page."""
MAX_LOOKS: Final = 1_000
"""Single issues that a sync looks at because the others' answer leaves them out; the rest waits a day."""
MAX_PART_LOOKS: Final = 50
"""Comments or worklogs of an issue that are looked at because its list leaves them out; the rest waits a day."""
MAX_UNREADABLE_PARTS: Final = 5
"""Unreadable items of a list after which the rest of it is left out."""


@dataclass(slots=True)
class FoundIssues:
    """The outcome for several issues, by id.  Those in neither collection could not be read."""

    issues: dict[str, Any] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    """Issues that Jira does not show even if asked for them alone."""
    short: set[str] = field(default_factory=set)
    """Issues that could be read with `SHORT_FIELDS` only."""
    unreadable: set[str] = field(default_factory=set)

    def not_yet(self, ids: Sequence[str]) -> list[str]:
        """Returns those of the issues about which nothing is known yet."""
        return [one for one in ids if one not in self.issues and one not in self.gone and one not in self.unreadable]


@dataclass(slots=True)
class Parts:
    """The comments, worklogs or history entries of an issue."""

    items: Items
    gone: set[str] = field(default_factory=set)
    """Known ones that a look at them has shown to be deleted; others that are missing here stay in the feed."""
    is_complete: bool = True
    """Whether all of the list was read; otherwise the daily sync reads it again."""

    def left_out(self, known: Iterable[str]) -> list[str]:
        """Returns those of the known ones that are missing without being deleted."""
        return [one for one in known if one not in self.items and one not in self.gone]


class IssueReader:
    """Reads issues for one sync; `names` are what people call them, by id: `PROJ-7`."""

    def __init__(self, client: SiteClient, skips: Skips) -> None:
        self._client = client
        self._skips = skips
        self._looks_left = MAX_LOOKS
        self._missing_lists: set[str] = set()

    async def read(
        self, ids: Sequence[str], fields: Sequence[str], names: Mapping[str, str], removed: Collection[str] = ()
    ) -> FoundIssues:
        """Returns issues.  One of `removed` is gone if the others' answer leaves it out, without a look at it."""
        found = FoundIssues()

        async def fetch(some: Sequence[str]) -> dict[str, Any]:
            body = {"issueIdsOrKeys": list(some), "fields": list(fields)}
            response = await self._client.post("/rest/api/3/issue/bulkfetch", body, what="issues", list_name="issues")
            self._skips.succeeded()
            return by_id(get_objects(response, "issues"))

        async def alone(issue_id: str, error: Exception | None) -> dict[str, Any]:
            self._skips.failed(error)
            return await self._read_alone(issue_id, fields, names, found)

        found.issues = await in_halves(ids, fetch, alone)
        left_out = [one for one in ids if one not in found.issues]
        found.gone |= {one for one in left_out if one in removed}
        # Jira reports issues that it could not return at once (`issueErrors`), and leaves others out without a word.
        found.issues |= await in_halves(found.not_yet(left_out), fetch, alone)
        for issue_id in found.not_yet(left_out):
            found.issues |= await alone(issue_id, None)
        return found

    async def _read_alone(
        self, issue_id: str, fields: Sequence[str], names: Mapping[str, str], found: FoundIssues
    ) -> dict[str, Any]:
        name = names.get(issue_id) or f"Issue {issue_id}"
        if self._looks_left == 0:
            found.unreadable.add(issue_id)
            self._skips.left_out(f"issue:{issue_id}", f"{name} was left out of Jira's answer")
            return {}
        self._looks_left -= 1
        for wanted in (fields, SHORT_FIELDS):
            try:
                params = [("fields", ",".join(wanted))]
                issue = await self._client.get(f"/rest/api/3/issue/{issue_id}", params, what="issue")
            except UNREADABLE as error:
                if isinstance(error, RequestRefused) and error.status == 404:
                    found.gone.add(issue_id)
                    return {}
                problem = error
            else:
                if wanted is not fields:
                    found.short.add(issue_id)
                    await self._skips.skip_part(f"issue:{issue_id}", f"The whole of {name}", problem)
                return {issue_id: issue}
        found.unreadable.add(issue_id)
        await self._skips.skip(f"issue:{issue_id}", name, problem)
        return {}

    async def histories(self, ids: Sequence[str], names: Mapping[str, str]) -> defaultdict[str, Parts]:
        """Returns the history of each issue; its entries may be spread over several pages."""
        unread: dict[str, Parts] = {}

        async def fetch(some: Sequence[str]) -> dict[str, Items]:
            found: defaultdict[str, Items] = defaultdict(dict)
            body = {"issueIdsOrKeys": list(some), "maxResults": HISTORIES_PAGE}
            async for page in fetch_by_token(
                self._client, "/rest/api/3/changelog/bulkfetch", body, "issueChangeLogs", "histories"
            ):
                for log in get_objects(page, "issueChangeLogs"):
                    found[get_string(log, "issueId") or ""] |= by_id(get_objects(log, "changeHistories"))
            self._skips.succeeded()
            return found

        async def alone(issue_id: str, error: Exception | None) -> dict[str, Items]:
            self._skips.failed(error)
            unread[issue_id] = await self.history(issue_id, names.get(issue_id, ""))
            return {}

        found = await in_halves(ids, fetch, alone)
        return defaultdict(lambda: Parts({}), {one: Parts(items) for one, items in found.items()} | unread)

    async def history(self, issue_id: str, name: str) -> Parts:
        """Returns the history of one issue."""
        return await self._list(issue_id, name, "changelog", "values", "history") or Parts({})

    async def parts(self, issue: Any, issue_id: str, field_name: str, name: str, stored: Collection[str]) -> Parts:
        """Returns an issue's comments or worklogs: `field_name` is `comment` or `worklog`, `stored` the known ids.

        An issue embeds only the first of them, up to an undocumented limit, so their number is compared with the
        total.  A list that leaves out a known one is not believed: that one is looked at by itself.
        """
        list_name = f"{field_name}s"
        embedded, total = get(issue, "fields", field_name, list_name), get_count(issue, "fields", field_name, "total")
        if isinstance(embedded, list) and total is not None and len(embedded) >= total:
            parts = Parts(by_id(get_objects(issue, "fields", field_name, list_name)))
        elif embedded is None and field_name in self._missing_lists:
            return Parts({})
        elif (listed := await self._list(issue_id, name, field_name, list_name, list_name)) is not None:
            parts = listed
        else:
            if embedded is None:  # such as worklogs of a site without time tracking
                self._missing_lists.add(field_name)
            return Parts({})
        if parts.is_complete:
            missing = [one for one in stored if one not in parts.items]
            parts.is_complete = len(missing) <= MAX_PART_LOOKS
            for part_id in missing[:MAX_PART_LOOKS]:
                await self._look_at_part(f"/rest/api/3/issue/{issue_id}/{field_name}/{part_id}", part_id, parts)
        return parts

    async def _look_at_part(self, path: str, part_id: str, parts: Parts) -> None:
        try:
            parts.items[part_id] = await self._client.get(path, what="comment or worklog")
        except UNREADABLE as error:
            if isinstance(error, RequestRefused) and error.status == 404:
                parts.gone.add(part_id)
            else:
                parts.is_complete = False

    async def _list(self, issue_id: str, name: str, part: str, list_name: str, what: str) -> Parts | None:
        """Returns a list of an issue; None if there is no such list, or no such issue any more."""
        listing = _OffsetList(self._client, f"/rest/api/3/issue/{issue_id}/{part}", list_name, what)
        try:
            await listing.read(0, sys.maxsize)
        except RequestRefused as refusal:
            if refusal.status == 404:
                return None
            listing.errors.append(refusal)
        label = f"The {what} of {name or f'issue {issue_id}'}"
        if listing.errors:
            await self._skips.skip_part(f"issue:{issue_id}", label, listing.errors[0])
        elif listing.count < listing.total:
            self._skips.left_out(f"issue:{issue_id}", f"{label} could not be read completely")
        else:
            self._skips.succeeded()
        return Parts(listing.items, is_complete=listing.count >= listing.total and not listing.errors)


@dataclass(slots=True)
class _OffsetList:
    """A list that is paged by offsets.  A page that cannot be read is cut down to the items that cannot."""

    client: SiteClient
    path: str
    list_name: str
    what: str
    items: Items = field(default_factory=dict)
    count: int = 0
    """Number of items that were returned, usable or not."""
    total: int = 1
    errors: list[Exception] = field(default_factory=list)
    """The errors of single items."""

    async def read(self, start: int, end: int) -> None:
        """Reads from offset `start` to `end`, or to the end of the list.  Raises a refusal of the whole list."""
        while start < min(end, self.total) and not self._is_hopeless():
            size = min(end - start, PART_PAGE)
            params = [("startAt", str(start)), ("maxResults", str(size))]
            try:
                response = await self.client.get(self.path, params, what=self.what, list_name=self.list_name)
            except UNREADABLE as error:
                if isinstance(error, RequestRefused) and error.status != 400:
                    raise
                self.total = max(self.total, end if end < sys.maxsize else start + size)
                if size == 1:
                    self.errors.append(error)
                    start += 1
                else:
                    middle = start + size // 2
                    await self.read(start, middle)
                    start = middle
                continue
            page = get_objects(response, self.list_name)
            self.items |= by_id(page)
            self.count += len(page)
            total = get_count(response, "total")
            self.total = self.count + bool(page) if total is None else total
            if not page:
                return
            start += len(page)

    def _is_hopeless(self) -> bool:
        return len(self.errors) >= (MAX_UNREADABLE_PARTS if self.items else 2)


async def fetch_by_token(
    client: SiteClient, path: str, body: Mapping[str, Any], list_name: str, what: str
) -> AsyncIterator[Any]:
    """Yields the pages of a list that is paged by `nextPageToken`."""

    async def fetch(token: str | None) -> tuple[Any, str | None]:
        token_field = {} if token is None else {"nextPageToken": token}
        page = await client.post(path, {**body, **token_field}, what=what, list_name=list_name)
        return page, get_string(page, "nextPageToken")

    async for page in fetch_pages(f"Jira's {what}", list_name, fetch):
        yield page
