"""Groups: notifications whose order among themselves is left open, as of two calendars that are read at once.

A person marks them with the same `"group"`.  A group is the notifications of one name that follow one another between
two lines of the client's.  Answers, and notifications which the contract lets merge or drop, have no place among the
others, and so do not divide a group and are of none; every other notification does.  The `seq`s of a group are as they
are counted: whichever comes first has the lowest.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ANY
from sidecar.transcripts.file.schemas import Contract
from sidecar.transcripts.verify.compare import Comparison, Difference

GROUP: Final = "group"


def has_a_place(entry: Entry, contract: Contract) -> bool:
    """Whether it is a notification of which each one is sent, in its order."""
    return entry.is_told and contract.coalescing(entry.method) is None


def grouped(entries: Iterable[Entry], contract: Contract) -> Iterator[list[Entry]]:
    """Entries one by one, but those of a group together; what does not divide a group comes before it."""
    group: list[Entry] = []
    for entry in entries:
        name = entry.facts.get(GROUP) if has_a_place(entry, contract) else None
        if name is not None and group and name == group[0].facts[GROUP]:
            group.append(entry)
            continue
        if group and (entry.sent or entry.exit_code is not None or has_a_place(entry, contract)):
            yield group
            group = []
        if name is None:
            yield [entry]
        else:
            group = [entry]
    if group:
        yield group


def numbers(group: Iterable[Entry]) -> list[int]:
    """The recorded `seq`s, in the order in which they must come."""
    return sorted(seq for entry in group if type(seq := number(entry.message)) is int)


def number(message: Any) -> Any:
    """The `seq` of a notification; None for a message that has none."""
    params = message.get("params") if type(message) is dict else None
    return params.get("seq") if type(params) is dict else None


def with_number(message: Any, seq: Any) -> Any:
    """The notification with another `seq`, if it has one."""
    return message if number(message) is None else {**message, "params": {**message["params"], "seq": seq}}


def fitting(group: Sequence[Entry], came: Sequence[Any], comparison: Comparison) -> dict[int, int]:
    """Which of the group each of those is that came, by index, whatever its number; as far as they fit."""
    recorded = [with_number(entry.message, {ANY: "integer"}) for entry in group]
    return comparison.matched(recorded, came, lambda one, other: comparison.told(one, other)[1])


def paired(group: Sequence[Entry], came: Sequence[Any], comparison: Comparison) -> dict[int, int]:
    """The same, and of those that fit none the one that it seems to be: each that came is one of the group."""
    pairs = fitting(group, came, comparison)
    left = [index for index in range(len(group)) if index not in pairs.values()]
    for index, actual in enumerate(came):
        if index not in pairs:
            alike = [one for one in left if group[one].method == actual["method"]]
            pairs[index] = min(alike or left, key=lambda one: len(differences(group[one].message, actual, comparison)))
            left.remove(pairs[index])
    return pairs


def differences(recorded: Any, actual: Any, comparison: Comparison) -> list[Difference]:
    """In what two notifications differ; nothing is bound by it."""
    before = comparison.bindings.mark()
    found = comparison.told(recorded, actual)[1]
    comparison.bindings.undo(before)
    return found
