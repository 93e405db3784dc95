"""Work that cannot be compared: it was unfinished when a run ended, or a request met it in another state.

A request can also find work that goes on where it began some when it was recorded, or the other way round.

Such work gets further or less far each time.  What the messages say of it from then on, also in later runs, is checked
for form only, and so is everything created from it.  What had ended in the recording must end, however it ends.  Work
that a request stopped while it was running gets less or more far as well, but must end as stopped.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.file.format import Entry, Run, seq_of
from sidecar.transcripts.file.patterns import ids_in
from sidecar.transcripts.verify.findings import LOST, UNSTOPPED, Mismatch
from sidecar.transcripts.verify.methods import STOPS, is_read
from sidecar.transcripts.verify.states import State, states

QUEUED: Final = "queued"
"""The status of work that has not begun, so that nothing depends on when it is stopped."""
INTERRUPTED: Final = "interrupted"
"""The status of work that the end of a run cut off: what had not begun then may go on in the next one."""
Answer = tuple[Any, Any, Any]
"""A request, the recorded answer to it and the received one."""
STOPPED: Final = frozenset({"cancelled", INTERRUPTED})


class Unsettled:
    """The unsettled work of one file, by its recorded ids."""

    def __init__(self, contract: ContractFacts, bound: dict[Any, Any], *, is_exact: bool) -> None:
        self._is_exact = is_exact  # clock and ids are fixed: everything is compared
        self.stops_early = False
        """Whether work is stopped as soon as it has the status in which it was stopped when it was recorded."""
        self._contract = contract
        self._bound = bound  # received ids by recorded ones
        self._since: dict[str, int] = {}
        """Maps an id to the line after which messages that have it are not compared."""
        self._new: set[str] = set()
        """Received ids of things created from it that were not recorded."""
        self._recorded: dict[str, list[tuple[int, State]]] = defaultdict(list)
        self.now: dict[str, State] = {}
        """The last received states by received id."""
        self._stopped: set[str] = set()
        """The work that must end as stopped."""
        self._ended_as_stopped: set[str] = set()
        """Received ids of work that has ended as stopped since the last request that stops it."""
        self._touched: dict[str, int] = {}
        """Maps an id to the line of the last request that names it and is no read."""
        self._at_send: dict[tuple[int, str], State] = {}
        """The received states of what a line of requests names, when it was sent, by the line and the recorded id."""
        self._doubts: dict[str, tuple[str, int]] = {}
        """(method, line) of requests that were answered as if the work had ended, by its received id."""
        self._refuted: list[Mismatch] = []
        self._found: dict[int, list[str]] = defaultdict(list)
        """The ids of the work in the recorded answers by the line of the request."""
        self._first: dict[tuple[str, str], Entry] = {}
        """The first notifications by the id of what they are about and their method."""
        self._work_on: dict[str, dict[str, None]] = defaultdict(dict)
        """Maps the id of an account or a schedule, for example, to the work whose first notifications name it."""
        self._seqs = [0, 0]
        self._repeated = [0, 0]
        """The last seqs before the run, recorded and received, if its client asks for what it has missed."""
        self._runs = 0
        self._started_at = ""
        self._is_ending = False
        self.unfinished: list[State] = []
        """The work that is live when the present run ends."""
        self.unfinished_end: int | None = None
        """The line at which the present run ends, if work is unfinished then."""
        self.notes: list[str] = []
        """Sentences that name the work that is not compared."""

    @property
    def seq_offset(self) -> int:
        """Returns by how much the last received `seq` is greater than the last recorded one."""
        return 0 if self._is_exact else self._seqs[1] - self._seqs[0]

    def begin_run(self, run: Run, refuted: list[Mismatch]) -> None:
        """Takes the next run of the file, and a list to which answers are added that a notification has refuted."""
        header, entries = run
        self._started_at = str(header.facts.get("started_at") or "")
        self._runs += 1
        self._is_ending = False
        self._refuted = refuted
        asked = [one.message.get("params") for one in entries if one.from_client and one.method == "initialize"]
        is_resumed = not self._is_exact and any(type(one) is dict and "resume" in one for one in asked)
        self._repeated = [*self._seqs] if is_resumed else [0, 0]
        self._seqs[0] = max([self._seqs[0], *(seq_of(one.message) or 0 for one in entries if one.is_notification)])
        self._read(entries)
        if self._is_exact:
            return
        end = next((entry.line for entry in entries if entry.is_eof), entries[-1].line + 1 if entries else 0)
        self.unfinished = [found for one in self._recorded if (found := self.before(one, end)) and found.is_live]
        self.unfinished_end = end if self.unfinished else None
        told = {one: entry.line for entry in entries if entry.line < end for one in self._about(entry)}
        self.mark({one.id: told.get(one.id, end) for one in self.unfinished if one.id not in self._since})
        if self.unfinished:
            kinds = Counter(one.kind for one in self.unfinished)
            count = " and ".join(f"{count} {kind}{'s' * (count > 1)}" for kind, count in kinds.items())
            were = "was" if kinds.total() == 1 else "were"
            rest = "what became of them is not compared" if kinds.total() > 1 else "what became of it is not compared"
            self.notes.append(f"{count} {were} unfinished when run {self._runs} ended: {rest}")

    def _read(self, entries: list[Entry]) -> None:
        """Notes the states in the messages of a run, what its requests name and what its notifications are about."""
        asked_by: dict[bytes, tuple[Any, int]] = {}
        for entry in entries:
            for message in entry.messages:
                if entry.from_client and type(message) is dict:
                    asked_by[to_json(message.get("id"))] = message.get("method"), entry.line
                    touched = () if is_read(message.get("method")) else ids_in(message.get("params"))
                    self._touched |= dict.fromkeys(touched, entry.line)
                elif type(message) is dict and not self.is_repeated(message, is_recorded=True):
                    method, line = asked_by.get(to_json(message.get("id")), (None, 0))
                    for state in self._states(message, method):
                        self._recorded[state.id].append((entry.line, state))
                        if line:
                            self._found[line].append(state.id)
        for entry in entries:
            for own in self._about(entry):
                if self._first.setdefault((own, str(entry.method)), entry) is entry and own in self._recorded:
                    for one in ids_in(entry.message):
                        self._work_on[one][own] = None

    def _states(self, message: Any, method: Any) -> Iterator[State]:
        name = message.get("method")
        return states(message, self._contract.notification(name) if name else self._contract.response(method))

    def _about(self, entry: Entry) -> list[str]:
        """Returns the ids of what a notification is about, without those that are names."""
        return ids_in(self._contract.entity(entry.message)) if entry.is_notification else []

    def before(self, recorded_id: str, line: int) -> State | None:
        """Returns the last recorded state before a line."""
        return next((state for _, state in self._backwards(recorded_id, line)), None)

    def _backwards(self, recorded_id: str, line: int) -> Iterator[tuple[int, State]]:
        """Yields (line, state) of the recorded states before a line, from the last one on."""
        return ((at, state) for at, state in reversed(self._recorded.get(recorded_id, [])) if at < line)

    def told_before(self, entry: Entry) -> float:
        """Returns the last line of which notifications must have come before a request that stops work early.

        For any other request that is infinity.
        """
        asked = [one for one in entry.messages if type(one) is dict and _stops(one)]
        if not (self.stops_early and asked):
            return math.inf
        return max((self._begun(own, entry.line) for one in asked for own in self._work_of(one)), default=0)

    def _work_of(self, request: Any) -> list[str]:
        """Returns the ids in a request, and of the work on what it names: an account's syncs, a schedule's jobs."""
        ids = ids_in(request.get("params"))
        return [*ids, *(own for one in ids if one not in self._recorded for own in self._work_on.get(one, ()))]

    def _begun(self, recorded_id: str, line: int) -> int:
        """Returns the line at which recorded work got the status that it had before a line."""
        earlier = [*self._backwards(recorded_id, line)]
        same = takewhile(lambda one: one[1].status == earlier[0][1].status, earlier)
        return min((at for at, _ in same), default=0)

    def see(self, message: Any, method: Any) -> None:
        """Notes the states in a received message; `method` is that of the request that it answers."""
        if self.is_repeated(message, is_recorded=False):
            return
        self._seqs[1] = max(self._seqs[1], seq_of(message) or 0)
        for state in self._states(message, method):
            self.now[state.id] = state
            if state.status in STOPPED:
                self._ended_as_stopped.add(state.id)
            if "method" in message:
                self._prove(state)

    def actual(self, recorded_id: str) -> str:
        return str(self._bound.get(recorded_id, recorded_id))

    def mark(self, since: dict[str, int]) -> None:
        """Marks work as unsettled from a line on, with the entities that it works on or creates."""
        self._since |= since
        if not since:
            return
        known = {own for own, _ in self._first}
        for (own, _), entry in self._first.items():
            if own in since:  # what it works on, such as its session
                named = known.intersection(ids_in(entry.message))
                self._since |= {one: min(since[own], self._since.get(one, since[own])) for one in named}
        for (own, _), entry in self._first.items():
            if own not in self._since:
                self._follow(own, entry, since)

    def _follow(self, own: str, first: Entry, since: dict[str, int]) -> None:
        """Marks everything created from unsettled work, or live when that became unsettled: a session's turn."""
        if self.is_recorded(first.message, first.line):
            self._since[own] = first.line - 1
        for one, line in since.items():
            if (state := self.before(own, line)) is not None and state.is_live and self._names(first.message, [one]):
                self._since.setdefault(own, line)

    def is_recorded(self, message: Any, line: int) -> bool:
        """Returns whether a recorded message names work that is unsettled at its line."""
        if self.unfinished_end is not None and line > self.unfinished_end:
            return True
        return self._names(message, [one for one, since in self._since.items() if since < line])

    def is_repeated(self, message: Any, *, is_recorded: bool) -> bool:
        """Returns whether a notification is of an earlier run: what follows a seq depends on the order then.

        What is repeated can have other seqs than the earlier run in a recording that was updated, but no later times.
        """
        seq, last = seq_of(message) or 0, self._repeated[0 if is_recorded else 1]
        if is_recorded and seq and last and str(message["params"].get("at")) < self._started_at:
            return True
        return 0 < seq <= last

    def is_about(self, message: Any) -> bool:
        """Returns whether a recorded message names work that is unsettled, or becomes so after it."""
        return self._names(message, [*self._since])

    def is_received(self, message: Any, line: float = math.inf) -> bool:
        """Returns whether a received message names work that is unsettled before a line, or something created from it.

        A notification may be ahead of its line.
        """
        ids = [self.actual(one) for one, since in self._since.items() if since < line]
        return self._is_ending or self._names(message, [*ids, *self._new])

    def is_new(self, message: Any) -> bool:
        """Returns whether a received message names something created from unsettled work that was not recorded."""
        return self._names(message, [*self._new])

    def _names(self, message: Any, ids: list[str]) -> bool:
        text = to_json(message).decode() if ids else ""
        return any(one in text for one in ids)

    def spans(self) -> Iterator[tuple[str, int, float]]:
        """Yields (id as JSON, line, infinity) for all work that is live when the run ends."""
        for state in self.unfinished:
            yield to_json(state.id).decode(), self._recorded[state.id][0][0], math.inf

    def end_run(self) -> None:
        """Notes that stdin has ended: what comes now is about the unfinished work, if there is any."""
        self._is_ending = self.unfinished_end is not None

    def add(self, message: Any) -> None:
        """Notes that a received notification about something new names unsettled work."""
        self._new.update(ids_in(self._contract.entity(message)))

    def live_in(self, entry: Entry) -> list[str]:
        """Returns the ids of work that is live before a request which names it, or what it works on, or whose answer
        shows it, and of all that works on it; for a read, none.
        """
        asked = [] if is_read(entry.method) else [one for one in entry.messages if type(one) is dict]
        ids = [*(own for one in asked for own in self._work_of(one)), *self._found.get(entry.line, ())]
        live = [one for one in ids if (state := self.before(one, entry.line)) is not None and state.is_live]
        return live and [*live, *(own for (own, _), first in self._first.items() if self._names(first.message, live))]

    def meet(self, answers: Iterable[Answer], line: int, answered: int) -> bool:
        """Marks what requests name and have met in another state than when they were recorded, or stopped on the way.

        `answers` are those to one line, in its order.  Returns whether it has marked anything.
        """
        marked = dict(self._since)
        then: dict[str, State] = {}
        now: dict[str, State] = {}
        for request, recorded, actual in answers if not self._is_exact else ():
            method = str(request.get("method"))
            is_other = ("error" in recorded) != ("error" in actual)
            expected, shown = ({one.id: one for one in self._states(answer, method)} for answer in (recorded, actual))
            for own in self._work_of(request) if not is_read(method) else ():
                received = self.actual(own)
                old, new = then.get(own) or self.before(own, answered), now.get(received) or self.now.get(received)
                is_marked = self._since.get(own, line) < line
                if is_marked or old is None or new is None:
                    continue
                if not (old.is_live or new.is_live):
                    if old.status != new.status:
                        self._compare_ends(request, own, self._at_send.get((line, own)), line)
                    continue
                told = {one.status for one in (new, expected.get(own)) if one is not None}
                if old.status == new.status and is_other:
                    self._doubts[received] = method, line
                    self._differ(own, f"may have ended when {method} came (line {line})", new, old, line)
                elif received in shown and own in expected and shown[received].status not in told:
                    new = shown[received]  # the answer has overtaken the notification
                if old.status != new.status:
                    self._meet_otherwise(own, method, new, old, line)
                elif _stops(request) and old.status != QUEUED:
                    self._stop(own, line)
            if len(expected) == len(shown) == 1 and not is_read(method):
                (begun_then,), (begun_now,) = expected.values(), shown.values()
                self._compare_work(request, begun_then, begun_now, line, answered)
            then |= expected
            now |= shown
        return self._since != marked

    def _compare_ends(self, request: Any, own: str, at_send: State | None, line: int) -> None:
        """Marks work that has ended in another way than when it was recorded, once the answer has come.

        Either it had ended before the request already, or the request has stopped it and it must end as stopped.
        """
        old = self.before(own, line)
        if old is None or at_send is None:
            return
        if old.status != at_send.status:
            self._meet_otherwise(own, str(request.get("method")), at_send, old, line)
        elif old.is_live and _stops(request):
            self._stop(own, line)

    def note_sent(self, entry: Entry) -> None:
        """Notes the received states of what a line of requests names, as the line is sent."""
        for request in entry.messages:
            if type(request) is dict and not is_read(request.get("method")):
                for own in self._work_of(request):
                    if (state := self.now.get(self.actual(own))) is not None:
                        self._at_send[entry.line, own] = state

    def _compare_work(self, request: Any, then: State, now: State, line: int, answered: int) -> None:
        """Marks what a request names if its answers show work that it began in one of them and found in the other."""
        method, received = request.get("method"), self.actual(then.id)
        old, was_begun = self.before(then.id, answered), now.id not in self.now
        if received == now.id or was_begun == (old is None) or not (then if was_begun else now).is_live:
            return
        if was_begun:
            self._new.add(now.id)
            if (last := self.now.get(received)) is not None and last.is_live:  # the answer may have overtaken its end
                self._doubts[received] = method, line
            what = f"began the {now.kind} {now.id}; when it was recorded the {then.kind} {then.id} had not ended"
        else:
            self._bound.setdefault(then.id, now.id)  # for requests that name it
            rest = f"when it was recorded it began the {then.kind} {then.id}"
            what = f"found the {now.kind} {now.id}, which had not ended; {rest}"
        self.mark(dict.fromkeys([then.id, *ids_in(request.get("params"))], line))
        self.notes.append(f"{method} (line {line}) {what}: what follows is not compared")

    def _stop(self, own: str, line: int) -> None:
        """Marks work that is stopped on its way, and that it must end as stopped."""
        known = dict(self._since)
        self.mark({own: self._begun(own, line) if self.stops_early else line})
        self._ended_as_stopped.discard(self.actual(own))
        self._stopped |= {one for one, since in self._since.items() if known.get(one) != since}

    def _meet_otherwise(self, own: str, method: str, now: State, then: State, line: int) -> None:
        self._differ(own, f"was {now.status} when {method} came (line {line})", now, then, line)

    def _differ(self, own: str, what: str, now: State, then: State, line: int) -> None:
        self.mark({own: line})
        recorded = f"when it was recorded it was {then.status}: what follows is not compared"
        self.notes.append(f"the {now.kind} {own} {what}; {recorded}")

    def _prove(self, state: State) -> None:
        """Looks whether work had ended of which an answer said so first: the next notification of it is that end."""
        method, line = self._doubts.pop(state.id, ("", 0))
        if method and state.is_live:
            what = f"{method} was answered as if the {state.kind} {state.id} had ended, but it was {state.status}"
            self._refuted.append(Mismatch(line, what))

    def wrong_end(self, recorded: State, line: int) -> Mismatch | None:
        """Returns how work has not ended as it must, or None."""
        what, now = f"the {recorded.kind} {recorded.id}", self.now.get(self.actual(recorded.id))
        if now is None or now.is_live:
            text = f"{what} has not ended; when it was recorded it had, as {recorded.status}"
            return Mismatch(line, text, kind=LOST)
        must_be_stopped = recorded.id in self._stopped and recorded.status in STOPPED
        if must_be_stopped and self.actual(recorded.id) not in self._ended_as_stopped:
            text = f"{what} was not stopped but {now.status}; when it was recorded it was {recorded.status}"
            return Mismatch(line, text, kind=UNSTOPPED)
        return None

    def is_any(self, line: int) -> bool:
        """Returns whether anything was unsettled before a line."""
        return any(since < line for since in self._since.values())

    def ended_before(self, line: int) -> Iterator[State]:
        """Yields the last recorded state of unsettled work that had ended before a line.

        After a request that names it, work may have begun again although the recording does not say so yet.
        """
        for one in [*self._since]:  # what comes while these are waited for can add to them
            at, state = next(self._backwards(one, line), (0, None))
            is_cut = state is not None and state.status == INTERRUPTED and one not in self._stopped
            if state is not None and not state.is_live and not is_cut and self._touched.get(one, 0) < at:
                yield state

    def has_ended(self, recorded: State) -> bool:
        """Returns whether what had ended when it was recorded has ended now, in whatever way."""
        now = self.now.get(self.actual(recorded.id))
        return now is not None and not now.is_live


def _stops(request: Any) -> bool:
    return str(request.get("method")).rpartition(".")[2] in STOPS
