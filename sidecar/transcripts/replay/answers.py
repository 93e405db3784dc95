"""Responses and notifications as they are sent: their patterns, ids and times in the client's terms."""

from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.file.facts import ContractFacts, Facts
from sidecar.transcripts.file.patterns import ANY, example, pattern_of
from sidecar.transcripts.file.redact import LIKE
from sidecar.transcripts.replay.recording import RecordedNotification, RecordedRequest, RecordedResponse
from sidecar.transcripts.replay.times import DateShift

ID: Final = {ANY: "uuid"}
"""The pattern whose recorded value is replaced in all later messages; others only in the response to their request."""


class Answers:
    """Fills in the messages of one recording, and remembers which values of the client replace recorded ones."""

    def __init__(self, contract: ContractFacts, shift: DateShift | None) -> None:
        self._contract = contract
        self._shift = shift
        self._ids: dict[str, Any] = {}
        """Recorded ids, and the client's."""
        self._tokens: dict[int | str, int | str] = {}
        """Recorded progress tokens, and the client's."""

    def bind(self, recorded: RecordedRequest, params: dict[str, Any], bound: list[tuple[Any, Any]]) -> dict[bytes, Any]:
        """Remembers the client's ids; returns its values for the patterns of the request."""
        old, new = (one.get("_meta") or {} for one in (recorded.params, params))
        if "progress_token" in old and "progress_token" in new:
            self._tokens[old["progress_token"]] = new["progress_token"]
        patterns = {}
        for value, actual in bound:
            if pattern_of(value) is None:
                self._ids[value] = actual
            else:
                patterns[to_json(value)] = actual
                if value == {**ID, LIKE: value.get(LIKE)}:
                    self._ids[value[LIKE]] = actual
        return patterns

    def response(self, method: str, response: RecordedResponse, patterns: dict[bytes, Any]) -> bytes:
        part = "error" if response.is_error else "result"
        facts = self._contract.response(method).declared_member(part)
        return to_json(self._filled(response.value, facts, patterns))

    def notification(self, notification: RecordedNotification) -> bytes:
        message = notification.message
        if "params" not in message:
            return to_json(message)
        facts = self._contract.notification(message["method"]).declared_member("params")
        params = self._filled(message["params"], facts, {})
        if message["method"] == "$/progress" and self._tokens:
            token = params["token"]
            params = {**params, "token": self._tokens.get(token, token)}
        return to_json({**message, "params": params})

    def _filled(self, value: Any, facts: Facts, patterns: dict[bytes, Any]) -> Any:
        value = self._with_values(value, patterns)
        return value if self._shift is None else self._shift.moved(value, facts)

    def _with_values(self, value: Any, patterns: dict[bytes, Any]) -> Any:
        if type(value) is dict:
            if pattern_of(value) is not None:
                key = to_json(value)
                return patterns[key] if key in patterns else self._with_values(example(value), {})
            return {name: self._with_values(member, patterns) for name, member in value.items()}
        if type(value) is list:
            return [self._with_values(one, patterns) for one in value]
        return self._ids.get(value, value) if type(value) is str else value
