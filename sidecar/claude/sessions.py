"""Which sessions have a run at the moment: two CLIs that resume the same one would both write its file."""

import anyio


class BusySessions:
    """A run holds the session that it resumes, and the one that it turns out to have begun, until it has ended."""

    def __init__(self) -> None:
        self._ended: dict[str, anyio.Event] = {}

    def is_busy(self, session_id: str) -> bool:
        """Whether a run has it."""
        return session_id in self._ended

    async def free(self, session_id: str) -> None:
        """Wait until no run has it."""
        while ended := self._ended.get(session_id):
            await ended.wait()

    def hold(self, session_id: str, ended: anyio.Event) -> None:
        """Take it, if it is free."""
        self._ended.setdefault(session_id, ended)

    def release(self, ended: anyio.Event) -> None:
        """Let go of everything that was taken with this event, and set it."""
        self._ended = {session_id: other for session_id, other in self._ended.items() if other is not ended}
        ended.set()
