"""Playing a tape: what is said when a request comes, and what when none comes.

Notifications keep their recorded place.  Those up to a request are told before it is answered, those after it up to the
next request; beyond that they come at the recorded pace, or, played fast, once the client has been silent for a moment.
A client that is slow to listen can have them held until it asks for something: `release`.
"""

import math
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Protocol

from pydantic_core import to_json
from sidecar_protocol.connection import Request
from sidecar_protocol.contract import RpcError

from sidecar.transcripts.file.patterns import example
from sidecar.transcripts.replay.tape import MAX_DETAILS, Answer, Asked, Tape, Told

IDLE_S: Final = 0.05
"""A client that says nothing for so long, or up to twice that, waits for something."""
SHUTDOWN: Final = b'{"drained":true,"cancelled_requests":0,"interrupted_jobs":0}'
"""What `shutdown` is answered with where none was recorded: any client may say it."""


class NotRecorded(RpcError):
    """No transcript has this request."""

    code = 4990  # of the stand-in only, so not in the contract


class Said(Protocol):
    """Where the answers and notifications go."""

    def answer(self, request: Request, answer: bytes, *, is_error: bool) -> None: ...

    def tell(self, method: str, message: bytes) -> None: ...


class Timer(Protocol):
    """What `later` gives."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """The event loop, as far as it is needed."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer: ...


