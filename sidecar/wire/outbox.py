"""Outgoing notifications: the durable log, live delivery, coalescing, and lagging clients (see the README)."""

import logging
import sqlite3
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, Protocol

from sidecar_protocol.contract import Ephemeral, Notification
from sidecar_protocol.events import EventsLag, EventsResync
from sidecar_protocol.system.progress import RequestProgress

from sidecar.clock import Clock
from sidecar.storage.database import Database
from sidecar.wire.batches import serving
from sidecar.wire.event_log import EventLog, logged_params

COALESCE_BYTES: Final = 1024 * 1024
"""Queued output above which ephemeral notifications are held back and coalesced."""
LAG_BYTES: Final = 8 * 1024 * 1024
"""Queued output above which durable notifications stay in the log only; a client replays them."""
RESUME_BYTES: Final = 512 * 1024
"""Queued output below which a client that was behind has caught up; half of COALESCE_BYTES avoids flapping."""
MAX_COALESCED_CHARS: Final = 256 * 1024
"""Longest coalesced text; beyond it the older part is dropped, and the next `offset` shows the gap."""
RETRY_S: Final = 5.0
"""Delay before the event log is read again after an error, in seconds."""
PUSH_ROWS: Final = 200
"""Rows of the log that are read at once."""
PUSH_S: Final = 0.005
"""Seconds of a loop iteration spent on sending durable notifications; a resuming client may have missed thousands."""

log = logging.getLogger(__name__)

Key = tuple[Any, ...]


class Wire(Protocol):
    """Frames notifications and queues them for the client."""

    @property
    def pending_bytes(self) -> int: ...

    @property
    def holds_notifications(self) -> bool: ...

    def notify(self, method: str, params: bytes) -> None: ...


class _State(Enum):
    LIVE = auto()
    WAITING = auto()  # ephemeral notifications wait until the client has read
    LAGGED = auto()  # durable ones are left to the log until the client has read
    UNREADABLE = auto()  # the log could not be read; a timer retries


class _Slot:
    """The newest ephemeral notification with one key, held until its rate limit allows it."""

    def __init__(self) -> None:
        self.pending: Ephemeral | None = None
        self.not_before = 0.0


