"""Fixtures of the calendar's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.calendar.google.harness import GoogleHarness, fake_google, google_harness
from tests.fakes.google import FakeGoogle
from tests.in_process_app import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """2026-11-23T08:00Z, until it is moved."""
    return ManualClock()


@pytest.fixture
def google(clock: ManualClock) -> Iterator[FakeGoogle]:
    """Google, with Ada's empty calendar."""
    with fake_google(clock) as made:
        yield made


@pytest.fixture
async def harness(data_dir: Path, google: FakeGoogle, clock: ManualClock) -> AsyncIterator[GoogleHarness]:
    """The services over an empty database, with Google beside them."""
    async with google_harness(data_dir / "sidecar.db", google, clock) as rig:
        yield rig
