"""Playing a recording: which answers and notifications are sent when a request arrives, and which without one.

Notifications keep their recorded order.  Those recorded before a request are sent before its answer, those after it
before the next request.  Without a further request, the notifications ahead are sent one segment at a time to an idle
client (`FastPlayer`), or at the recorded times (`PacedPlayer`).  `--wait-for` holds them back until `release`.
"""

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
from sidecar.transcripts.replay.recording import RecordedAnswer, RecordedNotification, RecordedRequest, Recording

IDLE_S: Final = 0.05
"""A client that has sent nothing for this time, or up to twice as long, is idle."""


class Output(Protocol):
    """Sends answers and notifications."""

    def answer(self, request: Request, answer: bytes, *, is_error: bool) -> None: ...

    def notify(self, method: str, message: bytes) -> None: ...


class Player:
    """What both players share: the position in the recording, and sending."""

    def __init__(
        self, recording: Recording, output: Output, loop: asyncio.AbstractEventLoop, *, is_held: bool = False
    ) -> None:
        """`is_held`: sends notifications only along with answers until `release` is called."""
        self.recording = recording
        self._output = output
        self._loop = loop
        self._is_held = is_held
        self._sent = 0  # number of notifications sent or queued
        self._segment = 0  # the last segment of which something was sent
        self._timer: asyncio.TimerHandle | None = None
        self._tokens: dict[int | str, int | str] = {}

    def serve(self, request: Request, recorded: RecordedRequest) -> None:
        """Answers a request as recorded, and sends the notifications around the answer."""
        raise NotImplementedError

    def finish(self) -> None:
        """Sends what is queued, and the notifications up to the next recorded request: the client sends no more."""
        raise NotImplementedError

    def release(self) -> None:
        """Ends `is_held`."""
        self._is_held = False

    def _next(self) -> RecordedNotification:
        self._sent += 1
        return self.recording.notifications.popleft()

    def _pending(self) -> RecordedNotification | None:
        """Returns the next notification read so far; None if there is none before stdin's recorded end."""
        notifications = self.recording.notifications
        is_playable = notifications and not self.recording.is_after_eof(notifications[0].segment)
        return notifications[0] if is_playable else None

    def _before_next_request(self, segment: int) -> int:
        """Returns the first segment after this one that begins with a request, or does not exist."""
        segment += 1
        while self.recording.read_segment(segment) and not self.recording.begins_with_request(segment):
            segment += 1
        return segment

    def _answer(self, request: Request, answer: RecordedAnswer) -> None:
        self._output.answer(request, answer.to_json(), is_error=answer.is_error)

    def _notify(self, notification: RecordedNotification) -> None:
        message = example(notification.message) if notification.has_patterns else notification.message
        if notification.method == "$/progress" and self._tokens:
            token = message["params"]["token"]
            message = {**message, "params": {**message["params"], "token": self._tokens.get(token, token)}}
        self._output.notify(notification.method, to_json(message))

    def _map_token(self, request: Request, recorded: RecordedRequest) -> None:
        """Remembers which progress token of the client replaces the recorded one."""
        if "_meta" not in request.params:
            return
        old, new = (one.params.get("_meta") or {} for one in (recorded, request))
        if "progress_token" in old and "progress_token" in new:
            self._tokens[old["progress_token"]] = new["progress_token"]


