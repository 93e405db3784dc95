"""Kinds of methods, by their last names."""

from typing import Any, Final

STOPS: Final = frozenset({"cancel", "interrupt", "delete", "stop"})
"""The last names of methods that stop work."""
READS: Final = frozenset(
    {"list", "get", "search", "summary", "heatmap", "health", "status", "diagnostics", "export", "replay"}
)
"""The last names of methods that change nothing."""


def is_read(method: Any) -> bool:
    return type(method) is str and method.rpartition(".")[2] in READS
