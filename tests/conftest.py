"""Fixtures of all tests: the event loop, a data folder with an awkward name, and sidecars, as processes and without."""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sidecar.commandline.client import SidecarClient, spawn
from sidecar.paths import isolated_environment
from tests.blocking import nothing_blocks
from tests.in_process_app import InProcessApp
from tests.process.raw_client import RawClient

DAY_S = 86_400
LONGEST_S = 120
"""A test takes less, except for those that do not depend on the time of the day."""
StartSidecar = Callable[..., AbstractAsyncContextManager[SidecarClient]]
StartRawClient = Callable[..., RawClient]

# Derandomized, so that a run fails only because of a change, and without limits of time, which a busy machine exceeds.
# `--hypothesis-profile=fresh` searches for bugs.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fresh", settings.get_profile("same"), derandomize=False, max_examples=1_000)
settings.load_profile("same")


def pytest_runtest_setup() -> None:
    """Lets no test begin shortly before midnight UTC: then maintenance is due in every sidecar, and a day ends."""
    left_s = DAY_S - time.time() % DAY_S
    if left_s < LONGEST_S:
        time.sleep(left_s + 1)


@pytest.fixture
def unblocked() -> Iterator[None]:
    """Lets the product fail where it blocks the loop."""
    with nothing_blocks():
        yield


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The loop that the sidecar runs on."""
    return "asyncio"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that does not exist yet, with a name as users have them."""
    return tmp_path / "My Data 数据"


@pytest.fixture
def sidecar(data_dir: Path) -> StartSidecar:
    """Start the real process on `data_dir`, as in `async with sidecar() as client`; keywords go to its environment."""

    def start(*arguments: str, **more: str) -> AbstractAsyncContextManager[SidecarClient]:
        return spawn(arguments, env=isolated_environment(data_dir, more))

    return start


@pytest.fixture
def raw_client(data_dir: Path) -> StartRawClient:
    """Start the real process on `data_dir`, as raw as it gets, as in `with host() as wire`."""
    return partial(RawClient, data_dir)


@pytest.fixture
def standin() -> Path:
    """The scripted stand-in for `claude`."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a script with a shebang line")
    return Path(__file__).parent / "fakes" / "claude"


@pytest.fixture
async def app(data_dir: Path) -> AsyncIterator[InProcessApp]:
    """The sidecar without its process, after the handshake."""
    made = InProcessApp(data_dir / "sidecar.db")
    await made.initialize()
    made.received.clear()
    yield made
    made.close()
