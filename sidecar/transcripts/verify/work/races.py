"""Requests that race with work: they meet it in another state than when they were recorded, or stop it on its way.

A request can also find work that goes on where it began some when it was recorded, or the other way round.  What
becomes of such work is unsettled.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ids_in
from sidecar.transcripts.verify.findings import Mismatch
from sidecar.transcripts.verify.methods import is_read, stops
from sidecar.transcripts.verify.work.received import ReceivedWork
from sidecar.transcripts.verify.work.recorded import RecordedWork
from sidecar.transcripts.verify.work.states import QUEUED, State, states_in
from sidecar.transcripts.verify.work.unsettled import Unsettled


class Exchange(NamedTuple):
    """A request with its line, the recorded answer to it and the received one."""

    line: int
    request: Any
    recorded: Any
    received: Any

    @property
    def method(self) -> Any:
        return self.request.get("method")


class Races:
    """Compares the states of work that the requests of one transcript meet with those that they met then."""

    def __init__(
        self, contract: ContractFacts, recorded: RecordedWork, received: ReceivedWork, unsettled: Unsettled
    ) -> None:
        self.stops_early = False
        """Whether work is stopped as soon as it has the status in which it was stopped when it was recorded."""
        self._contract = contract
        self._recorded = recorded
        self._received = received
        self._unsettled = unsettled
        self._at_send: dict[tuple[int, str], State] = {}
        """Maps (line of a request, recorded id) to the received state of the work when the line was sent."""
        self._doubts: dict[str, tuple[str, int]] = {}
        """(method, line) of requests that were answered as if the work had ended, by its received id."""

    def told_before(self, entry: Entry) -> float:
        """Returns the last line of which notifications must have come before a request that stops work early.

        For any other request that is infinity.
        """
        asked = [one for one in entry.objects if stops(one.get("method"))]
        if not (self.stops_early and asked):
            return math.inf
        named = (own for one in asked for own in self._recorded.named_by(one))
        return max((self._recorded.status_since(own, entry.line) for own in named), default=0)

    def send(self, entry: Entry) -> None:
        """Notes the states of what a line of requests names, as the line is sent."""
        for request in entry.objects:
            if not is_read(request.get("method")):
                for own in self._recorded.named_by(request):
                    if (state := self._received.state(own)) is not None:
                        self._at_send[entry.line, own] = state

    def see(self, message: Any, method: Any) -> list[Mismatch]:
        """Notes the states in a received message; returns the answers that they refute.

        If an answer has shown that work had ended, the next notification of it is that end.
        """
        refuted = []
        for state in self._received.see(message, method):
            asked, line = self._doubts.pop(state.id, ("", 0)) if "method" in message else ("", 0)
            if asked and state.is_live:
                what = f"{asked} was answered as if the {state.kind} {state.id} had ended, but it was {state.status}"
                refuted.append(Mismatch(line, what))
        return refuted

    def compare(self, exchanges: Iterable[Exchange], answered: int) -> bool:
        """Marks work that requests have met in another state, or have stopped on its way.

        They are those of one line, and `answered` is the line of the answer.  Returns whether anything has been marked.
        """
        marked = dict(self._unsettled.since)
        then: dict[str, State] = {}  # the states in the answers before, for requests of a batch
        now: dict[str, State] = {}
        for exchange in exchanges:
            shown_then, shown_now = self._shown(exchange)
            if not is_read(exchange.method):
                for own in self._recorded.named_by(exchange.request):
                    old = then.get(own) or self._recorded.state(own, answered)
                    new = now.get(self._received.received_id(own)) or self._received.state(own)
                    if old is None or new is None or self._unsettled.is_marked(own, exchange.line):
                        continue
                    if old.is_live or new.is_live:
                        self._compare_live(exchange, own, old, new)
                    elif old.status != new.status:
                        self._compare_ends(exchange, own)
                if len(shown_then) == len(shown_now) == 1:
                    (work_then,), (work_now,) = shown_then.values(), shown_now.values()
                    self._compare_work(exchange, work_then, work_now, answered)
            then |= shown_then
            now |= shown_now
        return self._unsettled.since != marked

    def _shown(self, exchange: Exchange) -> tuple[dict[str, State], dict[str, State]]:
        """Returns the states in the recorded answer by recorded id, and those in the received one by received id."""
        then = states_in(exchange.recorded, exchange.method, self._contract)
        now = states_in(exchange.received, exchange.method, self._contract)
        return {one.id: one for one in then}, {one.id: one for one in now}

    def _compare_live(self, exchange: Exchange, own: str, old: State, new: State) -> None:
        """Marks work that was live when the request came, in one of the two runs at least."""
        received_id = self._received.received_id(own)
        if old.status == new.status and ("error" in exchange.recorded) != ("error" in exchange.received):
            self._doubts[received_id] = exchange.method, exchange.line
            self._differ(exchange, own, "may have ended", new, old)
        else:
            shown_then, shown_now = self._shown(exchange)
            then, now = shown_then.get(own), shown_now.get(received_id)
            if then is not None and now is not None and now.status not in (then.status, new.status):
                new = now  # the answer has overtaken the notification
        if old.status != new.status:
            self._differ(exchange, own, f"was {new.status}", new, old)
        elif stops(exchange.method) and old.status != QUEUED:
            self._stop(own, exchange.line)

    def _compare_ends(self, exchange: Exchange, own: str) -> None:
        """Marks work that has ended in another way than when it was recorded, once the answer has come.

        Either it had ended before the request already, or the request has stopped it and it must end as stopped.
        """
        old, at_send = self._recorded.state(own, exchange.line), self._at_send.get((exchange.line, own))
        if old is None or at_send is None:
            return
        if old.status != at_send.status:
            self._differ(exchange, own, f"was {at_send.status}", at_send, old)
        elif old.is_live and stops(exchange.method):
            self._stop(own, exchange.line)

    def _compare_work(self, exchange: Exchange, then: State, now: State, answered: int) -> None:
        """Marks what a request names if its answers show work that it began in one of them and found in the other."""
        line, method, received_id = exchange.line, exchange.method, self._received.received_id(then.id)
        old, was_begun = self._recorded.state(then.id, answered), not self._received.is_known(now.id)
        if received_id == now.id or was_begun == (old is None) or not (then if was_begun else now).is_live:
            return
        if was_begun:
            self._unsettled.add_new([now.id])
            if (last := self._received.state(then.id)) is not None and last.is_live:
                self._doubts[received_id] = method, line  # the answer may have overtaken its end
            what = f"began the {now.kind} {now.id}; when it was recorded the {then.kind} {then.id} had not ended"
        else:
            self._received.bind(then.id, now.id)
            rest = f"when it was recorded it began the {then.kind} {then.id}"
            what = f"found the {now.kind} {now.id}, which had not ended; {rest}"
        self._unsettled.mark(dict.fromkeys([then.id, *ids_in(exchange.request.get("params"))], line))
        self._unsettled.notes.append(f"{method} (line {line}) {what}: what follows is not compared")

    def _stop(self, own: str, line: int) -> None:
        self._unsettled.mark_stopped(own, self._recorded.status_since(own, line) if self.stops_early else line)

    def _differ(self, exchange: Exchange, own: str, what: str, now: State, then: State) -> None:
        self._unsettled.mark({own: exchange.line})
        came = f"when {exchange.method} came (line {exchange.line})"
        recorded = f"when it was recorded it was {then.status}: what follows is not compared"
        self._unsettled.notes.append(f"the {now.kind} {own} {what} {came}; {recorded}")
