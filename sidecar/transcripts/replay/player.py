"""Playing a recording: which responses and notifications are sent when a request arrives, and which without one."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

from sidecar_protocol.connection import Request
from sidecar_protocol.contract import RpcError

from sidecar.transcripts.replay.answers import Answers
from sidecar.transcripts.replay.recording import RecordedNotification, RecordedRequest, Recording


class ReplayOutput(Protocol):
    """Sends responses and notifications, of the recording or of a real sidecar."""

    def respond(self, request: Request, response: bytes, *, is_error: bool) -> None: ...

    def refuse(self, request: Request, error: RpcError) -> None: ...

    def notify(self, method: str, message: bytes) -> None: ...


class Player:
    """Plays one recording.

    Fast: a notification is sent as soon as the client has made the last request that was recorded before it.
    Otherwise: each message has its recorded delay.  Messages wait in a queue in the recorded order; one that is not yet
    due delays those behind it.
    """

    def __init__(
        self, recording: Recording, answers: Answers, output: ReplayOutput, *, is_fast: bool, is_held: bool
    ) -> None:
        """`is_held`: sends notifications only along with responses until `release` is called."""
        self._recording = recording
        self._answers = answers
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._is_fast = is_fast
        self._is_held = is_held
        self._sent = 0  # number of notifications sent or queued
        self._segment = 0  # the last segment of which something was sent
        self._timer: asyncio.TimerHandle | None = None
        self._queue: list[tuple[float, int, float, Callable[[], None]]] = []  # position, order, when due, send
        self._order = count()
        self._anchor = (0.0, self._loop.time())  # one moment, in the recording in ms and now in s

    def serve(self, request: Request, recorded: RecordedRequest, patterns: dict[bytes, object]) -> None:
        """Sends the recorded response, and the notifications around it; `patterns` are those of the request."""
        now, response = self._loop.time(), recorded.response
        is_repeated = recorded.position < self._sent or recorded.segment < self._segment  # or later than recorded
        if not is_repeated:
            self._queue_up_to(recorded.segment - 1, now)
            self._segment = recorded.segment
            self._anchor = (recorded.t, now)
        if response is not None:  # else the process died, or the recording ended
            position = math.inf if is_repeated else response.position - 0.5
            due = now if self._is_fast else now + (response.t - recorded.t) / 1000
            line = partial(self._answers.response, recorded.method, response, patterns)
            self._push(position, due, lambda: self._output.respond(request, line(), is_error=response.is_error))
        self._advance()

    def finish(self) -> None:
        """Sends the queued messages, and the notifications up to the next recorded request: the client has ended."""
        if self._segment:
            self._queue_up_to(self._recording.next_with_request(self._segment) - 1, 0)
        self._send_due(math.inf)

    def release(self) -> None:
        self._is_held = False
        self._advance()

    def unsent(self) -> tuple[int, RecordedRequest] | None:
        """Returns how many notifications wait for a request, and the request; None if none does."""
        waiting = self._recording.notifications[self._sent :] if self._is_fast else []
        count = sum(not self._recording.is_after_eof(one.segment) for one in waiting)
        segment = self._recording.next_with_request(self._segment)
        request = next((one for one in self._recording.requests if one.segment == segment), None)
        return (count, request) if count and request is not None else None

    def _push(self, position: float, due: float, send: Callable[[], None]) -> None:
        heappush(self._queue, (position, next(self._order), due, send))

    def _queue_next(self, due: float) -> None:
        notification = self._recording.notifications[self._sent]
        self._push(self._sent, due, partial(self._notify, notification))
        self._sent += 1
        self._segment = max(self._segment, notification.segment)

    def _queue_up_to(self, segment: int, due: float) -> None:
        notifications = self._recording.notifications
        while self._sent < len(notifications) and notifications[self._sent].segment <= segment:
            self._queue_next(due)

    def _advance(self) -> None:
        """Sends the messages that are due, and sets the timer for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while (pending := self._pending()) is not None and (due := self._due(pending, now)) <= now:
            self._queue_next(due)
        self._send_due(now)
        times = [] if pending is None else [self._due(pending, now)]
        times += [self._queue[0][2]] if self._queue else []
        if times:
            self._timer = self._loop.call_later(max(0.0, min(times) - now), self._advance)

    def _pending(self) -> RecordedNotification | None:
        """Returns the next notification that may be sent, if it is not after stdin's recorded end."""
        if self._sent == len(self._recording.notifications):
            return None
        pending = self._recording.notifications[self._sent]
        if self._recording.is_after_eof(pending.segment) or (self._is_held and pending.segment > self._segment):
            return None
        is_next = pending.segment < self._recording.next_with_request(self._segment)
        return pending if is_next or not self._is_fast else None

    def _due(self, notification: RecordedNotification, now: float) -> float:
        if self._is_fast:
            return now
        recorded, actual = self._anchor
        return actual + max(0.0, notification.t - recorded) / 1000

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][2] <= now:
            heappop(self._queue)[3]()

    def _notify(self, notification: RecordedNotification) -> None:
        self._output.notify(notification.message["method"], self._answers.notification(notification))
