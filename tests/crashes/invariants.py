"""What no crash may break, from the host's point of view.  `hold` states all of it, after any number of deaths.

1  Every acknowledged create exists, once; a create that was not answered may be repeated under its key.
2  Every job ends.
3  A handler begins only after its claim is durable, once a claim; of a job that a crash must not repeat, once an
   attempt, and what a crash cut off says so.  Others run again, after at most three crashes.
4  The host is told every event of the log once and in order, pushed or resumed; a replay from the start says the same.
5  The last thing that the host was told of a job is how the job stands.
6  A job whose cancelling was acknowledged never runs again, and ends as cancelled unless it was quicker.
7  The database is sound, and nothing of the processes is left.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psutil

from tests.crashes.witness import FAR, FINAL, Witness
from tests.process.host import Message, MortalHost

MAX_RECOVERIES: Final = 3
REPEATABLE: Final = {"crash.again", "crash.snoozing", "crash.waiting"}


def recover(witness: Witness) -> None:
    """Start without faults, ask for what is open, wait until every job has ended, and hold all of it to be true."""
    with witness.life() as wire:
        witness.ask_again()
        assert witness.until_answered(), "the sidecar ended"
        for key, params in witness.wanted.items():
            if params["type"] == "crash.waiting" or params.get("run_at") == FAR:
                witness.cancel(key)
        assert witness.until(lambda: witness.until_answered() and witness.all_final()), "the sidecar ended"
        hold(witness, wire)
        wire.close_stdin()
        assert wire.rest_of(witness) == 0
    stored_is_sound(witness)


def hold(witness: Witness, wire: Any) -> None:
    raise NotImplementedError
