"""Which service serves which method, and that a feature is not made before one of its methods is called."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from itertools import count

import anyio
import anyio.lowlevel
import pytest
from sidecar_protocol import catalog
from sidecar_protocol.events import EventPage, Events
from sidecar_protocol.system.backups import SystemBackups
from sidecar_protocol.system.status import System

from sidecar.features import FEATURES, importing
from sidecar.system.backups import BackupsService
from sidecar.system.service import SystemService
from sidecar.wire.dispatch import Routes
from tests.in_process_app import InProcessApp


class Replay(Events):
    """A service, for its name only."""

    async def replay(self, *, after_seq: int, limit: int = 500) -> EventPage:
        pytest.fail("it is found, and not called")


async def test_every_method_of_the_contract_is_served_by_an_implementation_of_its_own(app: InProcessApp) -> None:
    """Nothing lists the services, so that a method without one would be found by its first caller."""
    deferred = {type(one) for make in app.features.deferred.values() for one in make()}
    implementations = {SystemService, BackupsService, *map(type, app.services), *deferred}
    for declared in catalog.methods():
        if declared.interface not in (System, SystemBackups):  # about the process, which the app lacks
            assert app.routes.find(declared.name) is not None, declared.name
        found = [getattr(one, declared.attribute) for one in implementations if declared.interface in one.__mro__]
        assert len(found) == 1, declared.name
        assert found != [declared.function], declared.name


async def test_each_domain_of_the_contract_is_served_at_the_start_or_by_the_one_feature_that_lists_it(
    app: InProcessApp,
) -> None:
    domains = [domain for listed in FEATURES.values() for domain in listed]
    assert len(set(domains)) == len(domains)
    system = (SystemService.__new__(SystemService), BackupsService.__new__(BackupsService))
    at_the_start = Routes((*app.services, *system), {})
    for declared in catalog.methods():
        domain = declared.name.partition(".")[0]
        assert (at_the_start.find(declared.name) is None) == (domain in domains), declared.name
    for name, listed in FEATURES.items():
        served = Routes(app.features.get(name).services, {})
        for declared in catalog.methods():
            assert (served.find(declared.name) is not None) == (declared.name.partition(".")[0] in listed)


def test_a_domain_is_made_once_when_one_of_its_methods_is_called() -> None:
    made: list[str] = []

    def make() -> Iterable[object]:
        made.append("events")
        return (Replay(),)

    routes = Routes((), {"events": make, "calendar": lambda: pytest.fail("nobody asked for it")})
    assert routes.find("jobs.list") is None
    assert made == []
    route = routes.find("events.replay")
    assert route is not None
    assert routes.find("events.replay") is route
    assert routes.find("events.forget") is None
    assert made == ["events"]


def test_a_domain_that_could_not_be_made_is_tried_again_at_the_next_call() -> None:
    services = iter([None, (Replay(),)])

    def make() -> Iterable[object]:
        made = next(services)
        if made is None:
            raise OSError
        return made

    routes = Routes((), {"events": make})
    with pytest.raises(OSError, match=r"^$"):
        routes.find("events.replay")
    assert routes.find("events.replay") is not None


async def test_what_waits_for_an_import_is_served_in_order_and_before_what_comes_later(app: InProcessApp) -> None:
    """Something comes in each iteration of the loop, as lines do; then the import may end between any two."""
    loop, served, numbers = asyncio.get_running_loop(), list[int](), count()

    async def serve_later(number: int, wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        served.append(number)

    def receive() -> None:
        wait, number = app.features.loading("activity"), next(numbers)
        if wait is None:
            served.append(number)
        else:
            tasks.start_soon(serve_later, number, wait)

    readable, other = socket.socketpair()
    with readable, other, anyio.fail_after(120):
        other.send(b"never read")
        async with anyio.create_task_group() as tasks:
            with importing("something else"):
                loop.add_reader(readable, receive)
                await anyio.sleep(0.01)
            while app.features.loading("activity") is not None:
                await anyio.lowlevel.checkpoint()
            await anyio.sleep(0.01)
            loop.remove_reader(readable)
    assert served == list(range(next(numbers)))


async def test_work_that_is_only_being_prepared_does_not_begin_in_a_process_that_drains(app: InProcessApp) -> None:
    app.is_draining = True
    with anyio.fail_after(120):
        await app.features.run_work(lambda: None)
        assert await app.features.stop_work(1.0) == (0, True)
    assert app.job_queue.worker is None
    assert (await app.call("jobs.schedules.list"))["schedules"] == []
