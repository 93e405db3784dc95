"""kill -9 from outside at any moment under load: after a random number of messages, not after a random time."""

import random
from typing import Final

import pytest

from tests.crashes.cases import nightly
from tests.crashes.invariants import recover
from tests.crashes.recovering_client import FAR_FUTURE, RecoveringClient

KILLS: Final = 10
"""Kills per database before it is checked."""
MAX_MESSAGES: Final = 250
JOB_TYPES: Final = ("crash.once", "crash.repeatable", "crash.repeatable", "crash.flaky", "crash.flaky", "crash.waiting")


def send_random_request(client: RecoveringClient, rng: random.Random) -> None:
    """Sends a random request."""
    key = rng.choice(list(client.creates))
    match rng.randrange(6):
        case 0:
            client.create(*rng.choices(JOB_TYPES, k=rng.randint(1, 6)), priority=rng.randint(-5, 5))
        case 1:
            client.create("crash.once", run_at=FAR_FUTURE)
        case 2:
            client.repeat_creates(key)  # must not create a second job
        case 3 | 4 if key in client.job_ids:
            client.cancel(key)
        case _:
            client.send("jobs.list", limit=rng.randint(1, 200))


@pytest.mark.parametrize("seed", [0, *map(nightly, range(1, 5))])
def test_random_kills_under_load_lose_repeat_and_invent_nothing(client: RecoveringClient, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(KILLS):
        messages = rng.randint(1, MAX_MESSAGES)
        with client.sidecar() as raw:
            client.create(*rng.choices(JOB_TYPES, k=rng.randint(1, 8)))
            client.repeat_creates()
            for _ in range(messages):
                if rng.random() < 0.3 or not client.has_open_requests:
                    send_random_request(client, rng)
                assert client.read() is not None
            raw.process.kill()
            client.expect_killed()
    recover(client)