class FastPlayer(Player):
    """Sends everything at once, in the recorded order."""

    _last_request = 0.0

    def serve(self, request: Request, recorded: RecordedRequest) -> None:
        self._map_token(request, recorded)
        self.recording.read_segment(recorded.segment)
        is_next = recorded.position >= self._sent  # otherwise its notifications have been sent already
        if is_next:
            self._segment = max(self._segment, recorded.segment)
            self._send_up_to(recorded.segment, recorded.answer_position)
        if recorded.answer is not None:  # else the process died, or the recording ended
            self._answer(request, recorded.answer)
        if is_next:
            self._send_up_to(recorded.segment)
        self._watch_idle()

    def release(self) -> None:
        super().release()
        self._watch_idle()

    def finish(self) -> None:
        if self._sent or self._segment:
            self._send_up_to(self._before_next_request(self._segment) - 1)

    def _send_up_to(self, segment: int, position: float = math.inf) -> None:
        """Sends the notifications up to a position, but none after the segment."""
        notifications = self.recording.notifications
        while notifications and notifications[0].segment <= segment and self._sent < position:
            self._notify(self._next())

    def _watch_idle(self) -> None:
        self._last_request = self._loop.time()
        if self._timer is None and not self._is_held:  # one timer that is late costs less than one per request
            self._timer = self._loop.call_later(IDLE_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        delay: float | None = None
        if self._loop.time() - self._last_request < IDLE_S:
            delay = IDLE_S
        elif (pending := self._pending()) is not None:
            self._segment = pending.segment
            self.recording.read_segment(pending.segment)
            self._send_up_to(pending.segment)
            delay = IDLE_S
        elif self.recording.read_ahead():
            delay = 0
        if delay is not None:
            self._timer = self._loop.call_later(delay, self._on_timer)


class PacedPlayer(Player):
    """Sends everything with the recorded delays.  What is not yet due waits in the recorded order."""

    def __init__(
        self, recording: Recording, output: Output, loop: asyncio.AbstractEventLoop, *, is_held: bool = False
    ) -> None:
        super().__init__(recording, output, loop, is_held=is_held)
        self._queue: list[tuple[float, int, float, Callable[[], None]]] = []  # recorded time, order, when due, send
        self._order = count()
        self._anchor = (0.0, loop.time())  # one moment, in the recording in ms and now in s

    def serve(self, request: Request, recorded: RecordedRequest) -> None:
        self._map_token(request, recorded)
        now, answer = self._loop.time(), recorded.answer
        if recorded.segment < self._segment or recorded.position < self._sent:  # repeated, or later than recorded
            if answer is not None:
                due = now + (answer.t - recorded.t) / 1000
                self._push(math.inf, due, partial(self._answer, request, answer))
        else:
            self._queue_up_to(recorded.segment - 1, now)
            self._segment = recorded.segment
            self._anchor = (recorded.t, now)
            if answer is not None:  # else the process died, or the recording ended
                self._push(answer.t, self._due(answer.t), partial(self._answer, request, answer))
        self._advance()

    def release(self) -> None:
        super().release()
        self._advance()

    def finish(self) -> None:
        if self._segment:
            self._queue_up_to(self._before_next_request(self._segment) - 1, self._loop.time())
        self._send_due(math.inf)

    def _push(self, t: float, due: float, send: Callable[[], None]) -> None:
        heappush(self._queue, (t, next(self._order), due, send))

    def _queue_next(self, due: float) -> None:
        notification = self._next()
        self._segment = max(self._segment, notification.segment)
        self._push(notification.t, due, partial(self._notify, notification))

    def _queue_up_to(self, segment: int, due: float) -> None:
        while self.recording.notifications and self.recording.notifications[0].segment <= segment:
            self._queue_next(due)

    def _due(self, t: float) -> float:
        recorded, actual = self._anchor
        return actual + max(0.0, t - recorded) / 1000

    def _send_due(self, now: float) -> None:
        while self._queue and self._queue[0][2] <= now:
            heappop(self._queue)[3]()

    def _advance(self) -> None:
        """Sends what is due and schedules the next call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._loop.time()
        while (pending := self._playable()) is not None and (due := self._due(pending.t)) <= now:
            self._queue_next(due)
        self._send_due(now)
        times = [] if pending is None else [self._due(pending.t)]
        times += [self._queue[0][2]] if self._queue else []
        if pending is None and not self.recording.notifications and self.recording.read_ahead():
            times.append(now)
        if times:
            self._timer = self._loop.call_later(max(0.0, min(times) - now), self._advance)

    def _playable(self) -> RecordedNotification | None:
        pending = self._pending()
        is_held = pending is not None and self._is_held and pending.segment > self._segment
        return None if is_held else pending
