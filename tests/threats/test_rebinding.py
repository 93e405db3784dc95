"""Names of the internet do not lead into the local network: not by a redirect, and not by answers that change."""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest

from sidecar.commandline.client import RemoteError
from sidecar.http.client import Http, HttpError, HttpRequest, HttpResponse, InvalidUrl
from sidecar.http.hosts import may_have
from sidecar.http.transport import HttpxTransport
from tests.calendar.google.harness import CalendarHarness
from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.fakes.ics import FakeIcs
from tests.in_process_app import ManualClock

PUBLIC, OTHER_PUBLIC, INNER = "93.184.215.14", "2606:4700:4700::1111", "10.0.0.7"
FILE = vcalendar(vevent(f"DTSTART;VALUE=DATE:{day(1)}", "SUMMARY:Next"))


class World(httpcore.AnyIOBackend):
    """Names and addresses as the test sets them; every address leads to the servers on this computer."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        """The answers for each name, the last of which is repeated."""
        self.connected: list[str] = []
        self.dead: set[str] = set()

    async def resolve(self, host: str, port: int) -> list[str]:
        del port
        answers = self.names.get(host, [[host]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append(host)
        if host in self.dead:
            raise httpcore.ConnectError("refused")
        return _Plain(await super().connect_tcp("127.0.0.1", port, timeout, local_address, socket_options))


class _Plain(httpcore.AsyncNetworkStream):
    """A connection whose TLS is left out, so that https leads to the tests' servers."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self.read, self.write, self.aclose = stream.read, stream.write, stream.aclose  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - as httpcore calls it
    ) -> httpcore.AsyncNetworkStream:
        del ssl_context, server_hostname, timeout
        return self


class Harness(CalendarHarness):
    """The app in the test's world."""

    def make_http(self) -> Http:
        self.world = World()
        return Http(
            self.clock,
            random_fraction=lambda: 0.5,
            sleep=self.waits,
            connect=lambda size: HttpxTransport(size, dialer=self.world, resolve=self.world.resolve),
        )


@pytest.fixture
def server() -> Iterator[FakeIcs]:
    with FakeIcs(body=FILE) as fake:
        yield fake


@pytest.fixture
async def harness(data_dir: Path) -> AsyncIterator[Harness]:
    harness = Harness(data_dir / "sidecar.db", ManualClock())
    await harness.initialize()
    try:
        yield harness
    finally:
        await harness.runtime.http().close()
        harness.close()


def at(server: FakeIcs, host: str) -> str:
    """Returns the address of the server's file under another name of its host."""
    return server.address.replace("http://127.0.0.1", f"https://{host}")


async def connect(harness: Harness, address: str) -> str:
    account = await harness.accounts.create(provider="ics", email=OWNER, credentials={"address": address})
    return account.account_id


async def test_a_server_of_the_internet_redirects_nobody_to_a_name_that_leads_into_the_local_network(
    harness: Harness, server: FakeIcs
) -> None:
    with FakeIcs(body=FILE) as inner:
        harness.world.names = {"calendar.example.com": [[PUBLIC]], "wiki.example.org": [[INNER]]}
        account_id = await connect(harness, at(server, "calendar.example.com"))
        server.redirects = {server.address.removeprefix(server.url): at(inner, "wiki.example.org")}
        job = await harness.sync(account_id, "failed")
        assert (job["error"]["kind"], inner.requests) == ("bad_address", [])
        harness.world.names["wiki.example.org"] = [[OTHER_PUBLIC]]
        await harness.sync(account_id)
        assert inner.statuses() == [200], "a server of the internet may redirect to another"


