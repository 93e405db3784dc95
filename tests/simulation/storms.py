"""Storms: troubles that meet, which single steps drawn one by one seldom do."""

from collections.abc import Callable
from random import Random
from typing import Final

from sidecar.clock import iso
from tests.simulation.disk import PROBLEMS, Disk
from tests.simulation.fate import Fate
from tests.simulation.host import Host, Json, Refused, Script

DAY_MS: Final = 86_400_000
Later = Callable[[float, Callable[[], None]], None]
"""Lets something happen in this number of seconds."""


class Storms:
    """The steps that consist of several ones."""

    WEIGHTS: Final = {"storm": 3, "set_back": 1, "queue_up": 1, "behind": 1, "replay": 1}

    def __init__(self, host: Host, disk: Disk, fate: Fate, later: Later, fail: Callable[[str, object], None]) -> None:
        self._host, self._disk, self._fate, self._later, self._fail = host, disk, fate, later, fail
        self._number = 0

    def storm(self, rng: Random) -> str:
        """Jobs begin and end while the disk has a problem, and are cancelled or interrupted when it is well again."""
        delay_s, problem = rng.choice((4, 12, 40)), rng.choice(PROBLEMS)
        for _ in range(rng.choice((2, 5, 12))):
            self._create(rng, takes_s=rng.choice((0.0, 2.0, 6.0)), in_s=rng.choice((0.0, 0.0, 2.0, 5.0)))
        self._later(1.0, lambda: self._disk.break_for(problem, delay_s))
        self._later(1.0 + delay_s + rng.choice((0.1, 1.0, 4.0)), rng.choice((self._cancel_all, self._host.hang_up)))
        return f"{problem} for {delay_s} s"

    def set_back(self, rng: Random) -> str:
        """Jobs begin to wait by a clock that is days ahead and then set back."""
        self._fate.set_clock(5 * DAY_MS)
        for _ in range(3):
            self._create(rng, takes_s=0.0, in_s=0.0)
        delay_s = rng.choice((2, 60))
        self._later(delay_s, lambda: self._fate.set_clock(0))
        return f"after {delay_s} s"

    def queue_up(self, rng: Random) -> str:
        """Several jobs wait for one lock, and some of them snooze."""
        lock = rng.choice("ab")
        for number in range(rng.randint(2, 5)):
            self._create(rng, takes_s=rng.choice((0.0, 5.0)), in_s=0.0, lock=lock, priority=number % 2 * 5)
        return f"for lock {lock}"

    def behind(self, rng: Random) -> str:
        """The host does not read while more is sent to it than is kept for it."""
        self._host.reads = False
        for _ in range(20):
            self._host.call("rpc.discover", {})
        for _ in range(3):
            self._create(rng, takes_s=1.0, in_s=0.0)
        self._later(10, self._listen)
        return "for 10 s"

    def replay(self, rng: Random) -> str:
        """The host reads the event log, and clears it up before."""
        self._host.call("jobs.schedules.run", {"schedule_id": "maintenance.prune"})
        self._later(rng.choice((1, 60)), lambda: self._host.play(self._replayed()) if self._host.is_ready else None)
        return "the event log"

    def be_kind(self) -> None:
        """Ends all trouble: nothing lasts longer than the disk's and the clock's."""

    # --- parts ----------------------------------------------------------------------------------------------------

    def _create(self, rng: Random, *, takes_s: float, in_s: float, lock: str | None = None, priority: int = 0) -> None:
        self._number += 1
        ends = rng.choice(("failing", "snoozing", "logging", "well"))
        payload: Json = {"takes_s": takes_s, "ends": ends, "lock": lock}
        params: Json = {"type": rng.choice(("simulation.repeatable", "simulation.once")), "payload": payload}
        params |= {"priority": priority} | ({"run_at": iso(self._host.now_ms() + round(in_s * 1_000))} if in_s else {})
        self._host.create(f"storm {self._number}", params)

    def _cancel_all(self) -> None:
        """Cancels what has not ended, as far as the host knows."""
        if self._host.is_ready:
            for promise in self._host.memory.promises.values():
                known = self._host.memory.jobs.get(promise.job_id or "", {})
                if known.get("status") in ("queued", "running"):
                    self._host.cancel(promise)

    def _listen(self) -> None:
        self._host.reads = True

    def _replayed(self) -> Script:
        after = 0
        while True:
            page = yield "events.replay", {"after_seq": after, "limit": 1_000}
            if isinstance(page, Refused) or not page["events"]:
                return
            for one in page["events"]:
                seq = one["params"]["seq"]
                if after and seq != after + 1:
                    self._fail("The event log is whole.", (after, seq))
                after = seq
