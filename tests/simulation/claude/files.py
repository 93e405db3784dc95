"""Changes to the files of Claude: its program, its records, and the folders in which it works."""

from collections.abc import Callable
from random import Random
from typing import Final

from tests.simulation.claude.world import World


class ClaudeFiles:
    """The steps that begin with people who change these files."""

    WEIGHTS: Final = {"lose_record": 1, "uninstall": 1, "terminal": 1, "furnish": 1}

    def __init__(self, world: World, later: Callable[[float, Callable[[], None]], None]) -> None:
        self._world, self._later = world, later

    def furnish(self, rng: Random) -> str:
        """Lets a folder bring a hook, or takes it away, as a `git pull` does."""
        return self._world.folders.furnish(rng)

    def lose_record(self, rng: Random) -> str:
        """Deletes a conversation's record, as Claude Code does with old ones; not while a process writes it."""
        used = {getattr(one, "record", None) for one in self._world.programs.running.values()}
        names = [name for name in self._world.records.ids() if self._world.records.load(name, None) not in used]
        if not names:
            return ""
        self._world.lose(chosen := rng.choice(names))
        return chosen[:8]

    def terminal(self, rng: Random) -> str:
        """Goes on with a conversation in a terminal."""
        used = {getattr(one, "record", None) for one in self._world.programs.running.values()}
        names = [name for name in self._world.records.ids() if self._world.records.load(name, None) not in used]
        if not names:
            return ""
        record = self._world.records.load(rng.choice(names), None)
        number = rng.getrandbits(30)
        uuid = f"{number:08x}-1111-4000-8000-000000000001"
        record.add(uuid, "user", {"role": "user", "content": f"typed {number}"}, entrypoint="cli")
        said = {"id": f"msg_t{number}", "role": "assistant", "content": [{"type": "text", "text": f"said {number}"}]}
        record.add(f"{uuid[:-1]}2", "assistant", said, entrypoint="cli")
        return record.conversation[:8]

    def uninstall(self, rng: Random) -> str:
        delay_s = rng.choice((1, 300))
        self._world.uninstall()
        self._later(delay_s, self._world.install)
        return f"for {delay_s} s"

    def be_kind(self) -> None:
        """Ends all trouble: the program is there again."""
        self._world.install()
