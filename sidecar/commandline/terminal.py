"""Text that a terminal can print without obeying it, under the name that the commands know; the log needs it, too."""

from sidecar.text import CONTROLS, printable

__all__ = ["CONTROLS", "printable"]
