"""Restores of backups by the host, after which the process has a database of an earlier day."""

from random import Random
from typing import Any, Final

from tests.simulation.host import Host, Refused


class Restores:
    """The steps that put a backup in place of the database, as a person does whose database is damaged."""

    WEIGHTS: Final = {"restore": 1}

    def __init__(self, host: Host) -> None:
        self._host = host

    def restore(self, rng: Random) -> str:
        """Restores a backup, or makes one if there is none.  The process then ends."""
        if not self._host.is_ready:
            return ""
        chance = rng.random()
        self._host.call("system.backups.list", {}, lambda result: self._restore(result, chance))
        return "a backup"

    def _restore(self, result: Any, chance: float) -> None:
        if isinstance(result, Refused):
            return
        if not (backups := result["backups"]):
            self._host.call("jobs.schedules.run", {"schedule_id": "maintenance.backup"})
            return
        self._host.may_have_other = True  # also if it is never answered
        self._host.call("system.backups.restore", {"name": backups[int(chance * len(backups))]["name"]})

    def be_kind(self) -> None:
        """Ends all trouble: there is none."""
