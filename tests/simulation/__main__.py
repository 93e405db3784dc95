"""`python -m tests.simulation`: lives simulated lives of the sidecar, and says how they ended.

--seed N lives one life and prints its story; with --shrink also that of the shortest life that is found to break the
same sentence.  --minutes M lives fresh lives for M minutes of CPU; --seeds A B C those.
"""

import argparse
import gc
import os
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

from tests.simulation.loop import count_steps, keep_models, order_cancellations, replace_programs, replace_threads

if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets must be the same in each run
    command = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
    os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606 - this program
watch = None
if "--coverage" in sys.argv:
    from tests.simulation import rooms

    watch = rooms.begin()
replace_threads()
count_steps()
order_cancellations()
replace_programs()
# What killed processes leave is finalized at the end of each life, and may complain that it has no loop.
warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
sys.unraisablehook = lambda _: None

from sidecar.features import FEATURES, WORK, modules_of  # noqa: E402 - after `replace_threads`
from tests.simulation.life import Result, live  # noqa: E402 - it imports `sidecar`
from tests.simulation.shrinking import shrink  # noqa: E402 - see above
from tests.simulation.story import KEPT_LINES  # noqa: E402 - see above
from tests.simulation.work import add_job_types  # noqa: E402 - see above

add_job_types()
for name in [*WORK, *(name for domain in ("system", *FEATURES, "jira") for name in modules_of(domain))]:
    import_module(name)  # a process imports them in a thread, which only the first life would have
keep_models()
gc.collect()
gc.freeze()
gc.disable()  # each life collects at its end; looking at other times would take a tenth of its time


def tell(result: Result, lines: int = 60) -> None:
    """Prints how a life has ended, and the last lines of the story of one that breaks a sentence."""
    about = f"seed {result.plan.seed}: {result.days:.1f} days, {result.starts} starts, {len(result.plan.steps)} steps"
    if result.broken is None:
        about += "".join(f", {line[40:]}" for line in result.story.lines if " compares " in line)
        print(f"{about}, digest {result.story.digest}", flush=True)
        return
    print(*result.story.lines[-lines:], sep="\n")
    print(f"{about}\n  BROKEN: {result.broken}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--first", type=int, default=None, help="the first of the fresh seeds")
    parser.add_argument("--copy", help="with --seed: the file that receives everything that the digest is made of")
    parser.add_argument("--coverage", action="store_true", help="say in the end which lines of which rooms ran")
    parser.add_argument("--until-broken", action="store_true", help="end at the first life that breaks a sentence")
    parser.add_argument("--shrink", type=float, default=0, metavar="MINUTES", help="with --seed: leave out steps")
    arguments = parser.parse_args()
    failed = []
    if arguments.seed is not None:
        with Path(arguments.copy or os.devnull).open("wb") as copy:
            result = live(arguments.seed, prints=True, copy=copy)
        tell(result)
        if result.broken is not None and arguments.shrink:
            print("\nThe shortest life that was found:\n")
            tell(shrink(result, arguments.shrink * 60, print), KEPT_LINES)
        return int(result.broken is not None)
    days, begin = 0.0, time.process_time()
    seeds = [*arguments.seeds]
    fresh = arguments.first if arguments.first is not None else time.time_ns() // 1_000_000 % 10**8
    while seeds or time.process_time() - begin < arguments.minutes * 60:
        if not seeds:
            seeds.append(fresh)
            fresh += 1
        result = live(seeds.pop(0))
        tell(result)
        days += result.days
        if result.broken is not None:
            failed.append(result.plan.seed)
            if arguments.until_broken:
                break
    cpu = time.process_time() - begin
    print(f"{days:.0f} days in {cpu:.1f} s of CPU: {days / cpu * 60:.0f} days a minute; broken: {failed or 'none'}")
    if watch is not None:
        rooms.tell(watch)
    return int(bool(failed))


sys.exit(main())
