"""A disk that is full for one file of state after the other: a clear error, and the next start finds everything."""

from base64 import b64encode
from pathlib import Path

import pytest

from sidecar.storage.secrets import KEY_FILE
from tests.conftest import StartRawClient
from tests.preload import preload
from tests.process.raw_client import Message, RawClient

KEY = b64encode(bytes(range(32))).decode()
GOOGLE = {"GOOGLE_CLIENT_ID": "id", "GOOGLE_CLIENT_SECRET": "secret"}


def full_disk(name: str, size: int = 0, flag: Path | None = None) -> dict[str, str]:
    """Returns the environment in which files of this name cannot grow beyond `size`, if `flag` exists."""
    more = {} if flag is None else {"FULL_DISK_FLAG": str(flag)}
    return {**preload("full_disk"), "FULL_DISK_FILE": name, "FULL_DISK_BYTES": str(size), **more}


def seal_something(client: RawClient) -> Message:
    """Begins a sign-in, whose verifier is stored encrypted; returns the result, or the error's data."""
    answer = client.call("calendar.oauth.google.start", redirect_uri="http://127.0.0.1:5000")
    return answer["error"]["data"] if "error" in answer else answer


def reason(data: Message) -> tuple[str, str]:
    return data["kind"], data["details"][0]["reason"]


def check(client: RawClient, name: str) -> Message:
    return next(one for one in client.call("system.health")["checks"] if one["name"] == name)


@pytest.mark.parametrize("size", [0, 10, 43])
def test_a_full_disk_while_the_key_is_made_says_so_and_leaves_nothing(raw_client: StartRawClient, size: int) -> None:
    with raw_client(**GOOGLE, **full_disk(f"{KEY_FILE}.part", size)) as client:
        assert client.initialize()["secrets"] == "unprotected"
        for _ in range(2):
            assert reason(seal_something(client)) == ("storage", "disk_full")
        assert [path.name for path in client.data_dir.glob("sidecar.key*")] == []
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"
        assert "state" in seal_something(client)
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=", b"not base64!", b64encode(bytes(33)), None])
def test_a_damaged_key_file_is_locked_says_what_to_do_and_the_hosts_key_works(
    raw_client: StartRawClient, content: bytes | None
) -> None:
    with raw_client(**GOOGLE) as client:
        client.initialize(secrets={"key": KEY})
        assert "state" in seal_something(client)
    path = client.data_dir / KEY_FILE
    path.mkdir() if content is None else path.write_bytes(content)
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "locked"
        refused = seal_something(client)
        assert refused["kind"] == "secrets_locked"
        assert str(path) in refused["hint"]
        health = check(client, "secrets")
        assert (health["status"], health["detail"]) == ("degraded", refused["hint"])
    with raw_client(**GOOGLE) as client:
        assert client.initialize(secrets={"key": KEY})["secrets"] == "protected"
        assert "state" in seal_something(client)
        assert check(client, "secrets")["status"] == "ok"
    assert path.exists()  # it may be repaired


@pytest.mark.parametrize("decorate", [b"\xef\xbb\xbf%s\r\n", b"%s\n", b"  %s \r\n\r\n"])
def test_a_byte_order_mark_and_line_ends_in_the_key_file_do_not_matter(
    raw_client: StartRawClient, decorate: bytes
) -> None:
    with raw_client(**GOOGLE) as client:
        client.initialize()
        assert "state" in seal_something(client)
    path = client.data_dir / KEY_FILE
    path.write_bytes(decorate % path.read_bytes())
    with raw_client(**GOOGLE) as client:
        assert client.initialize()["secrets"] == "unprotected"
        assert "state" in seal_something(client)
