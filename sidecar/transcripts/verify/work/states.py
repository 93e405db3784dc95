"""The states of jobs and sessions, as messages tell them: whether their work goes on by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sidecar.transcripts.file.facts import ContractFacts, Facts

LOGGED: Final = "LoggedEvent"
"""The title of a notification that an answer repeats."""
QUEUED: Final = "queued"
"""The status of work that has not begun, so that nothing depends on when it is stopped."""
INTERRUPTED: Final = "interrupted"
"""The status of work that the end of a run cut off: what had not begun then may go on in the next one."""
STOPPED: Final = frozenset({"cancelled", INTERRUPTED})


@dataclass(frozen=True, slots=True)
class State:
    """The state of one job or session in a message; the contract declares which statuses are live (`x-live`)."""

    id: str
    kind: str
    """The name of its schema in lower case: job, session."""
    status: str
    is_live: bool
    """Whether another status follows without a request."""


def states_in(message: Any, method: Any, contract: ContractFacts) -> Iterator[State]:
    """Yields the states in a notification, or in a response to a method."""
    name = message.get("method")
    return _states(message, contract.notification(name) if name else contract.response(method))


def _states(value: Any, facts: Facts) -> Iterator[State]:
    """Yields the states in a value, at any depth, in its order; not those of the past, in logged events."""
    if type(value) is list:
        item = facts.item()
        for one in value:
            yield from _states(one, item)
    if type(value) is not dict or facts.title == LOGGED:
        return
    for name, one in value.items():
        member = facts.member(value, name)
        if member.live and type(one) is str:
            own = value.get(next(iter(facts.members)))
            if type(own) is str:
                yield State(own, facts.title.lower(), one, one in member.live)
        elif type(one) in (dict, list):
            yield from _states(one, member)
