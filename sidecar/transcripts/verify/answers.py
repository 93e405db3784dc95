"""Assigns responses to recorded ones, by the ids of their requests."""

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import to_json

from sidecar.transcripts.file.format import Entry, messages_in
from sidecar.transcripts.file.patterns import secret_numbers
from sidecar.transcripts.verify.checks import Checks
from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.entities import Entities
from sidecar.transcripts.verify.expected import Expectations, Expected
from sidecar.transcripts.verify.findings import ADDITIONAL, DOUBLED, SWAPPED, Mismatch
from sidecar.transcripts.verify.methods import is_read
from sidecar.transcripts.verify.responses import Responses, id_of
from sidecar.transcripts.verify.retries import Retries
from sidecar.transcripts.verify.work.races import Exchange


class SentRequest(NamedTuple):
    """A request, its entry, and when it was sent, in seconds of a monotonic clock."""

    entry: Entry
    message: dict[str, Any]
    at: float


class Answers:
    """The recorded responses of one run, and the assignment of received ones."""

    def __init__(
        self,
        expected: Expectations,
        entities: Entities,
        comparison: Comparison,
        responses: Responses,
        retries: Retries,
        checks: Checks,
    ) -> None:
        self._expected = expected
        self._entities = entities
        self._comparison = comparison
        self._responses = responses
        self._retries = retries
        self._checks = checks
        self._sent: dict[bytes, SentRequest] = {}
        """The requests by their ids."""
        self._single: dict[bytes, deque[Expected]] = defaultdict(deque)
        """The recorded responses outside of batches that have not come, by their ids."""
        self._batches: list[Expected] = []
        self._answered: set[bytes] = set()
        self._early: dict[int, list[Any]] = defaultdict(list)
        """Maps a line to the notifications that its answer may have to precede, if it creates their subject."""
        self.additional: list[Mismatch] = []
        """Responses that were not recorded."""
        for entry in expected.entries:
            if entry.is_response:
                one = expected.add(entry)
                if type(entry.message) is list:
                    self._batches.append(one)
                else:
                    self._single[id_of(entry.message)].append(one)

    def send(self, entry: Entry) -> None:
        """Notes the requests of a line, as it is sent."""
        for message in entry.objects:
            if message.get("id") is not None:  # null is that of lines that cannot be read
                key = id_of(message)
                self._sent[key] = SentRequest(entry, message, time.monotonic())
                if self._single.get(key):
                    self._comparison.expect_redirect(self._single[key][0].entry.message.get("result"))

    def hold(self, notification: Any) -> None:
        """Notes a notification that can be before the answer that creates its subject."""
        made_by = self._entities.made_by(notification, self._creating())
        if made_by is not None:
            self._early[made_by.entry.line].append(notification)

    def _creating(self) -> Iterator[Expected]:
        """Yields the recorded answers to single requests that can create something."""
        for one in self._expected.by_line.values():
            message = one.entry.message
            method = self.method_of(message) if one.entry.is_response and type(message) is dict else None
            if method is not None and not is_read(method):
                yield one

    def take(self, actual: Any, line: int) -> Expected | None:
        """Assigns a received response; `line` is that of the last line that was sent or received before.

        Returns the recorded one, or None.
        """
        key = id_of(actual)
        expected = self._retries.pop(key)
        if expected is not None:
            key = id_of(expected.entry.message)
            actual = {**actual, "id": expected.entry.message.get("id")}
        elif self._single[key]:
            expected = self._single[key].popleft()
        else:
            if self._expected.is_complete or key in self._answered:
                self._add(actual, line)
            return None
        entry = expected.entry
        self._comparison.times.at(entry.t)
        self._comparison.note_sign_in(entry.message.get("result"), actual.get("result"))
        sent = self._sent.get(key, SentRequest(entry, {}, 0.0))
        request = sent.message
        self._race([(entry.message, actual)], entry)
        merged, differences = self._responses.compare(entry, entry.message, actual, request)
        self.see(actual)
        if not expected.tries:
            self._checks.answered(request, entry.t - sent.entry.t, (time.monotonic() - sent.at) * 1000)
        self._answered.add(key)
        what = self.name(entry.message)
        if "error" in actual and "result" in entry.message and (numbers := secret_numbers(request)):
            options = " ".join(f"--secret {number}=…" for number in numbers)
            what += f" is an error; if it needs a real secret, hand it in with {options}: it"
        expected.settle(what, actual, merged, differences)
        expected.is_done = expected.mismatch is None or not self._retries.repeat(expected, request)
        self._checks.response(entry, actual, request.get("method"))
        self._find_early(expected, actual)
        return expected

    def take_batch(self, actual: list[Any], line: int) -> None:
        """Assigns a received batch; `line` is that of the last line that was sent or received before."""
        ids = {id_of(one) for one in actual}
        expected = next((one for one in self._batches if ids & {id_of(other) for other in one.entry.message}), None)
        if expected is None:
            self._add(actual, line)
            return
        self._batches.remove(expected)
        entry = expected.entry
        self._comparison.times.at(entry.t)
        by_id = {id_of(one): one for one in actual}
        self._race([(one, by_id.get(id_of(one), {})) for one in entry.message], entry)
        requests = {key: self._sent[key].message for key in ids & self._sent.keys()}
        merged, differences = self._responses.compare_batch(entry, actual, requests)
        for one in actual:
            self.see(one)
        expected.settle(self.name(entry.message), actual, merged, differences)
        self._find_early(expected, actual)

    def _race(self, answers: list[tuple[Any, Any]], entry: Entry) -> None:
        """Leaves out what the requests to these (recorded, received) answers have met in another state."""
        exchanges = [
            Exchange(sent.entry.line, sent.message, recorded, received)
            for recorded, received in answers
            if (sent := self._sent.get(id_of(recorded))) is not None
        ]
        if not self._comparison.is_exact and self._comparison.races.compare(exchanges, entry.line):
            self._entities.loosen()

    def see(self, message: Any) -> None:
        """Notes the states in a received message, and the answers that they refute."""
        self._expected.others += self._comparison.races.see(message, self.method_of(message))

    def _find_early(self, expected: Expected, actual: Any) -> None:
        """Reports notifications before the answer that creates their subject; others are about an earlier run."""
        for message in self._early.pop(expected.entry.line, ()):
            ids = [to_json(value) for _, value in self._comparison.contract.entity(message) if value is not None]
            if any(one in to_json(actual) for one in ids):
                what = f"{message['method']} came before {self.name(expected.entry.message)}"
                found = Mismatch(expected.entry.line, f"{what}, which creates its subject", kind=SWAPPED)
                self._expected.others.append(found)

    def _add(self, actual: Any, line: int) -> None:
        recorded = self._comparison.to_recorded(actual)
        is_second = type(actual) is dict and id_of(actual) in self._answered
        kind, text = (DOUBLED, "came twice") if is_second else (ADDITIONAL, "was received but not recorded")
        self.additional.append(Mismatch(line, f"{self.name(actual)} {text}", None, recorded, kind=kind))

    def name(self, response: Any) -> str:
        """Returns a response or batch in words, with the methods that it answers."""
        names = (str(self.method_of(one) or _unknown(one.get("id"))) for one in messages_in(response))
        return f"the response to {', '.join(names)}"

    def method_of(self, response: Any) -> Any:
        """Returns the method of the request that a response answers."""
        sent = self._sent.get(id_of(response))
        return None if sent is None else sent.message.get("method")


def _unknown(request_id: Any) -> str:
    return "a line without an id" if request_id is None else f"the id {request_id} (no request has it)"