class Outbox:
    """Accepts notifications from any code on the loop; never blocks."""

    def __init__(
        self,
        database: Database,
        log: EventLog,
        clock: Clock,
        *,
        request_commit: Callable[[], None],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self.log = log
        self._database = database
        self._clock = clock
        self._request_commit = request_commit
        self._call_later = call_later
        self._wire: Wire | None = None
        self._opted_out: frozenset[str] = frozenset()
        self._state = _State.LIVE
        self._last_sent = 0
        self._has_unsent = False
        self._slots: dict[Key, _Slot] = {}
        self._timer_at: float | None = None

    @property
    def lagged(self) -> bool:
        """Whether durable notifications are left to the log because the client reads too slowly."""
        return self._state is _State.LAGGED

    def notify(self, notification: Notification) -> None:
        """Sends a notification.  Call it for a durable one inside the `write` block of the change that it announces."""
        if (batch := serving.get()) is not None and notification.name != RequestProgress.name:
            batch.holds_back = True
        if isinstance(notification, Ephemeral):
            if self._wire is not None and notification.name not in self._opted_out:
                self._coalesce(notification)
            return
        with self._database.write():
            self.log.add(self._clock.now_ms(), notification.name, notification.members())
        self._has_unsent = True
        self._request_commit()

    def discard(self, kind: type[Ephemeral], *key: object) -> None:
        """Drops the unsent notification with this key: its subject has ended."""
        slot = self._slots.get((kind.name, *key))
        if slot is not None:
            slot.pending = None

    def attach(self, wire: Wire, opted_out: frozenset[str], after_seq: int) -> None:
        """Starts sending what follows `after_seq`."""
        self._wire = wire
        self._opted_out = opted_out
        self._last_sent = after_seq
        self._has_unsent = True
        self._request_commit()

    def on_commit(self, failure: sqlite3.Error | None) -> None:
        """Sends the committed events.  Those rolled back are not in the log, and so are not sent."""
        del failure
        if self._wire is None:
            return
        if self._state is _State.WAITING:
            self._state = _State.LIVE
        is_held = self._wire.holds_notifications
        self._send_ephemeral(self._wire, only=RequestProgress.name if is_held else None)
        if self._has_unsent and not is_held and self._state is not _State.UNREADABLE:
            try:
                self._send_durable(self._wire)
            except sqlite3.Error:  # a damaged file or a failing disk; responses must be sent all the same
                log.exception("cannot read the event log; retrying in %g s", RETRY_S)
                self._state = _State.UNREADABLE
                self._call_later(RETRY_S, self._retry)

    def on_written(self) -> None:
        """Resumes sending once the client has caught up; call it after queued output was written."""
        is_behind = self._state in (_State.WAITING, _State.LAGGED)
        if is_behind and self._wire is not None and self._wire.pending_bytes <= RESUME_BYTES:
            self._request_commit()

    def _retry(self) -> None:
        self._state = _State.LIVE
        self._request_commit()

    def _send_durable(self, wire: Wire) -> None:
        if self._state is _State.LAGGED:
            if wire.pending_bytes > RESUME_BYTES:
                return
            self._send_lag(wire)
        deadline = self._clock.monotonic() + PUSH_S
        while rows := self.log.after(self._last_sent, PUSH_ROWS):
            if rows[0][0] > self._last_sent + 1:
                reason = "Events were deleted from the log before they could be sent."
                wire.notify(EventsResync.name, EventsResync(reason=reason).json_bytes())
            for seq, at, method, members in rows:
                if wire.pending_bytes > LAG_BYTES:
                    self._state = _State.LAGGED
                    return
                self._last_sent = seq
                if method not in self._opted_out:
                    wire.notify(method, logged_params(seq, at, members.encode()))
            if len(rows) < PUSH_ROWS:
                break
            if self._clock.monotonic() > deadline:
                self._request_commit()  # requests are handled before the next part is sent
                return
        self._has_unsent = False

    def _send_lag(self, wire: Wire) -> None:
        """Leaves everything up to now to `events.replay` and resumes live delivery after it."""
        latest = self.log.window()[1]
        missed = {"from_seq": self._last_sent + 1, "to_seq": latest, "dropped": latest - self._last_sent}
        wire.notify(EventsLag.name, EventsLag(**missed).json_bytes())
        self._state = _State.LIVE
        self._last_sent = latest

    def _coalesce(self, notification: Ephemeral) -> None:
        key: Key = (notification.name, *(getattr(notification, field) for field in notification.key))
        slot = self._slots.setdefault(key, _Slot())
        slot.pending = slot.pending.followed_by(notification, MAX_COALESCED_CHARS) if slot.pending else notification
        self._request_commit()

    def _send_ephemeral(self, wire: Wire, only: str | None) -> None:
        """Sends what the rate limits allow; those of one name, or all if it is None.

        Pending text ignores its limit when a durable notification follows, since that may announce the finished text.
        """
        if wire.pending_bytes > COALESCE_BYTES:
            if self._state is _State.LIVE:
                self._state = _State.WAITING
            return
        if not self._slots:
            return
        now = self._clock.monotonic()
        slots = {key: slot for key, slot in self._slots.items() if only in (None, key[0])}
        for key, slot in slots.items():
            pending = slot.pending
            if pending is None:
                if slot.not_before <= now:
                    del self._slots[key]
            elif slot.not_before <= now or (self._has_unsent and pending.appends is not None):
                slot.not_before = now + 1 / pending.max_per_s
                slot.pending = None
                wire.notify(pending.name, pending.json_bytes())
        if waiting := [slot.not_before for key, slot in slots.items() if key in self._slots]:
            self._wake_at(min(waiting))

    def _wake_at(self, moment: float) -> None:
        if self._timer_at is None or moment < self._timer_at:
            self._timer_at = moment
            self._call_later(max(0.0, moment - self._clock.monotonic()), self._wake)

    def _wake(self) -> None:
        self._timer_at = None
        self._request_commit()