class Player:
    """Plays one tape.  What is to be said waits in the order of its recorded time; nothing overtakes."""

    def __init__(self, tape: Tape, said: Said, clock: Clock, *, at_recorded_pace: bool, is_held: bool = False) -> None:
        self.tape = tape
        self._is_held = is_held
        self._said = said
        self._clock = clock
        self._recorded_pace = at_recorded_pace
        self._segment = 0
        self._told = 0  # so many of the segment's notifications have their turn behind them
        self._queue: list[tuple[float, int, float, Callable[[], None]]] = []  # recorded time, order, when due, what
        self._order = count()
        self._anchor = (0.0, clock.time())  # the same moment on the tape, in ms, and now, in s
        self._due: Timer | None = None
        self._idle: Timer | None = None
        self._is_spoken_to = False  # since the last look
        self._tokens: dict[int | str, int | str] = {}

    def take(self, request: Request, asked: Asked) -> None:
        """Answer a request by the recorded one, with what was told around it."""
        if "_meta" in request.params:
            self._learn_token(request, asked)
        segment, tape = asked.segment, self.tape
        if (  # so it is with most: this is next, and all there is to say is its answer
            not self._recorded_pace
            and segment >= self._segment
            and tape.read_segment(segment)
            and (not tape.told or (not self._told and next(iter(tape.told)) > segment))
        ):
            self._segment = segment + 1
            if (answer := asked.answer) is not None:
                self._said.answer(request, answer.body, is_error=answer.is_error)
            self._go_on()
            return
        self._cancel_idle()
        now = self._clock.time()
        if asked.segment < self._segment or (asked.segment == self._segment and self._told):
            self._answer_late(request, asked)
        else:
            self._tell_up_to(asked.segment, 0)
            self._anchor = (asked.t, now)
            if not self._recorded_pace:
                in_place = asked.answered_in == asked.segment
                self._tell_up_to(*((asked.segment, asked.told_before) if in_place else (asked.segment + 1, 0)))
            if asked.answer is not None:  # else the process died, or the recording ended
                self._push(asked.answer.t, self._due_at(asked.answer.t), partial(self._answer, request, asked.answer))
            if not self._recorded_pace:
                self._tell_up_to(asked.segment + 1, 0)
        self._say_what_is_due()
        self._go_on()

    def release(self) -> None:
        """From now on go on by itself, if it was held."""
        if self._is_held:
            self._is_held = False
            self._go_on()

    def finish(self) -> None:
        """The client will say no more: say what waits, and what was told up to the next request or the end."""
        self._cancel_idle()
        if self._segment:
            self._tell_up_to(self._segment + 1, 0)
            while not self.tape.asks_in(self._segment):
                self._tell_up_to(self._segment + 1, 0)
        self._say(math.inf)

    # --- saying -------------------------------------------------------------------------------------------------

    def _push(self, t: float, due: float, say: Callable[[], None]) -> None:
        if self._recorded_pace:
            heappush(self._queue, (t, next(self._order), due, say))
        else:
            say()  # everything is due at once, and comes in its order

    def _say_what_is_due(self) -> None:
        if not self._recorded_pace:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._say(self._clock.time())
        if self._queue:
            wait = max(0.0, self._queue[0][2] - self._clock.time())
            self._due = self._clock.call_later(wait, self._say_what_is_due)

    def _say(self, now: float) -> None:
        while self._queue and self._queue[0][2] <= now:
            heappop(self._queue)[3]()

    def _answer(self, request: Request, answer: Answer) -> None:
        self._said.answer(request, answer.body, is_error=answer.is_error)

    def _answer_late(self, request: Request, asked: Asked) -> None:
        """Its place has been played: it is asked again, or was expected earlier."""
        if asked.answer is not None:
            wait = (asked.answer.t - asked.t) / 1000 if self._recorded_pace else 0.0
            due = self._clock.time() + wait
            self._push(math.inf, due, partial(self._answer, request, asked.answer))

    def _tell_up_to(self, segment: int, told: int) -> None:
        """Let all that stands before a place have its turn now."""
        now = self._clock.time()
        while self._segment <= segment and self.tape.read_segment(self._segment):
            end = told if self._segment == segment else None
            for one in self.tape.told.get(self._segment, ())[self._told : end]:
                self._push(one.t, now, partial(self._tell, one))
            if self._segment == segment:
                self._told = max(self._told, told)
                return
            self.tape.told.pop(self._segment, None)
            self._segment += 1
            self._told = 0

    def _tell(self, told: Told) -> None:
        message = to_json(example(told.entry.message)) if told.entry.has_patterns else told.entry.text
        if told.method == "$/progress" and self._tokens:
            params = told.entry.message["params"]
            token = self._tokens.get(params["token"], params["token"])
            message = to_json({**told.entry.message, "params": {**params, "token": token}})
        self._said.tell(told.method, message)

    # --- going on by itself -------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Tell the next one when its time comes, unless the client says something first."""
        if not self._recorded_pace:
            if self._is_held:
                return
            self._is_spoken_to = True
            if self._idle is None:  # one timer that is late costs less than one for each request
                self._idle = self._clock.call_later(IDLE_S, self._look_whether_idle)
        elif (place := self._next_place()) is not None:
            if self._is_held and place[0] > self._segment:
                return
            wait = self._due_at(self.tape.told[place[0]][place[1]].t) - self._clock.time()
            self._idle = self._clock.call_later(max(0.0, wait), partial(self._pass, place[0], place[1] + 1))
        elif self.tape.read_some():
            self._idle = self._clock.call_later(0, self._go_on)

    def _next_place(self) -> tuple[int, int] | None:
        """What is told next, as far as the tape is read; None where that is nothing, or the end, which waits for it."""
        for segment, told in self.tape.told.items():
            place = self._told if segment == self._segment else 0
            if place < len(told):
                return None if self.tape.has_ended_by(segment) else (segment, place)
        return None

    def _look_whether_idle(self) -> None:
        self._idle = None
        if self._is_spoken_to:
            self._is_spoken_to = False
            self._idle = self._clock.call_later(IDLE_S, self._look_whether_idle)
        elif (place := self._next_place()) is not None:
            self._pass(place[0] + 1, 0)
        elif self.tape.read_some():
            self._idle = self._clock.call_later(0, self._look_whether_idle)

    def _pass(self, segment: int, told: int) -> None:
        self._idle = None
        self._tell_up_to(segment, told)
        self._say_what_is_due()
        self._go_on()

    def _due_at(self, t: float) -> float:
        recorded, real = self._anchor
        return real + max(0.0, t - recorded) / 1000 if self._recorded_pace else real

    def _cancel_idle(self) -> None:
        if self._idle is not None and self._recorded_pace:
            self._idle.cancel()
            self._idle = None

    def _learn_token(self, request: Request, asked: Asked) -> None:
        recorded, came = (one.params.get("_meta") or {} for one in (asked, request))
        if "progress_token" in recorded and "progress_token" in came:
            self._tokens[recorded["progress_token"]] = came["progress_token"]


def not_recorded(tapes: list[Tape], method: str, params: dict[str, Any]) -> NotRecorded:
    """Why no tape has this request, with the nearest that one has."""
    nearest = [(tape, tape.nearest(method, params)) for tape in tapes]
    found = [(tape, *one) for tape, one in nearest if one is not None]
    if not found:
        like = sorted({name for tape in tapes for name in tape.methods_like(method)})
        hint = f"Recorded is {', '.join(like)}." if like else "Record it with `sidecar serve --record FILE`."
        played = ", ".join(tape.name for tape in tapes)
        return NotRecorded(f"No transcript has {method}; played: {played}.", hint=hint)
    tape, asked, paths = min(found, key=lambda one: len(one[2]))
    details = [{"path": path, "message": f"recorded: {_recorded(asked.params, path)}"} for path in paths[:MAX_DETAILS]]
    where = f"The nearest stands in {tape.name}, line {asked.line}."
    return NotRecorded(f"No transcript has {method} with these params.  {where}", details=details)


def _recorded(params: Any, path: str) -> str:
    value = params
    for name in path.split(".")[1:]:
        value = value.get(name) if type(value) is dict else None
    return to_json(value).decode()[:200]
