"""Playing a recording: which responses and notifications are sent when a request arrives, and which without one."""

import asyncio
import math
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final, Protocol

from pydantic_core import to_json
from sidecar_protocol.connection import Request

from sidecar.transcripts.file.patterns import example
from sidecar.transcripts.replay.recording import RecordedNotification, RecordedRequest, RecordedResponse, Recording

IDLE_S: Final = 0.05
"""A client that has sent nothing for this time is idle."""


class ReplayOutput(Protocol):
    """Sends responses and notifications."""

    def respond(self, request: Request, response: bytes, *, is_error: bool) -> None: ...

    def notify(self, method: str, message: bytes) -> None: ...


class Player:
    """Plays one recording: at once (fast), or with the recorded delays.

    Messages wait in a queue in the recorded order; one that is not yet due delays those behind it.
    """

    def __init__(self, recording: Recording, output: ReplayOutput, *, is_fast: bool, is_held: bool) -> None:
        """`is_held`: sends notifications only along with responses until `release` is called."""
        self.recording = recording
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._is_fast = is_fast
        self._is_held = is_held
        self._sent = 0  # number of notifications sent or queued
        self._segment = 0  # the last segment of which something was sent
        self._timer: asyncio.TimerHandle | None = None
        self._tokens: dict[int | str, int | str] = {}
        self._queue: list[tuple[float, int, float, Callable[[], None]]] = []  # position, order, when due, send
        self._order = count()
        self._anchor = (0.0, self._loop.time())  # one moment, in the recording in ms and now in s

    def serve(self, request: Request, recorded: RecordedRequest) -> None:
        self._map_token(request, recorded)
        self.recording.read_segment(recorded.segment)
        now, response = self._loop.time(), recorded.response
        is_repeated = recorded.position < self._sent or recorded.segment < self._segment  # or later than recorded
        if not is_repeated:
            self._queue_up_to(recorded.segment - 1, now)
            self._segment = recorded.segment
        if self._is_fast or not is_repeated:
            self._anchor = (recorded.t, now)
        if response is not None:  # else the process died, or the recording ended
            position = math.inf if is_repeated else response.position - 0.5
            due = now if self._is_fast else now + (response.t - recorded.t) / 1000
            self._push(position, due, partial(self._respond, request, response))
        self._advance()

    def finish(self) -> None:
        """Sends what is queued, and the notifications up to the next recorded request: the client sends no more."""
        if self._segment:
            self._queue_up_to(self.recording.next_with_request(self._segment) - 1, 0)
        self._send_due(math.inf)

    def release(self) -> None:
        self._is_held = False
        self._advance()

    def _push(self, position: float, due: float, send: Callable[[], None]) -> None:
        heappush(self._queue, (position, next(self._order), due, send))

    def _queue_next(self, due: float) -> None:
        notification = self.recording.notifications.popleft()
        self._push(self._sent, due, partial(self._notify, notification))
        self._sent += 1
        self._segment = max(self._segment, notification.segment)

    def _queue_up_to(self, segment: int, due: float) -> None:
        while self.recording.notifications and self.recording.notifications[0].segment <= segment:
            self._queue_next(due)

    def _advance(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while (pending := self._pending()) is not None and (due := self._due(pending)) <= now:
            if self._is_fast and pending.segment > self._segment:  # the next one waits until the client is idle again
                self._anchor = (pending.t, now)
                self.recording.read_segment(pending.segment)
            self._queue_next(due)
        self._send_due(now)
        times = [] if pending is None else [self._due(pending)]
        times += [self._queue[0][2]] if self._queue else []
        if pending is None and not self.recording.notifications:
            idle_at = self._anchor[1] + IDLE_S if self._is_fast else now
            if idle_at > now or self.recording.read_ahead():
                times.append(idle_at)
        if times:
            self._timer = self._loop.call_later(max(0.0, min(times) - now), self._advance)

    def _pending(self) -> RecordedNotification | None:
        """Returns the next notification that may be sent, if it has been read and is not after stdin's recorded end."""
        pending = self.recording.notifications[0] if self.recording.notifications else None
        if pending is None or self.recording.is_after_eof(pending.segment):
            return None
        return None if self._is_held and pending.segment > self._segment else pending

    def _due(self, notification: RecordedNotification) -> float:
        recorded, actual = self._anchor
        if self._is_fast:
            return actual if notification.segment <= self._segment else actual + IDLE_S
        return actual + max(0.0, notification.t - recorded) / 1000

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][2] <= now:
            heappop(self._queue)[3]()

    def _respond(self, request: Request, response: RecordedResponse) -> None:
        value = example(response.value) if response.has_patterns else response.value
        self._output.respond(request, to_json(value), is_error=response.is_error)

    def _notify(self, notification: RecordedNotification) -> None:
        message = example(notification.message) if notification.has_patterns else notification.message
        if message["method"] == "$/progress" and self._tokens:
            token = message["params"]["token"]
            message = {**message, "params": {**message["params"], "token": self._tokens.get(token, token)}}
        self._output.notify(message["method"], to_json(message))

    def _map_token(self, request: Request, recorded: RecordedRequest) -> None:
        """Remembers which progress token of the client replaces the recorded one."""
        old, new = (one.params.get("_meta") or {} for one in (recorded, request))
        if "progress_token" in old and "progress_token" in new:
            self._tokens[old["progress_token"]] = new["progress_token"]
