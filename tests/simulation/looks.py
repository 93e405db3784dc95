"""Looks at the queue at times: jobs that are called running must run, and queued ones must have a reason to wait."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tests.simulation import invariants
from tests.simulation.host import Refused
from tests.simulation.work import HANDLER

if TYPE_CHECKING:
    from tests.simulation.life import Life

LOOK_S: Final = 300
STORED_S: Final = 30
"""Seconds in which the outcome of a job is stored on a disk that is well."""


class Looks:
    """The looks of one life."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self._seen_at: tuple[int, float] | None = None
        """The start and the disk's recovery that were seen last."""
        self._stuck: dict[tuple[int, float], set[str]] = {}
        """The jobs that the last look found stuck, by the start and the disk's recovery before it."""

    def begin(self) -> None:
        self._life.later(LOOK_S, self._look)

    def _look(self) -> None:
        """Asks at times whether running jobs run, and whether queued ones may wait; not if the host knows of none."""
        self._life.later(LOOK_S, self._look)
        if all(job["status"] in invariants.FINAL for job in self._life.host.memory.jobs.values()):
            return
        self._ask_for_running(
            lambda ids: self._life.later(STORED_S, lambda: self._ask_for_running(self._must_run, ids))
        )
        if self._life.host.is_ready and not self._life.disk.has_problem:
            self._life.host.play(self._ask_for_queued((self._life.starts, self._life.disk.fine_since)))

    def _ask_for_queued(self, seen_at: tuple[int, float]) -> Any:
        """Compares with the last look: a job that was stuck then, in the same process, must not be stuck now."""
        queue = yield "jobs.queue.get", {}
        queued = yield "jobs.list", {"status": "queued", "limit": 200}
        running = yield "jobs.list", {"status": "running", "limit": 1}
        if any(isinstance(one, Refused) for one in (queue, queued, running)) or queue["paused_at"] is not None:
            return
        stuck = invariants.stuck(queued["jobs"], len(running["jobs"]), self._life.clock.now_ms())
        if both := stuck & self._stuck.get(seen_at, set()):
            jobs = [job for job in queued["jobs"] if job["job_id"] in both]
            self._life.fail("Every queued job runs, or says what it waits for, within a bound.", jobs[:3])
        self._stuck = {seen_at: stuck}

    def _ask_for_running(self, then: Callable[[set[str]], object], suspects: set[str] | None = None) -> None:
        start, fine_since = self._life.starts, self._life.disk.fine_since
        if not self._life.host.is_ready or suspects == set():
            return

        def answered(result: Any) -> None:
            if isinstance(result, Refused) or self._life.disk.has_problem or self._life.disk.fine_since != fine_since:
                return
            running = {one["job_id"] for one in result["jobs"] if one["type"].startswith("simulation.")}
            if (start, fine_since) != self._seen_at:
                self._seen_at, running = (start, fine_since), set()
            then((running if suspects is None else running & suspects) - HANDLER.alive)

        self._life.host.call("jobs.list", {"status": "running", "limit": 200}, answered)

    def _must_run(self, ids: set[str]) -> None:
        if ids:
            self._life.fail("A job that is called running runs.", ids)
