"""Kinds of methods, by their last names."""

from typing import Any, Final

STOPS: Final = frozenset({"cancel", "interrupt", "delete", "stop"})
"""The last names of methods that stop work."""
READS: Final = frozenset(
    {
        *("list", "get", "search", "summary", "heatmap", "export", "replay"),
        *("health", "status", "diagnostics", "doctor", "check", "discover"),
    }
)
"""The last names of methods that change nothing.

The declaration of a method says this only if assistants have it; transcripts also contain methods of other versions.
"""


def is_read(method: Any) -> bool:
    return type(method) is str and method.rpartition(".")[2] in READS


def stops(method: Any) -> bool:
    """Returns whether a method stops work."""
    return type(method) is str and method.rpartition(".")[2] in STOPS