async def test_servers_of_the_local_network_that_the_user_chose_are_read_and_may_redirect(
    harness: Harness, server: FakeIcs
) -> None:
    with FakeIcs(body=FILE) as moved:
        harness.world.names = {"calendar.corp.example": [[INNER]], "other.corp.example": [["192.168.1.4"]]}
        server.redirects = {server.address.removeprefix(server.url): at(moved, "other.corp.example")}
        for host in ("calendar.corp.example", INNER, "[fd00::1]"):
            account_id = await connect(harness, at(server, host))
            await harness.sync(account_id)
            await harness.accounts.delete(account_id=account_id)
        assert moved.requests
        assert {*harness.world.connected} == {INNER, "fd00::1", "192.168.1.4"}


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::"]  # noqa: S104 - addresses of a name
)  # fmt: skip
async def test_a_name_that_leads_to_this_computer_is_not_connected_to(
    harness: Harness, server: FakeIcs, address: str
) -> None:
    harness.world.names = {
        "rebound.example.com": [[address]],
    }
    with pytest.raises(RemoteError) as refused:
        await connect(harness, at(server, "rebound.example.com"))
    assert "leads to this computer" in refused.value.message
    site = at(server, "rebound.example.com").partition("/ical")[0]
    with pytest.raises(RemoteError) as refused:
        await harness.call("jira.accounts.create", {"org": "a", "base_url": site, "email": OWNER, "api_token": "token"})
    assert "leads to this computer" in refused.value.message
    assert (harness.world.connected, server.requests) == ([], [])


async def exchange(world: World, url: str, **fields: Any) -> HttpResponse:
    transport = HttpxTransport(1_000_000, dialer=world, resolve=world.resolve)
    try:
        return await transport.exchange(HttpRequest("GET", url, "The calendar", **fields))
    finally:
        await transport.close()


async def test_a_name_is_looked_up_once_and_the_connection_is_to_an_address_that_was_checked(server: FakeIcs) -> None:
    world = World()
    world.names = {"rebound.example.com": [["127.0.0.1", PUBLIC], ["127.0.0.1"]]}
    response = await exchange(world, at(server, "rebound.example.com"))
    assert (response.status, response.is_from_internet, world.connected) == (200, True, [PUBLIC])


async def test_the_next_address_is_tried_if_one_does_not_answer(server: FakeIcs) -> None:
    world = World()
    world.names, world.dead = {"calendar.example.com": [[OTHER_PUBLIC, PUBLIC]]}, {OTHER_PUBLIC}
    assert (await exchange(world, at(server, "calendar.example.com"))).is_from_internet
    assert world.connected == [OTHER_PUBLIC, PUBLIC]
    world.dead |= {PUBLIC}
    with pytest.raises(HttpError) as unreachable:
        await exchange(world, at(server, "calendar.example.com"))
    assert "could not be reached" in str(unreachable.value)


async def test_localhost_is_this_computer_whatever_its_name_resolves_to(server: FakeIcs) -> None:
    world = World()
    world.names = {"localhost": [[INNER], ["127.0.0.1"]]}
    address = server.address.replace("127.0.0.1", "localhost")
    with pytest.raises(InvalidUrl):
        await exchange(world, address)
    assert not (await exchange(world, address)).is_from_internet
    assert world.connected == ["127.0.0.1"]


async def test_a_pool_of_connections_to_the_local_network_is_not_used_for_requests_to_the_internet(
    server: FakeIcs,
) -> None:
    world = World()
    world.names = {"calendar.example.com": [[INNER]]}
    transport = HttpxTransport(1_000_000, dialer=world, resolve=world.resolve)
    request = HttpRequest("GET", at(server, "calendar.example.com"), "The calendar")
    assert (await transport.exchange(request)).status == 200
    with pytest.raises(InvalidUrl):
        await transport.exchange(HttpRequest("GET", request.url, "The calendar", internet_only=True))
    assert len(server.requests) == 1
    await transport.close()


def test_addresses_that_wrap_those_of_this_computer_count_as_these() -> None:
    for wrapped in ("64:ff9b::7f00:1", "::ffff:127.0.0.1", "2002:7f00:1::"):
        assert not may_have("calendar.example.com", wrapped)
    assert may_have("calendar.example.com", "64:ff9b::5db8:d70e")


def test_this_computer_s_own_name_may_lead_to_it_and_localhost_nowhere_else() -> None:
    for name in ("mybox", "mybox.local", "calendar.home.arpa", "MyBox.LAN."):
        assert may_have(name, "127.0.1.1")  # as Debian's hosts file has it
    assert may_have("localhost", "::1")
    assert not may_have("localhost", INNER)
