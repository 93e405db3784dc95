"""Fixtures of the calendar tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.calendar.google.harness import GoogleHarness, fake_google, google_harness
from tests.fakes.google import FakeGoogle
from tests.in_process_app import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock at 2026-11-23T08:00Z."""
    return ManualClock()


@pytest.fixture
def google(clock: ManualClock) -> Iterator[FakeGoogle]:
    """A fake Google with Ada's empty calendar."""
    with fake_google(clock) as google:
        yield google


@pytest.fixture
async def harness(data_dir: Path, google: FakeGoogle, clock: ManualClock) -> AsyncIterator[GoogleHarness]:
    """The app with an empty database and the fake Google."""
    async with google_harness(data_dir / "sidecar.db", google, clock) as app:
        yield app
