"""Text that a terminal can print without obeying it."""

import re
from typing import Final

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, which begin escape sequences, and those that change the direction of text; not \\n and \\t."""


def printable(text: str) -> str:
    """Returns the text without control characters, except line breaks and tabs."""
    return CONTROLS.sub("", text)
