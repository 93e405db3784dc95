"""A host's `process_id` only says when to end: what is no process, or another one, harms nothing."""

import subprocess
import sys

import pytest

from sidecar import exit_codes
from tests.conftest import StartRawClient


@pytest.mark.parametrize("process_id", [1, 2**22 + 1, 2**31 - 1, 2**31, 2**32])
def test_an_id_of_no_process_and_of_the_first_one_change_nothing(raw_client: StartRawClient, process_id: int) -> None:
    with raw_client() as wire:
        assert "protocol_version" in wire.initialize(process_id=process_id)
        assert wire.call("system.health")["status"]
        wire.close_stdin()
        assert wire.exit_code() == 0


@pytest.mark.parametrize("process_id", [0, -1, -(2**31), 2**32 + 1, 1.5, "1", True])
def test_what_is_no_id_is_refused(raw_client: StartRawClient, process_id: object) -> None:
    with raw_client() as wire:
        assert wire.initialize(process_id=process_id)["error"]["data"]["kind"] == "invalid_params"


def test_the_end_of_another_process_that_a_host_names_ends_the_sidecar_and_nothing_else(
    raw_client: StartRawClient,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as named, raw_client() as wire:
        wire.initialize(process_id=named.pid)
        assert wire.call("system.health")["status"]
        assert named.poll() is None
        named.kill()
        assert wire.exit_code() == exit_codes.HOST_DIED
