"""The interface between a sync and its product; Jira and Confluence each implement `Source`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from sidecar_protocol.atlassian import AtlassianScope

from sidecar.atlassian.client import UNREADABLE, RequestRefused, SiteClient
from sidecar.atlassian.sign_in import TokenOwner, fetch_token_owner
from sidecar.atlassian.store import StoredAccount
from sidecar.atlassian.sync_store import SyncedObject
from sidecar.feed import FeedEvent
from sidecar.job_handler import JobFailed
from sidecar.json_reader import get_objects

T = TypeVar("T")

DESCRIPTION_CHARS: Final = 4_000
MAX_PAGES: Final = 100_000
"""More than any site has; a server that pages without end must not keep a sync running."""
MAX_EMPTY_PAGES: Final = 50
"""How many pages in a row may be empty.  A site filters a page by permission after the search, so that some are."""
MAX_FAILED_IN_A_ROW: Final = 20
"""How many requests for single objects may fail in a row: more is the site's fault, and the sync is tried again."""
MAX_WARNINGS: Final = 100
"""Warnings in the log of one sync."""
MAX_RESTARTS: Final = 2
"""How often a list is started over because its page token has expired, which happens after some days."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object that the site's search lists as changed: an issue, page, blog post or comment."""

    object_id: str
    """Its kind and remote id: `issue:10001`."""
    remote_updated: str
    """When it was changed, as the search formats it; compared for equality only."""
    updated_ms: int | None
    parent_id: str | None = None
    name: str | None = None
    """Its name for people, in warnings: an issue's key, a page's title."""
    shown_as: str | None = None
    """`FetchedObject.shown_as`, or None if the search does not tell."""


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """All events of one object.  If `parent_id` is deleted, so is the object."""

    listed: ListedObject
    events: list[FeedEvent]
    parent_id: str | None = None
    shown_as: str | None = None
    """An issue's key, or a page's address: it may change without a change of the object."""
    kept: Collection[str] = ()
    """Ids of stored events, without their prefix, that stay although the response leaves them out."""
    is_complete: bool = True
    """Whether everything was read; otherwise the daily sync reads it again."""
    states: Mapping[str, str | None] = field(default_factory=dict)
    """The meaning of an issue's current status by its key, for `Feed.set_issue_states`."""


@dataclass(slots=True)
class Fetched:
    """The outcome for several objects.  Those that are in neither list could not be read."""

    objects: list[FetchedObject] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Ids of objects of which a request for the object alone says that the user cannot see it."""


class Looked(NamedTuple):
    """Whether stored objects are still there.  Those in neither collection are unknown."""

    there: dict[str, ListedObject]
    """Those that are there, by id, as a search would list them now."""
    gone: set[str]
    states: Mapping[str, str | None] = {}
    """`states` of `FetchedObject`, of all objects that are there."""


class Skips:
    """Collects the objects that a sync leaves out because it cannot read them."""

    def __init__(self, client: SiteClient, warn: Callable[[str], None]) -> None:
        self.warn = warn
        """Adds a warning to the job's log."""
        self.object_ids: set[str] = set()
        """Objects that were left out at least in part."""
        self._client = client
        self._in_a_row = 0

    def succeeded(self) -> None:
        self._in_a_row = 0

    async def skip(self, object_id: str, name: str, error: Exception) -> None:
        """Warns that an object is left out.

        Raises `error` instead if it seems to be the site's fault: if many objects fail in a row, or if the site
        refuses even to tell whose token this is.
        """
        self.failed(error)
        await self._warn_of(object_id, name, error)

    async def skip_part(self, object_id: str, name: str, error: Exception) -> None:
        """Does the same for one of the lists of an object, which a site may refuse for many objects in a row."""
        if not isinstance(error, RequestRefused):
            self.failed(error)
        await self._warn_of(object_id, name, error)

    async def _warn_of(self, object_id: str, name: str, error: Exception) -> None:
        await fetch_token_owner(self._client)
        self.left_out(object_id, f"{name} could not be read: {_reason(error)}")

    def failed(self, error: Exception | None) -> None:
        """Counts a failure, and raises it if there are too many in a row."""
        if error is not None:
            self._in_a_row += 1
            if self._in_a_row > MAX_FAILED_IN_A_ROW:
                raise error

    def left_out(self, object_id: str, message: str) -> None:
        """Warns once for each object."""
        if object_id not in self.object_ids:
            self.object_ids.add(object_id)
            if len(self.object_ids) <= MAX_WARNINGS:
                self.warn(f"{message}; the next daily sync tries again.")


