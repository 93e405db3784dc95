"""Repeats reads whose answers differ, for a while: they may be behind the recorded ones."""

import time
from collections.abc import Callable
from typing import Any, Final

from pydantic_core import to_json

from sidecar.transcripts.verify.compare import Comparison
from sidecar.transcripts.verify.expected import Expectations, Expected
from sidecar.transcripts.verify.methods import is_read

PAUSES_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Pauses before a read is repeated."""
MAX_IN_VAIN: Final = 3
"""Reads that are repeated although they differ in the end, as each takes the sum of these pauses."""


class Retries:
    """The repeated reads of one run."""

    def __init__(self, comparison: Comparison, expectations: Expectations, send: Callable[[bytes], None]) -> None:
        """`send` sends a line."""
        self._comparison = comparison
        self._expectations = expectations
        self._send = send
        self._open: dict[bytes, Expected] = {}
        """Maps the id of a repeated read to the answer that it is for."""
        self._in_vain: set[Any] = set()
        """The causes of the differences that remained."""

    @property
    def is_any(self) -> bool:
        return bool(self._open)

    def pop(self, key: bytes) -> Expected | None:
        """Returns what an answer with this id is for, None if it is for no repeated read."""
        return self._open.pop(key, None)

    def repeat(self, expected: Expected, request: Any) -> bool:
        """Repeats a request whose answer differs; returns False if that is no read, or in vain."""
        assert expected.mismatch is not None
        cause = expected.mismatch.cause
        is_in_vain = self._expectations.has_lost or len(self._in_vain) >= MAX_IN_VAIN or cause in self._in_vain
        if is_in_vain or self._comparison.is_exact or expected.entry.message.get("error"):
            return False
        if not is_read(request.get("method")):
            return False
        if expected.tries >= len(PAUSES_S):
            self._in_vain.add(cause)
            return False
        time.sleep(PAUSES_S[expected.tries])
        own_id = f"again-{expected.entry.line}-{expected.tries}"
        expected.tries += 1
        self._open[to_json(own_id)] = expected
        self._send(to_json({**self._comparison.to_actual(request), "id": own_id}))
        return True
