"""Notifications on their way out: the durable log, the live push, coalescing, and what to do with a slow host.

A durable one is written to the log in the transaction that makes it true, and pushed once that is committed.  What
the host does not read in time is not queued without end: it is told which events it missed, and replays them.
"""

import logging
import sqlite3
from collections.abc import Callable
from typing import Any, Final, Protocol

from sidecar_protocol.contract import Ephemeral, Notification
from sidecar_protocol.events import EventsLag, EventsResync

from sidecar.clock import Clock, iso
from sidecar.storage.database import Database
from sidecar.wire.event_log import PRUNE_EVERY, PRUNE_EVERY_BYTES, EventLog, logged_params

COALESCE_BYTES: Final = 1024 * 1024
"""With more than this unread, ephemeral notifications wait and merge."""
LAG_BYTES: Final = 8 * 1024 * 1024
"""With more than this unread, durable ones are left to the log."""
RESUME_BYTES: Final = 512 * 1024
"""With less than this unread, the host has caught up."""
LANE_CHARS: Final = 256 * 1024
"""A stream that merged to more than this starts anew; its offset shows the gap."""

UNREADABLE_S: Final = 5.0
"""When the event log could not be read, it is tried again after this."""
PUSH_ROWS: Final = 200
PUSH_S: Final = 0.005
"""What a turn may spend on sending durable notifications; a host that resumes may have missed thousands."""

log = logging.getLogger(__name__)

Key = tuple[Any, ...]


class Wire(Protocol):
    """Where framed notifications go."""

    @property
    def unread_bytes(self) -> int: ...

    @property
    def notifications_held(self) -> bool: ...

    def notify(self, method: str, params: bytes) -> None: ...


class _Lane:
    """The newest of the ephemeral notifications with one key, until the rate allows it out."""

    __slots__ = ("not_before", "pending")

    def __init__(self) -> None:
        self.pending: Ephemeral | None = None
        self.not_before = 0.0


class Outbox:
    """Takes notifications from anywhere on the loop; never waits."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        clock: Clock,
        *,
        soon: Callable[[], None],
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.log = log
        self._database = database
        self._clock = clock
        self._soon = soon
        self._later = later
        self._wire: Wire | None = None
        self._opted_out: frozenset[str] = frozenset()
        self._pushed = 0
        self._lanes: dict[Key, _Lane] = {}
        self._timer_at: float | None = None
        self._appended = 0
        self._appended_bytes = 0
        self._has_news = False
        self._waits_for_host = False
        self._looks_again = False
        self.lagged = False

    def notify(self, notification: Notification) -> None:
        """Tell the host.  A durable one belongs inside the `write` that makes it true."""
        if isinstance(notification, Ephemeral):
            if self._wire is not None and notification.name not in self._opted_out:
                self._merge(notification)
            return
        members = notification.members()
        at = iso(self._clock.now_ms())
        with self._database.write():
            self.log.append(at, notification.name, members)
            self._appended += 1
            self._appended_bytes += len(members)
            if self._appended % PRUNE_EVERY == 0:
                self.log.prune(self._clock.now_ms(), PRUNE_EVERY * 2)
            if self._appended_bytes > PRUNE_EVERY_BYTES:
                self._appended_bytes = 0
                self.log.prune_bytes(PRUNE_EVERY * 2)
        self._has_news = True
        self._soon()

    def forget(self, kind: type[Ephemeral], *key: object) -> None:
        """Drop what still waits under this key: what it was about has ended."""
        lane = self._lanes.get((kind.name, *key))
        if lane is not None:
            lane.pending = None

    def attach(self, wire: Wire, opted_out: frozenset[str], after_seq: int | None) -> None:
        """Start pushing, first what came after `after_seq`; None: only what comes from now on."""
        self._wire = wire
        self._opted_out = opted_out
        self._pushed = self.log.window()[1] if after_seq is None else after_seq
        self._has_news = True
        self._soon()

    def settle(self, failure: sqlite3.Error | None) -> None:
        """A turn has ended: push what it made true.  What it undid is not in the log, and so is never told."""
        del failure
        if self._wire is None or self._wire.notifications_held:
            return
        self._waits_for_host = False
        self._push_ephemeral(self._wire)
        if self._has_news:
            try:
                self._push_durable(self._wire)
            except sqlite3.Error:  # a damaged file or a failing disk: answers must leave all the same
                log.exception("the event log cannot be read")
                self._has_news = False
                if not self._looks_again:
                    self._looks_again = True
                    self._later(UNREADABLE_S, self._look_again)

    def caught_up(self) -> None:
        """The host has read; call it whenever the unread bytes went down."""
        if self._waits_for_host and self._wire is not None and self._wire.unread_bytes <= RESUME_BYTES:
            self._soon()

    def _look_again(self) -> None:
        self._looks_again = False
        self._has_news = True
        self._soon()

    def _push_durable(self, wire: Wire) -> None:
        if self.lagged:
            if wire.unread_bytes > RESUME_BYTES:
                self._waits_for_host = True
                return
            self._tell_lag(wire)
        until = self._clock.monotonic() + PUSH_S
        while rows := self.log.after(self._pushed, PUSH_ROWS):
            if rows[0][0] > self._pushed + 1:
                reason = "Events were forgotten before they could be sent."
                wire.notify(EventsResync.name, EventsResync(reason=reason).json_bytes())
            for seq, at, method, members in rows:
                if wire.unread_bytes > LAG_BYTES:
                    self.lagged = self._waits_for_host = True
                    return
                self._pushed = seq
                if method not in self._opted_out:
                    wire.notify(method, logged_params(seq, at, members.encode()))
            if len(rows) < PUSH_ROWS:
                break
            if self._clock.monotonic() > until:
                self._soon()  # the rest in the next turn: requests come in between
                return
        self._has_news = False

    def _tell_lag(self, wire: Wire) -> None:
        """Everything up to now is left to `events.replay`; what comes next is pushed again."""
        latest = self.log.window()[1]
        self.lagged = False
        missed = {"from_seq": self._pushed + 1, "to_seq": latest, "dropped": latest - self._pushed}
        wire.notify(EventsLag.name, EventsLag(**missed).json_bytes())
        self._pushed = latest

    def _merge(self, notification: Ephemeral) -> None:
        key: Key = (notification.name, *(getattr(notification, field) for field in notification.key))
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
        lane.pending = lane.pending.followed_by(notification, LANE_CHARS) if lane.pending else notification
        self._soon()

    def _push_ephemeral(self, wire: Wire) -> None:
        """Text does not wait for its rate when a durable one is to follow, which may say that it is complete."""
        if wire.unread_bytes > COALESCE_BYTES:
            self._waits_for_host = True
            return
        if not self._lanes:
            return
        now = self._clock.monotonic()
        for key, lane in list(self._lanes.items()):
            pending = lane.pending
            if pending is None:
                if lane.not_before <= now:
                    del self._lanes[key]
            elif lane.not_before <= now or (self._has_news and pending.appends is not None):
                lane.not_before = now + 1 / pending.max_per_s
                lane.pending = None
                wire.notify(pending.name, pending.json_bytes())
        if self._lanes:
            self._wake_at(min(lane.not_before for lane in self._lanes.values()))

    def _wake_at(self, moment: float) -> None:
        if self._timer_at is None or moment < self._timer_at:
            self._timer_at = moment
            self._later(max(0.0, moment - self._clock.monotonic()), self._wake)

    def _wake(self) -> None:
        self._timer_at = None
        self._soon()
