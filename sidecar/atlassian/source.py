"""The interface between a sync and its product; Jira and Confluence each implement `Source`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sidecar_protocol.atlassian import AtlassianScope

from sidecar.atlassian.client import RequestRefused, SiteClient
from sidecar.atlassian.sign_in import TokenOwner
from sidecar.atlassian.store import StoredAccount
from sidecar.feed import FeedEvent
from sidecar.job_handler import JobFailed

DESCRIPTION_CHARS: Final = 4_000
MAX_PAGES: Final = 100_000
"""More than any site has; a server that pages without end must not keep a sync running."""
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


@dataclass(frozen=True, slots=True)
class FetchedObject:
    """All events of one object.  If `parent_id` is deleted, so is the object."""

    listed: ListedObject
    events: list[FeedEvent]
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class SyncContext:
    """Whose events a sync reads, and which of them it stores."""

    account: StoredAccount
    client: SiteClient
    base_url: str
    owner: TokenOwner
    since_ms: int
    """Earlier events are left out."""
    warn: Callable[[str], None]
    """Adds a warning to the job's log."""

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
    """Number of objects per `fetch` or `find_missing`."""
    max_deletion_checks: int
    """Number of objects that the daily search for deleted ones may check."""

    def list_changed(self, since_ms: int) -> AsyncIterator[list[ListedObject]]:
        """Yields pages of the objects changed since then: none is left out, some may appear twice.

        It is called first, and fetches what the other methods need.
        """

    async def fetch(self, listed: Sequence[ListedObject]) -> list[FetchedObject]:
        """Returns these objects with all their events, without those that the site no longer shows."""

    async def find_missing(self, object_ids: Sequence[str]) -> set[str]:
        """Returns those of the objects that the site no longer shows."""


def remote_id(object_id: str) -> str:
    return object_id.rpartition(":")[2]


async def fetch_pages(
    what: str, fetch: Callable[[str | None], Awaitable[Any]], next_token: Callable[[Any], str | None]
) -> AsyncIterator[Any]:
    """Yields the pages of `fetch(token)`; starts over if a token is refused with 400, since tokens expire.

    Raises `JobFailed` if a token repeats (JRACLOUD-95368) or there are more than `MAX_PAGES`.
    """
    seen: set[str] = set()
    restarts_left = MAX_RESTARTS
    token: str | None = None
    while True:
        try:
            page = await fetch(token)
        except RequestRefused as refusal:
            if token is None or refusal.status != 400 or not restarts_left:
                raise
            restarts_left -= 1
            seen, token = set(), None
            continue
        yield page
        token = next_token(page)
        if token is None:
            return
        if token in seen or len(seen) >= MAX_PAGES:
            raise JobFailed(f"{what}: the list does not end.", kind="paging_loop", retryable=True)
        seen.add(token)
