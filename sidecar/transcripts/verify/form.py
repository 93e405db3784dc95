"""Checks the form that the contract declares, of messages that are compared with no recorded one."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sidecar.transcripts.file.facts import Facts
from sidecar.transcripts.verify.difference import NOT_THERE, Difference


def differences_of_form(value: Any, facts: Facts, path: str, recorded: Iterable[Any]) -> tuple[Difference, ...]:
    """Returns the members that the contract requires and a value lacks, and those that it does not declare.

    What recorded values lack or have as well is left out: their contract was another one.
    """
    known = {_place(one.path) for other in recorded for one in _differences(other, facts, path)}
    return tuple(one for one in _differences(value, facts, path) if _place(one.path) not in known)


def _differences(value: Any, facts: Facts, path: str) -> Iterator[Difference]:
    if type(value) is list:
        for index, one in enumerate(value):
            yield from _differences(one, facts.item(), f"{path}[{index}]")
    if type(value) is not dict or not facts.members:
        return
    for name in facts.required - value.keys():
        yield Difference(f"{path}.{name}", "a member", NOT_THERE, is_form=True)
    for name, one in value.items():
        if name in facts.members:
            yield from _differences(one, facts.member(value, name), f"{path}.{name}")
        elif not facts.is_mapping:
            yield Difference(f"{path}.{name}", NOT_THERE, one, is_form=True)


def _place(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)
