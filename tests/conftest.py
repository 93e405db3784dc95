"""Fixtures of all tests: the event loop, a data folder with an awkward name, and sidecars as processes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest

from sidecar.client import SidecarClient, spawn
from tests.process.host import Host, environment

StartSidecar = Callable[..., AbstractAsyncContextManager[SidecarClient]]
StartHost = Callable[..., Host]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """asyncio is what the sidecar runs on."""
    return "asyncio"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder that does not exist yet, with a name as users have them."""
    return tmp_path / "My Data 数据"


@pytest.fixture
def sidecar(data_dir: Path) -> StartSidecar:
    """`async with sidecar() as client`: the real process on `data_dir`; keywords are added to its environment."""

    def start(*arguments: str, **more: str) -> AbstractAsyncContextManager[SidecarClient]:
        return spawn(arguments, env=environment(data_dir, more))

    return start


@pytest.fixture
def host(data_dir: Path) -> StartHost:
    """`with host() as wire`: the real process on `data_dir`, as raw as it gets."""
    return partial(Host, data_dir)
