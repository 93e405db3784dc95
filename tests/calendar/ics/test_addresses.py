"""The same calendar file is connected once, whatever the form of its address or path."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sidecar.calendar.accounts_store import AccountRow, CredentialsStore
from sidecar.calendar.ics.address import canonical_url, normalize, redirected
from sidecar.calendar.provider import StoredAccount
from sidecar.commandline.client import RemoteError
from tests.calendar.google.harness import CalendarHarness
from tests.calendar.ics.harness import OWNER, day, vcalendar, vevent
from tests.fakes.ics import PRIVATE, FakeIcs
from tests.in_process_app import ManualClock

FILE = vcalendar(vevent(f"DTSTART;VALUE=DATE:{day(1)}", "SUMMARY:Next"))


@pytest.fixture
def server() -> Iterator[FakeIcs]:
    """A server of a file with one event."""
    with FakeIcs(body=FILE) as fake:
        yield fake


@pytest.fixture
async def harness(data_dir: Path, clock: ManualClock) -> AsyncIterator[CalendarHarness]:
    """The sidecar in this process, with an empty database."""
    harness = CalendarHarness(data_dir / "sidecar.db", clock)
    await harness.initialize()
    try:
        yield harness
    finally:
        await harness.runtime.http().close()
        harness.close()


async def connect(harness: CalendarHarness, address: str | Path, email: str = OWNER) -> str:
    account = await harness.accounts.create(provider="ics", email=email, credentials={"address": str(address)})
    return account.account_id


async def refusal(harness: CalendarHarness, address: str | Path) -> tuple[str, str]:
    """Returns the kind of a connection's error, and the account that it names."""
    with pytest.raises(RemoteError) as caught:
        await connect(harness, address, "another@example.com")
    assert PRIVATE not in str(caught.value.data) + caught.value.message
    return caught.value.data["kind"], caught.value.data["details"][0]["account_id"]


async def test_an_address_is_connected_once(harness: CalendarHarness, server: FakeIcs) -> None:
    account_id = await connect(harness, server.address)
    for form in (
        server.address,
        server.address.replace("http://", "HTTP://"),
        server.address + "#today",
        server.address.replace("%40", "@").replace("basic", "%62asic"),
    ):
        assert await refusal(harness, form) == ("account_exists", account_id)
    assert len((await harness.calendars.list_accounts()).accounts) == 1
    await connect(harness, server.address + "?other=1")


@pytest.mark.parametrize(
    "form",
    [
        "webcal://calendar.example.com/a%40b/basic.ics",
        "webcals://Calendar.Example.com:443/a%40b/basic.ics",
        "HTTPS://CALENDAR.EXAMPLE.COM./a@b/basic.ics#x",
        "https://calendar.example.com:0443/%61%40b/basic%2Eics",
        "https://calendar.example.com/x/../a%40b/./basic.ics",
    ],
)
def test_forms_of_an_address_have_one_canonical_form(form: str) -> None:
    assert canonical_url(normalize(form)) == canonical_url("https://calendar.example.com/a%40b/basic.ics")


@pytest.mark.parametrize(
    "other",
    [
        "https://calendar.example.com/A%40b/basic.ics",
        "https://calendar.example.com/a%40b/basic.ics?x=1",
        "https://calendar.example.com:444/a%40b/basic.ics",
        "https://calendar.example.com/a%2540b/basic.ics",
        "https://calendar.example.com/a%2Fb/basic.ics",
        "https://www.calendar.example.com/a%40b/basic.ics",
    ],
)
def test_other_addresses_have_another_canonical_form(other: str) -> None:
    assert canonical_url(normalize(other)) != canonical_url("https://calendar.example.com/a%40b/basic.ics")
    assert canonical_url(other) != canonical_url("https://calendar.example.com/a/b/basic.ics")


async def test_a_file_is_connected_once_by_any_path(harness: CalendarHarness, tmp_path: Path) -> None:
    path = tmp_path / "my calendar.ics"
    path.write_bytes(FILE)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.ics").symlink_to(path)
    (tmp_path / "linked").symlink_to(tmp_path)
    account_id = await connect(harness, tmp_path / "link.ics")
    for form in (
        str(path),
        path.as_uri(),
        f"{tmp_path}/folder/../my calendar.ics",
        f"{tmp_path}//./my calendar.ics",
        str(tmp_path / "linked" / "my calendar.ics"),
    ):
        assert await refusal(harness, form) == ("account_exists", account_id), form
    os.link(path, tmp_path / "hard.ics")
    (tmp_path / "copy.ics").write_bytes(FILE)
    await connect(harness, tmp_path / "copy.ics")


