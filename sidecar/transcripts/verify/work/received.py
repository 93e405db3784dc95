"""The work in the messages of the verified sidecar: the last states of jobs and sessions."""

from typing import Any

from sidecar.transcripts.file.facts import ContractFacts
from sidecar.transcripts.verify.work.resumption import Resumption
from sidecar.transcripts.verify.work.states import STOPPED, State, states_in


class ReceivedWork:
    """The work in all messages that were received, in any run.  Ids are recorded ones where nothing else is said."""

    def __init__(self, contract: ContractFacts, bound: dict[Any, Any], resumption: Resumption) -> None:
        """`bound` has the received ids by the recorded ones; it grows while messages are compared."""
        self._contract = contract
        self._bound = bound
        self._resumption = resumption
        self._states: dict[str, State] = {}
        """The last states by received id."""
        self._stopped: set[str] = set()
        """Received ids of work that has ended as stopped since `forget_stop`."""

    def see(self, message: Any, method: Any) -> list[State]:
        """Notes the states in a message and returns them; `method` is that of the request that it answers."""
        if self._resumption.is_received_again(message):
            return []
        self._resumption.receive(message)
        found = [*states_in(message, method, self._contract)]
        self._states |= {state.id: state for state in found}
        self._stopped |= {state.id for state in found if state.status in STOPPED}
        return found

    def received_id(self, own: str) -> str:
        return str(self._bound.get(own, own))

    def bind(self, own: str, received_id: str) -> None:
        """Takes received work for recorded work that corresponds to none yet, for requests that name it."""
        self._bound.setdefault(own, received_id)

    def is_known(self, received_id: str) -> bool:
        return received_id in self._states

    def state(self, own: str) -> State | None:
        """Returns the last state of work."""
        return self._states.get(self.received_id(own))

    def has_ended(self, own: str) -> bool:
        state = self.state(own)
        return state is not None and not state.is_live

    def has_stopped(self, own: str) -> bool:
        """Returns whether work has ended as stopped since `forget_stop`."""
        return self.received_id(own) in self._stopped

    def forget_stop(self, own: str) -> None:
        self._stopped.discard(self.received_id(own))
