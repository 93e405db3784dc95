"""Events: the durable log behind the notifications, and how a host that missed some catches up."""

from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict

from sidecar_protocol.contract import Ephemeral, Model, method
from sidecar_protocol.scalars import Count, Flag, OpaqueId, Seq

ReplayLimit = Annotated[int, Strict(), Field(ge=1, le=1_000, description="Events a page, 1 to 1,000.")]


class LoggedEvent(Model):
    """A durable notification as it was sent: `params` holds its `seq` and `at`."""

    method: str
    params: Any


class EventPage(Model):
    """A stretch of the event log, in order."""

    events: list[LoggedEvent]
    latest_seq: Seq
    epoch: OpaqueId
    truncated: Flag
    """True where older events have been pruned, so that some after `after_seq` are gone: fetch snapshots instead."""


class EventsLag(Ephemeral):
    """The host read too slowly: these events were not sent.  `events.replay` has them."""

    name: ClassVar[str] = "events.lag"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 1
    from_seq: Seq
    to_seq: Seq
    dropped: Count


class EventsResync(Ephemeral):
    """What the host asked to resume from is gone: fetch snapshots with the list methods."""

    name: ClassVar[str] = "events.resync"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 1
    reason: str


class Events(Protocol):
    """The event log."""

    @method("events.replay")
    async def replay(self, *, after_seq: Seq, limit: ReplayLimit = 500) -> EventPage:
        """The durable notifications after `after_seq`, oldest first.  A page ends early when it grows past 4 MiB."""
        ...
