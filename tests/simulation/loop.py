"""An event loop with virtual time: when nothing is ready, the clock jumps to the next timer or event of the world.

Rules that make it deterministic:
- Only pipes within this process are watched; those that are ready at once are served in the order of registration.
- Threads are handed over: what would run in one runs at once, on the loop, either before or after a pause that the
  world chooses.  Code in a thread therefore never overlaps with code of the loop, but the loop goes on meanwhile.
- Signals do not exist, and no program can be started unless the world offers it.
"""

import asyncio
import math
import os
import selectors
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from itertools import count
from typing import Any, Protocol, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from anyio._backends import _asyncio

T = TypeVar("T")
PRESENCE_S = 300.0
"""How often a process looks for its files, in seconds: in this world they are not moved under it."""


class Killed(KeyboardInterrupt):  # asyncio lets only this and SystemExit leave the loop
    """The process is killed at this moment; nothing of it runs any more."""


class World(Protocol):
    """Everything outside of the process."""

    now: float
    """Seconds since the beginning; the loop's time."""

    def exchange(self) -> None:
        """Lets the host read and write."""

    def wait(self, timeout_s: float | None) -> None:
        """Lets the time pass until the world's next event, which happens then, but at the latest after `timeout_s`."""

    def step(self) -> None:
        """Called before each callback of the loop.  Raises `Killed` to end the process there."""

    def thread_pause(self) -> tuple[float, float]:
        """Returns how long a thread works before and after the moment at which its work takes effect."""

    async def start_program(self, loop: asyncio.AbstractEventLoop, make: Any, *command: Any, **more: Any) -> Any:
        """Starts a program, and returns its transport and protocol.  Raises FileNotFoundError if it does not exist."""


class _Selector(selectors.BaseSelector):
    """Asks the system what is ready without waiting, and lets the world's time pass instead."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._real = selectors.DefaultSelector()
        self._order: dict[int, int] = {}
        self._registrations = count()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._real.register(fileobj, events, data)
        self._order[key.fd] = next(self._registrations)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._world.exchange()
        ready = self._real.select(0)
        if not ready and (timeout is None or timeout > 0):
            self._world.wait(timeout)
            self._world.exchange()
            ready = self._real.select(0)
        return sorted(ready, key=lambda one: self._order[one[0].fd])

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map() or {}

    def watched(self) -> list[int]:
        """Returns the descriptors that are watched."""
        return list(self.get_map())


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop of one start of the process."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._watching = _Selector(world)
        super().__init__(self._watching)
        self._own = set(self._watching.watched())

    def time(self) -> float:
        return self.world.now

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override]
        """Does nothing."""

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        return asyncio.ensure_future(hand_over(func, *args), loop=self)

    async def subprocess_exec(self, protocol_factory: Any, *args: Any, **more: Any) -> Any:
        return await self.world.start_program(self, protocol_factory, *args, **more)

    def drop(self) -> None:
        """Ends the loop as a killed process ends: its descriptors are closed, its callbacks are forgotten."""
        for descriptor in set(self._watching.watched()) - self._own:
            with suppress(KeyError, ValueError):
                self._watching.unregister(descriptor)
            with suppress(OSError):
                os.close(descriptor)
        self.close()


async def hand_over(function: Callable[..., T], *arguments: Any) -> T:
    """Does what a thread would do."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    before, after = loop.world.thread_pause()
    await asyncio.sleep(before)
    result = function(*arguments)
    await asyncio.sleep(after)
    return result


async def _run_sync(
    func: Callable[..., T], *args: Any, abandon_on_cancel: bool = False, cancellable: bool | None = None, **more: Any
) -> T:
    with anyio.CancelScope(shield=not abandon_on_cancel):
        return await hand_over(func, *args)
    raise AssertionError("a scope that is not cancelled does not end early")


def replace_threads() -> None:
    """Lets anyio hand over what would run in threads; call it before `sidecar` is imported."""
    setattr(anyio.to_thread, "run_sync", _run_sync)  # noqa: B010 - mypy would want the whole signature
    setattr(anyio.from_thread, "check_cancelled", lambda: None)  # noqa: B010 - it asks the thread that it runs in


class _Ordered(dict[Any, None]):
    """A set in the order of its making; the order of a real one of tasks depends on their addresses."""

    def __init__(self, ones: Iterable[Any] = ()) -> None:
        super().__init__(dict.fromkeys(ones))

    def add(self, one: Any) -> None:
        self[one] = None

    def discard(self, one: Any) -> None:
        self.pop(one, None)

    remove = dict.__delitem__


def order_cancellations() -> None:
    """Lets anyio cancel the tasks of a group in the order in which they were started."""
    setattr(_asyncio, "set", _Ordered)  # noqa: B010 - it is a builtin that the module has not replaced


def replace_programs() -> None:
    """Hides the programs of this computer, and the end of the one that has started this one."""
    from sidecar import app
    from sidecar.claude.process import cli_process, orphans
    from tests.simulation.claude.programs import PROGRAMS

    setattr(app, "watch_parent", lambda *_: None)  # noqa: B010 - mypy would want the whole signature
    setattr(orphans, "psutil", PROGRAMS)  # noqa: B010 - mypy would want a module
    setattr(cli_process, "os", PROGRAMS)  # noqa: B010 - see above
    setattr(cli_process, "_isolation", dict)  # noqa: B010 - it would find out about the real parent


def keep_models() -> None:
    """Lets all starts share what each would build from the contract, and look less often for moved files.

    The addresses of requests, of which there are few, are parsed once.
    """
    from httpx import _urlparse, _urls
    from sidecar_protocol import catalog
    from sidecar_protocol.contract import ToolUse, methods
    from sidecar_protocol.tools import tools_of

    from sidecar.hub import tools
    from sidecar.storage import presence
    from sidecar.wire import dispatch

    shared = tools_of(catalog.methods(), *ToolUse)
    for tool in shared:
        _ = tool.definition  # which takes longer than all the rest of a start
    setattr(tools, "tools_of", lambda *_: shared)  # noqa: B010 - mypy would want the whole signature
    setattr(dispatch, "methods_of", cache(methods.methods_of))  # noqa: B010 - mypy would want the whole signature
    setattr(_urls, "urlparse", lru_cache(4_096)(_urlparse.urlparse))  # noqa: B010 - the module does not export it
    setattr(presence, "CHECK_S", PRESENCE_S)  # noqa: B010 - it is final


def count_steps() -> None:
    """Lets the world look at each callback of a loop, which includes every `await` that waits."""
    run = asyncio.Handle._run  # noqa: SLF001 - the only place where every step passes

    def step(self: asyncio.Handle) -> None:
        loop = self._loop  # type: ignore[attr-defined]
        if isinstance(loop, SimulatedLoop):
            loop.world.step()
        run(self)

    asyncio.Handle._run = step  # type: ignore[method-assign]  # noqa: SLF001 - see above


def later(now: float, timeout_s: float) -> float:
    """Returns the time after a wait, which is later even if the wait is too short for the number's precision."""
    return max(now + timeout_s, math.nextafter(now, math.inf))
