"""What a sync needs of a product: Jira and Confluence each are a `Source`."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from sidecar_protocol.atlassian import AtlassianScope

from sidecar.atlassian.client import Refused
from sidecar.feed import FeedEvent
from sidecar.job_handler import JobFailed

MAX_PAGES: Final = 100_000
"""More than any site has; a server that pages without end must not keep a sync for ever."""
RESTARTS: Final = 2
"""A page token is good for some days and then refused: the list is begun anew, this often."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Something that a site's search says has changed: `issue:10001`, and when, in the search's own words."""

    object_id: str
    remote_updated: str
    at_ms: int | None
    parent: str | None = None

    @property
    def remote_id(self) -> str:
        """The id that the site knows it by."""
        return self.object_id.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Found:
    """What was read of one thing; `parent`, if given, is what it goes with."""

    listed: Listed
    events: list[FeedEvent]
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading some things: `missing` are those that the site did not show."""

    found: list[Found] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asking:
    """On whose behalf a site is asked, and for what."""

    source: str
    account_id: str
    base_url: str
    me: str
    """The owner's id at Atlassian."""
    my_name: str | None
    scope: AtlassianScope
    since_ms: int
    """What happened before is left out."""

    def prefix(self, object_id: str) -> str:
        """How the ids of its events begin."""
        return f"{self.source}:{self.account_id}:{object_id}:"

    def wants(self, *, by_me: bool, at_ms: int | None) -> bool:
        """Whether an event belongs into the feed."""
        return at_ms is not None and at_ms >= self.since_ms and (by_me or self.scope is AtlassianScope.WATCHED)


class Source(Protocol):
    """One product of one site, on one account's behalf.  Everything raises what `SiteClient` raises."""

    read_at_once: int
    """Things a `read`."""
    probes: int
    """Things that a night's search for what was deleted may look at."""

    async def begin(self, warn: Callable[[str], None]) -> None:
        """Learn what is needed to understand the rest."""

    def changed(self, lower_ms: int) -> AsyncIterator[list[Listed]]:
        """What has changed since then, page by page; some things twice, none left out."""

    async def read(self, listed: Sequence[Listed]) -> Reading:
        """The events of these things, all of them."""

    async def gone(self, object_ids: Sequence[str]) -> set[str]:
        """Those of these that the site does not show any more."""


class Pager:
    """Follows page tokens, and distrusts them: JRACLOUD-95368 has the same token come again and again."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen: set[str] = set()
        self._restarts = RESTARTS

    def follow(self, token: str) -> None:
        """Take note of a token; raises `JobFailed` where it has come before."""
        if token in self._seen or len(self._seen) >= MAX_PAGES:
            raise JobFailed(f"{self._what} did not come to an end.", kind="paging_loop", retryable=True)
        self._seen.add(token)

    def restart(self, refusal: Refused) -> None:
        """A token was refused: begin anew, or raise the refusal where that has not helped."""
        if refusal.status != 400 or not self._restarts:
            raise refusal
        self._restarts -= 1
        self._seen.clear()


Ask = Callable[[str | None], Awaitable[Any]]


async def pages(what: str, ask: Ask, next_token: Callable[[Any], str | None]) -> AsyncIterator[Any]:
    """Page after page of `ask(token)`, from the beginning again where a token has expired in between."""
    pager = Pager(what)
    token: str | None = None
    while True:
        try:
            page = await ask(token)
        except Refused as refusal:
            if token is None:
                raise
            pager.restart(refusal)
            token = None
            continue
        yield page
        token = next_token(page)
        if token is None:
            return
        pager.follow(token)
