"""Who serves which method, and that what nobody asks for is not made or begun."""

from collections.abc import Iterable

import anyio
import pytest
from sidecar_protocol import catalog
from sidecar_protocol.events import EventPage, Events
from sidecar_protocol.system import System

from sidecar.features import Features
from sidecar.system.service import SystemService
from sidecar.wire.dispatch import Routes
from sidecar.wire.event_log import EventsService
from sidecar.wire.lifecycle import LifecycleService
from tests.loopback import Loopback


class Replay(Events):
    """A service, for its name only."""

    async def replay(self, *, after_seq: int, limit: int = 500) -> EventPage:
        pytest.fail("it is found, and not called")


async def test_every_method_of_the_contract_is_served_by_an_implementation_of_its_own(rig: Loopback) -> None:
    """Nothing lists the services, so that a method without one would be found by its first caller."""
    later = {type(one) for make in rig.features.later.values() for one in make()}
    implementations = {SystemService, EventsService, LifecycleService, *map(type, rig.features.services), *later}
    for declared in catalog.methods():
        route = rig.dispatcher._routes.find(declared.name)
        if declared.interface is not System:  # the rig has no process to speak of
            assert route is not None, declared.name
        found = [getattr(one, declared.attribute) for one in implementations if declared.interface in one.__mro__]
        assert len(found) == 1, declared.name
        assert found != [vars(declared.interface)[declared.attribute]], declared.name


def test_a_domain_is_made_once_when_one_of_its_methods_is_called() -> None:
    made: list[str] = []

    def make() -> Iterable[object]:
        made.append("events")
        return (Replay(),)

    routes = Routes((), {"events": make, "calendar": lambda: pytest.fail("nobody asked for it")})
    assert (routes.known("events.replay"), made) == (None, [])
    assert routes.find("jobs.list") is None
    route = routes.find("events.replay")
    assert route is not None
    assert routes.known("events.replay") is route
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


async def test_work_that_is_only_being_prepared_does_not_begin_in_a_process_that_drains(rig: Loopback) -> None:
    rig.features._is_draining = lambda: True
    with anyio.fail_after(120):
        await Features.run_work(rig.features)
        assert await rig.features.stop_work(1.0) == (0, True)
    assert rig.features._worker is None
    assert (await rig.call("jobs.schedules.list"))["schedules"] == []
