"""Fixtures of the calendar's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.calendar.google.harness import GoogleRig, google_on, rig_with
from tests.fakes.google import FakeGoogle
from tests.in_process_app import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """2026-11-23T08:00Z, until it is moved."""
    return ManualClock()


@pytest.fixture
def google(clock: ManualClock) -> Iterator[FakeGoogle]:
    """Google, with Ada's empty calendar."""
    with google_on(clock) as made:
        yield made


@pytest.fixture
async def office(data_dir: Path, google: FakeGoogle, clock: ManualClock) -> AsyncIterator[GoogleRig]:
    """The services over an empty database, with Google beside them."""
    async with rig_with(data_dir / "sidecar.db", google, clock) as rig:
        yield rig
