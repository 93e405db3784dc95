"""Groups: notifications that may arrive in any order, such as those of two calendars that are synced in parallel.

A person marks them with the same `"group"`.  A group consists of consecutive notifications with the same value between
two lines from the client.  Responses, and notifications that the contract allows to be merged or dropped, neither
belong to a group nor split it; every other notification splits it.  The `seq`s of a group rise in the order of arrival.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sidecar.transcripts.file.format import Entry
from sidecar.transcripts.file.patterns import ANY
from sidecar.transcripts.file.schemas import ContractSchemas
from sidecar.transcripts.verify.compare import Comparison, Difference

GROUP: Final = "group"


def is_ordered(entry: Entry, schemas: ContractSchemas) -> bool:
    """Returns whether it is a notification that is always sent, and in order."""
    return entry.is_notification and schemas.coalescing(entry.method) is None


def in_groups(entries: Iterable[Entry], schemas: ContractSchemas) -> Iterator[list[Entry]]:
    """Yields entries one by one and groups as a whole; entries that do not split a group come before it."""
    group: list[Entry] = []
    for entry in entries:
        name = entry.facts.get(GROUP) if is_ordered(entry, schemas) else None
        if name is not None and group and name == group[0].facts[GROUP]:
            group.append(entry)
            continue
        if group and (entry.from_client or entry.exit_code is not None or is_ordered(entry, schemas)):
            yield group
            group = []
        if name is None:
            yield [entry]
        else:
            group = [entry]
    if group:
        yield group


def seqs_of(group: Iterable[Entry]) -> list[int]:
    """Returns the recorded `seq`s in the order in which they must arrive."""
    return sorted(seq for entry in group if type(seq := seq_of(entry.message)) is int)


def seq_of(message: Any) -> Any:
    """Returns the `seq` of a notification, or None."""
    params = message.get("params") if type(message) is dict else None
    return params.get("seq") if type(params) is dict else None


def with_seq(message: Any, seq: Any) -> Any:
    """Returns the notification with another `seq`, if it has one."""
    return message if seq_of(message) is None else {**message, "params": {**message["params"], "seq": seq}}


def match_group(group: Sequence[Entry], received: Sequence[Any], comparison: Comparison) -> dict[int, int]:
    """Maps each received notification to the entry it equals (ignoring `seq`), by index; unmatched ones are absent."""
    recorded = [with_seq(entry.message, {ANY: "integer"}) for entry in group]
    return comparison.match_unordered(recorded, received, lambda one, other: comparison.notification(one, other)[1])


def pair_group(group: Sequence[Entry], received: Sequence[Any], comparison: Comparison) -> dict[int, int]:
    """Like `match_group`, but pairs leftovers with the most similar entry, so that every notification is paired."""
    pairs = match_group(group, received, comparison)
    left = [index for index in range(len(group)) if index not in pairs.values()]
    for index, actual in enumerate(received):
        if index not in pairs:
            same_method = [one for one in left if group[one].method == actual["method"]]
            pairs[index] = min(
                same_method or left, key=lambda one: len(differences(group[one].message, actual, comparison))
            )
            left.remove(pairs[index])
    return pairs


def differences(recorded: Any, actual: Any, comparison: Comparison) -> list[Difference]:
    """Returns how two notifications differ, without binding anything."""
    savepoint = comparison.bindings.savepoint()
    found = comparison.notification(recorded, actual)[1]
    comparison.bindings.roll_back(savepoint)
    return found