async def test_an_account_takes_the_new_address_of_its_calendar(harness: CalendarHarness, server: FakeIcs) -> None:
    with FakeIcs(body=FILE) as other:
        account_id = await connect(harness, server.address)
        other_id = await connect(harness, other.address)
        await harness.sync(account_id)
        server.status = 404
        await harness.sync(account_id, "failed")
        credentials = {"address": other.address}
        with pytest.raises(RemoteError) as caught:
            await harness.accounts.update(account_id=account_id, credentials=credentials)
        assert (caught.value.data["kind"], caught.value.data["details"]) == (
            "account_exists",
            [{"account_id": other_id}],
        )
        with pytest.raises(RemoteError) as caught:
            await harness.accounts.update(account_id=account_id, credentials={"address": server.address})
        assert caught.value.data["kind"] == "credentials_rejected"
        await harness.accounts.delete(account_id=other_id)
        updated = await harness.accounts.update(
            account_id=account_id, credentials=credentials, display_name="Mine", past_days=3
        )
        assert (updated.status.value, updated.reason, updated.display_name, updated.past_days) == (
            "active",
            None,
            "Mine",
            3,
        )
        await harness.sync(account_id)
        assert len(await harness.events()) == 1
        assert other.requests


async def test_an_account_keeps_its_own_address(harness: CalendarHarness, server: FakeIcs) -> None:
    account_id = await connect(harness, server.address)
    again = await harness.accounts.update(account_id=account_id, credentials={"address": server.address})
    assert again.account_id == account_id


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost.", "mine.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0.0.0.0",  # noqa: S104 - a host in a URL
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]",
    ],
)  # fmt: skip
def test_a_server_of_the_internet_redirects_nobody_into_the_local_network(host: str) -> None:
    public = "https://calendar.example.com/a.ics"
    assert redirected(public, f"https://{host}/a.ics") is None
    assert redirected(f"https://{host}/a.ics", "/b.ics") == f"https://{host}/b.ics", "the owner chose this network"
    assert redirected(f"https://{host}/a.ics", public) == public


@pytest.mark.parametrize(
    "target", ["https://8.8.8.8/", "https://[2606:4700:4700::1111]/", "https://files.example.org/"]
)
def test_a_server_of_the_internet_redirects_to_another(target: str) -> None:
    assert redirected("https://calendar.example.com/a.ics", target) == target


@pytest.mark.parametrize("scheme", ["webcal", "webcals", "WEBCAL"])
def test_a_redirect_may_name_the_scheme_of_calendar_apps(scheme: str) -> None:
    found = redirected("https://calendar.example.com/a.ics", f"{scheme}://files.example.org/b.ics")
    assert found == "https://files.example.org/b.ics"


async def test_a_connection_opens_the_credentials_of_few_other_accounts(
    harness: CalendarHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each connection used to decrypt those of all accounts, which took most of the time with thousands."""
    opened: list[str] = []
    original = CredentialsStore.open

    def counting(self: CredentialsStore, row: AccountRow) -> StoredAccount:
        opened.append(row.account_id)
        return original(self, row)

    monkeypatch.setattr(CredentialsStore, "open", counting)
    for number in range(12):
        path = tmp_path / f"{number}.ics"
        path.write_bytes(FILE)
        await connect(harness, path)
    assert len(opened) <= 12
    moved = (await harness.calendars.list_accounts()).accounts[0]
    (tmp_path / "moved.ics").write_bytes(FILE)
    await harness.accounts.update(account_id=moved.account_id, credentials={"address": str(tmp_path / "moved.ics")})
    assert await refusal(harness, tmp_path / "moved.ics") == ("account_exists", moved.account_id)
    await connect(harness, tmp_path / "0.ics")


async def test_a_validator_that_no_header_can_repeat_is_not_sent_back(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.etag = '"café"'
    account_id = await connect(harness, server.address)
    for _ in range(2):
        await harness.sync(account_id)
    assert server.statuses() == [200, 200, 200]
    assert await harness.titles() == ["Next"]


async def test_a_server_that_says_not_modified_without_being_asked_is_reported_as_such(
    harness: CalendarHarness, server: FakeIcs
) -> None:
    server.status = 304
    with pytest.raises(RemoteError, match="HTTP 304"):
        await connect(harness, server.address)
