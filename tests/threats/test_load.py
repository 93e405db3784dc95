"""A host at its worst within the limits costs bounded memory, and other requests are answered meanwhile."""

import socket
from pathlib import Path

import psutil
import pytest

from tests.conftest import StartRawClient
from tests.process.raw_client import MODIFIED_SIDECAR, RawClient, line

MIB: int = 1024 * 1024
LINE: int = 32 * MIB
"""`max_message_bytes`."""
ACCOUNTS: int = 600


def rss(client: RawClient) -> int:
    return int(psutil.Process(client.process.pid).memory_info().rss)


def peak_rss(client: RawClient) -> int:
    """Returns the most memory that the process has had at any time."""
    status = Path(f"/proc/{client.process.pid}/status")
    if not status.exists():
        pytest.skip("only Linux knows the most memory of another process")
    (found,) = [one for one in status.read_text().splitlines() if one.startswith("VmHWM:")]
    return int(found.split()[1]) * 1024


def warm_up(client: RawClient) -> int:
    """Calls each method that the tests call, and returns the memory after that."""
    client.initialize()
    for name in ("system.health", "jobs.list", "system.status", "accounts.list"):
        client.call(name)
    client.call("calendar.accounts.create", provider="ics", email="a@b.c", credentials={"address": "/none"})
    return rss(client)


def cpu_time(client: RawClient) -> float:
    used = psutil.Process(client.process.pid).cpu_times()
    return float(used.user + used.system)


def work_before_answer(client: RawClient, number: int) -> float:
    """Returns the CPU time, in seconds, that the process used before it answered a request that waits for nothing.

    A busy machine adds nothing to it; a process that does other work first, much.
    """
    before = cpu_time(client)
    client.send(line("jobs.list", f"quick {number}"))
    client.answer(f"quick {number}")
    return cpu_time(client) - before


def test_requests_beyond_256_waiting_ones_are_refused_and_quick_ones_answered(raw_client: StartRawClient) -> None:
    """The waiting ones ask a server that never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as silent, raw_client() as client:
        before = warm_up(client)
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/a.ics"
        create = {"provider": "ics", "email": "a@example.com", "credentials": {"address": address}}
        client.send(b"".join(line("calendar.accounts.create", n, **create) for n in range(2_000)))
        assert work_before_answer(client, 1) < 10
        client.send(line("system.health", "last"))
        assert client.answer("last")["result"]["status"] in ("ok", "degraded")
        refused = [client.answer(n)["error"]["data"]["kind"] for n in range(256, 2_000)]
        assert set(refused) == {"overloaded"}
        assert rss(client) - before < 40 * MIB
        client.send(b"".join(line("$/cancelRequest", id=n) for n in range(256)))
        assert {client.answer(n)["error"]["data"]["kind"] for n in range(256)} == {"cancelled"}


LINES = {
    "a text": b'"%s"' % (b"a" * (LINE - 200)),
    "numbers": b"[%s0]" % (b"0," * (LINE // 2 - 200)),
    "empty objects": b"[%s0]" % (b"{}," * (LINE // 3 - 200)),
    "depth": b"[" * (LINE - 200),
    "escapes": b'"%s"' % (b"\\u0041" * (LINE // 6 - 200)),
    "names": b"{%s}" % b",".join(b'"%07x":0' % n for n in range((LINE - 200) // 13)),
    "one number": b"1" * (LINE - 200),
}


@pytest.mark.parametrize("name", LINES)
def test_the_longest_line_costs_a_multiple_of_its_size_and_is_answered(raw_client: StartRawClient, name: str) -> None:
    with raw_client() as client:
        before = warm_up(client)
        text = b'{"jsonrpc":"2.0","id":"long","method":"jobs.list","params":{"x":%s}}\n' % LINES[name]
        client.send(text)
        client.send(line("system.health", "after"))
        assert client.answer("after")["result"]["status"]
        assert peak_rss(client) - before < 400 * MIB
        assert rss(client) - before < 200 * MIB, "most of it is returned"


def test_batches_of_the_most_requests_with_the_largest_payloads_are_served(raw_client: StartRawClient) -> None:
    """A line of 32 MiB has room for ten payloads of 3 MiB; of 65 requests in a batch none is served."""
    payload = {"text": "a" * (3 * MIB - 100)}
    later = {"run_at": "2999-01-01T00:00:00Z"}
    with raw_client(command=MODIFIED_SIDECAR) as client:
        before = warm_up(client)
        largest = b",".join(
            line("jobs.create", n, type="test.echo", payload=payload, **later).strip() for n in range(10)
        )
        for _ in range(2):
            client.send(b"[%s]\n" % largest)
            assert {"job" in one["result"] for one in client.next_answer()} == {True}
        assert work_before_answer(client, 1) < 10
        too_large = line("jobs.create", "3", type="test.echo", payload={"text": "a" * 3 * MIB})
        client.send(too_large)
        assert client.answer("3")["error"]["data"]["kind"] == "payload_too_large"
        client.send(b"[%s]\n" % b",".join(line("jobs.list", n).strip() for n in range(64)))
        assert len(client.next_answer()) == 64
        client.send(b"[%s]\n" % b",".join(line("jobs.list", n).strip() for n in range(65)))
        assert client.next_answer()["error"]["data"]["kind"] == "invalid_request"
        # A page of such jobs would be larger than a response may be, and ends earlier.
        assert 1 <= len(client.call("jobs.list", limit=500)["jobs"]) < 50
        assert peak_rss(client) - before < 400 * MIB


def test_hundreds_of_accounts_leave_the_process_quick_and_small(raw_client: StartRawClient, tmp_path: Path) -> None:
    event = "BEGIN:VEVENT\nUID:1\nDTSTART:20261130T120000Z\nEND:VEVENT"
    calendar = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:a\n{event}\nEND:VCALENDAR\n"
    for n in range(ACCOUNTS):
        (tmp_path / f"{n}.ics").write_text(calendar)
    with raw_client() as client:
        before = warm_up(client)
        most = 0.0
        for start in range(0, ACCOUNTS, 200):
            for n in range(start, start + 200):
                credentials = {"address": str(tmp_path / f"{n}.ics")}
                client.send(line("calendar.accounts.create", n, provider="ics", email="a@b.c", credentials=credentials))
            most = max(most, work_before_answer(client, start))
            assert all("result" in client.answer(n) for n in range(start, start + 200))
        assert len(client.call("calendar.accounts.list")["accounts"]) == ACCOUNTS
        assert client.call("system.status")["queue"]
        assert most < 10
        assert peak_rss(client) - before < 150 * MIB
    with raw_client() as client:  # the syncs of all accounts are due
        client.initialize()
        assert max(work_before_answer(client, n) for n in range(20)) < 10
