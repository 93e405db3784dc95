"""Reads see whatever has happened when they are served, which depends on time.

Of an answer that may show unfinished work, only the form is compared, and of a poll, which is the same read repeated,
only the end.  Any other answer that differs is asked for again for a while: it may be behind the recorded one.
"""

from typing import Any

from pydantic_core import to_json

from sidecar.transcripts.file.facts import COUNTED, ContractFacts
from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import names_any
from sidecar.transcripts.verify.difference import Difference
from sidecar.transcripts.verify.methods import is_read
from sidecar.transcripts.verify.work.unsettled import Unsettled


class Reads:
    """The answers to reads in one run of which only the form counts."""

    def __init__(self, entries: list[Entry], contract: ContractFacts, unsettled: Unsettled) -> None:
        self._passing: set[tuple[int, bytes]] = set()
        self._contract = contract
        self._unsettled = unsettled
        spans: dict[str, tuple[str, int, float]] = {}
        begun = 0  # by the last request that is no read: an answer can overtake the first notification
        for entry in entries:
            if entry.from_client and not is_read(entry.method):
                begun = entry.line
            elif entry.is_notification and contract.coalescing(entry.method) is None:
                ids = contract.entity(entry.message)
                text = to_json(ids[0][1]).decode()
                _, first, _ = spans.get(str(ids), (text, begun, 0))
                spans[str(ids)] = text, first, entry.line
        self._spans = [*spans.values(), *unsettled.spans()]
        own = sorted((first, last, text.strip('"')) for text, first, last in self._spans if text != "null")
        self._counting = _overlapping(own)
        asked: dict[bytes, Any] = {}
        polls: dict[str, tuple[int, bytes]] = {}
        for entry in entries:
            for message in entry.objects if not entry.is_notification else ():
                key = to_json(message.get("id"))
                if entry.from_client:
                    asked[key] = message
                    if not is_read(message.get("method")):
                        polls.clear()
                elif is_read(asked.get(key, {}).get("method")):
                    question = to_json([asked[key]["method"], asked[key].get("params")]).decode()
                    self._passing |= {polls[question]} if question in polls else set()
                    polls[question] = entry.line, key
                    if self.is_moving(entry.line, question):
                        self._passing.add((entry.line, key))

    def is_passing(self, line: int, answer: Any) -> bool:
        """Returns whether an answer, which can be one of a batch, shows a state on the way to another."""
        return (line, to_json(answer.get("id"))) in self._passing

    def is_by_chance(self, entry: Entry, message: Any, found: Difference) -> bool:
        """Returns whether a number in a recorded message depends on how far other work had got.

        That is one that counts work while some is under way or was left so, and what a job has counted meanwhile.
        """
        if not found.is_count:
            return False
        is_about_one = entry.is_notification and bool(self._contract.key(entry.method))
        can_count = is_about_one or not (self.is_moving(entry.line) or self._unsettled.is_any(entry.line))
        return not can_count or (found.is_of_result and found.is_about(message, self._counting))

    def is_part_of_log(self, request: Any, answer: Any) -> bool:
        """Returns whether an answer has a part of the event log in which independent work interleaves.

        Its notifications depend on the order, which differs in each run.
        """
        asked = self._contract.request(request.get("method")).inside(request)
        seqs = [value for _, value, facts in asked if facts.format == COUNTED]
        is_part = any(seqs) or (bool(seqs) and "limit" in request["params"])
        return is_part and names_any(answer, self._counting)

    def is_moving(self, line: int, question: str = "") -> bool:
        """Returns whether something was under way: what the question names, or anything if it names nothing."""
        named = [one for one in self._spans if one[0] != "null" and one[0] in question]
        return any(first < line < last for _, first, last in named or self._spans)


def _overlapping(spans: list[tuple[int, float, str]]) -> set[str]:
    """Returns the ids of the spans, sorted (first, last, id), during which another one was under way."""
    found: set[str] = set()
    longest = (0, 0.0, "")
    for span in spans:
        if span[0] < longest[1]:
            found |= {span[2], longest[2]}
        longest = max(longest, span, key=lambda one: one[1])
    return found
