"""The event log, from which clients replay durable notifications that they missed."""

from typing import Annotated, Any, ClassVar, Protocol

from pydantic import Field, Strict

from sidecar_protocol.contract import Ephemeral, Model, method
from sidecar_protocol.scalars import PARAMS_OF_METHOD, WHOLE, Count, Flag, OpaqueId, Seq

ReplayLimit = Annotated[int, Strict(), Field(ge=1, le=1_000, description="Events per page, 1 to 1,000."), WHOLE]


class LoggedEvent(Model):
    """A durable notification as it was sent; `params` includes its `seq` and `at`."""

    method: str
    params: Annotated[Any, PARAMS_OF_METHOD]


class EventPage(Model):
    """A part of the event log, in order."""

    events: list[LoggedEvent]
    latest_seq: Seq
    epoch: OpaqueId
    truncated: Flag
    """Whether events after `after_seq` are missing: load the lists again.

    They were pruned, or the log never had that event, as after the database was replaced.
    """


class EventsLag(Ephemeral):
    """Events were not sent because the client reads too slowly; get them with `events.replay`."""

    name: ClassVar[str] = "events.lag"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 1
    from_seq: Seq
    to_seq: Seq
    dropped: Count


class EventsResync(Ephemeral):
    """The events since the client's last one are no longer available: load the lists again."""

    name: ClassVar[str] = "events.resync"
    key: ClassVar[tuple[str, ...]] = ()
    max_per_s: ClassVar[int] = 1
    reason: str


class Events(Protocol):
    """The event log."""

    @method("events.replay")
    async def replay(self, *, after_seq: Seq, limit: ReplayLimit = 500) -> EventPage:
        """Returns the durable notifications after `after_seq`, oldest first, in pages of at most 4 MiB."""
        ...