def _reason(error: Exception) -> str:
    return (error.message if isinstance(error, JobFailed) else str(error)).removesuffix(".")


@dataclass(frozen=True, slots=True)
class SyncContext:
    """Whose events a sync reads, and which of them it stores."""

    account: StoredAccount
    client: SiteClient
    base_url: str
    owner: TokenOwner
    since_ms: int
    """Earlier events are left out."""
    skips: Skips

    @property
    def is_watched(self) -> bool:
        """Whether others' events are stored as well as the owner's."""
        return self.account.scope == AtlassianScope.WATCHED

    def event_id_prefix(self, object_id: str) -> str:
        """Returns what the ids of the object's events begin with."""
        return f"{self.account.service}:{self.account.account_id}:{object_id}:"

    def events(
        self, object_id: str, suffix: str, event_type: str, at_ms: int | None, author_id: str | None, /, **fields: Any
    ) -> list[FeedEvent]:
        """Returns a list of the event; the list is empty if the account does not store it."""
        by_me = author_id == self.owner.atlassian_account_id
        if at_ms is None or at_ms < self.since_ms or not (by_me or self.is_watched):
            return []
        event_id = self.event_id_prefix(object_id) + suffix
        return [FeedEvent(event_id=event_id, event_type=event_type, at_ms=at_ms, by_me=by_me, **fields)]


class Source(Protocol):
    """One product at one site, for one account.  Every method raises what `SiteClient` raises."""

    batch_size: int
    """Number of objects per `fetch` or `look`."""
    max_deletion_checks: int
    """Number of objects that the daily sync may look at."""

    def list_changed(self, since_ms: int) -> AsyncIterator[list[ListedObject]]:
        """Yields pages of the objects changed since then: none is left out, some may appear twice.

        It is called first, and fetches what the other methods need.
        """

    async def fetch(self, listed: Sequence[ListedObject]) -> Fetched:
        """Returns these objects with all their events."""

    async def look(self, objects: Sequence[SyncedObject]) -> Looked:
        """Returns which of these objects the site still shows."""


def listed_again(item: SyncedObject) -> ListedObject:
    """Returns a stored object as if it had been listed without a change."""
    return ListedObject(item.object_id, item.remote_updated, None, item.parent_id, item.shown_as, item.shown_as)


def remote_id(object_id: str) -> str:
    return object_id.rpartition(":")[2]


async def in_halves(
    ids: Sequence[str],
    fetch: Callable[[Sequence[str]], Awaitable[dict[str, T]]],
    alone: Callable[[str, Exception | None], Awaitable[dict[str, T]]],
) -> dict[str, T]:
    """Returns what `fetch` returns for all ids, by id; if it fails, for each half.

    `alone` gets an id for which it fails even then, with the error.
    """
    if not ids:
        return {}
    try:
        return await fetch(ids)
    except UNREADABLE as error:
        if len(ids) == 1:
            return await alone(ids[0], error)
    middle = len(ids) // 2
    return await in_halves(ids[:middle], fetch, alone) | await in_halves(ids[middle:], fetch, alone)


async def fetch_pages(
    what: str, list_name: str, fetch: Callable[[str | None], Awaitable[tuple[Any, str | None]]]
) -> AsyncIterator[Any]:
    """Yields the pages of a list, empty ones as well.  `fetch(token)` returns a page and the token of the next one.

    Starts over if a token is refused with 400, since tokens expire.  Raises `JobFailed` if a token repeats
    (JRACLOUD-95368), or if there are more than `MAX_PAGES` pages or `MAX_EMPTY_PAGES` empty ones in a row.
    """
    seen: set[str] = set()
    restarts_left, empty_left = MAX_RESTARTS, MAX_EMPTY_PAGES
    token: str | None = None
    while True:
        try:
            page, next_token = await fetch(token)
        except RequestRefused as refusal:
            if token is None or refusal.status != 400 or not restarts_left:
                raise
            restarts_left -= 1
            seen, token = set(), None
            continue
        yield page
        empty_left = MAX_EMPTY_PAGES if get_objects(page, list_name) else empty_left - 1
        token = next_token
        if token is None:
            return
        if token in seen or len(seen) >= MAX_PAGES or not empty_left:
            raise JobFailed(f"{what}: the list does not end.", kind="paging_loop", retryable=True)
        seen.add(token)
