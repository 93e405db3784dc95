"""Which rooms of `sidecar/` the lives have visited: the lines that ran, of those that could."""

import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

from coverage import Coverage

PRODUCT: Final = Path(__file__).parents[2] / "sidecar"


def begin() -> Coverage:
    """Counts lines from now on; call it before `sidecar` is imported, whose definitions are lines, too."""
    watch = Coverage(data_file=None, config_file=False, source=[str(PRODUCT)])
    watch.start()
    return watch


def tell(watch: Coverage) -> None:
    """Prints each room with its lines and the modules that were visited least, and all together."""
    watch.stop()
    rooms: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for path in sorted(PRODUCT.rglob("*.py")):
        _, statements, _, missing, _ = watch.analysis2(str(path))
        inside = path.relative_to(PRODUCT)
        room = inside.parts[0] if len(inside.parts) > 1 else "."
        rooms[room].append((len(statements) - len(missing), len(statements), str(inside.relative_to(room))))
    total = [one for modules in rooms.values() for one in modules]
    for room, modules in [*rooms.items(), ("all", total)]:
        ran, lines = sum(one[0] for one in modules), sum(one[1] for one in modules)
        least = sorted((one for one in modules if one[1] > 20), key=lambda one: one[0] / one[1])[:4]
        names = "" if room == "all" else ", ".join(f"{name} {part / of:.0%}" for part, of, name in least)
        sys.stdout.write(f"{room:<14} {ran:>6} of {lines:>6} lines, {ran / max(1, lines):4.0%}   {names}\n")
