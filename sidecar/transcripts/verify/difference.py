"""One place at which two messages differ, and what kind of difference that is."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

NOT_THERE: Final = "(nothing)"
"""Shown in a difference in place of a missing member."""
_NUMBER: Final = re.compile(r"\d[\d,]*")
_STEP: Final = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place at which two messages differ."""

    path: str
    expected: Any
    actual: Any
    is_form: bool = False
    """Whether a member is missing or new; a key of a mapping is no member."""

    @property
    def place(self) -> str:
        """The path without the positions in lists."""
        return re.sub(r"\[\d+\]", "[]", self.path)

    @property
    def is_count(self) -> bool:
        """Whether a number differs, also one in a sentence, or a mapping to numbers has another key."""
        sides = [one for one in (self.expected, self.actual) if one != NOT_THERE]
        if self._is_text:
            return " " in self.expected and _NUMBER.sub("0", self.expected) == _NUMBER.sub("0", self.actual)
        return not self.is_form and all(type(one) in (int, float) for one in sides)

    @property
    def is_of_result(self) -> bool:
        """Whether it is in what work says about its end: its result, or a sentence."""
        return self._is_text or "result" in _STEP.findall(self.path)[1:]

    @property
    def _is_text(self) -> bool:
        return type(self.expected) is type(self.actual) is str and NOT_THERE not in (self.expected, self.actual)

    def is_about(self, message: Any, ids: Collection[str]) -> bool:
        """Returns whether it is inside an object of the message that has one of these ids."""
        for step in _STEP.findall(self.path) if ids else ():
            if type(message) is dict:
                if any(type(one) is str and one in ids for one in message.values()):
                    return True
                message = message.get(step)
            elif type(message) is list and step.isdigit() and int(step) < len(message):
                message = message[int(step)]
            else:
                return False
        return False
