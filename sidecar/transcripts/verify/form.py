"""Checks the form that the contract declares, of messages that are compared with no recorded one."""

from collections.abc import Iterable, Iterator
from typing import Any

from sidecar.transcripts.file.facts import Facts
from sidecar.transcripts.verify.difference import NOT_THERE, Difference


def differences_of_form(value: Any, facts: Facts, path: str, recorded: Iterable[Any]) -> tuple[Difference, ...]:
    """Returns the members that the contract requires and a value lacks, and those that it does not declare.

    What recorded values lack or have as well is left out: their contract was another one.
    """
    known = {one.place for other in recorded for one in _differences(other, facts, path)}
    return tuple(one for one in _differences(value, facts, path) if one.place not in known)


def _differences(value: Any, facts: Facts, path: str) -> Iterator[Difference]:
    for place, one, its in facts.inside(value, path):
        if type(one) is not dict:
            continue
        for name in its.required - one.keys():
            yield Difference(f"{place}.{name}", "a member", NOT_THERE, is_form=True)
        for name in undeclared(one, its):
            yield Difference(f"{place}.{name}", NOT_THERE, one[name], is_form=True)


def undeclared(value: dict[str, Any], facts: Facts) -> list[str]:
    """Returns the names of the members of an object that the contract does not declare."""
    return [name for name in value if facts.members and not facts.is_mapping and name not in facts.members]
