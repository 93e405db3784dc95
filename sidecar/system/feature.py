"""Creates the maintenance jobs of the database, and their schedules."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from sidecar_protocol.system.maintenance import BackUpDatabase, PruneHistory, VacuumDatabase

from sidecar.clock import DAY_S
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime
from sidecar.system.maintenance import BackUpHandler, History, PruneHandler, VacuumHandler

log = logging.getLogger(__name__)

SCHEDULES: Final = (
    ("maintenance.backup", BackUpDatabase, DAY_S),
    ("maintenance.prune", PruneHistory, DAY_S),
    ("maintenance.vacuum", VacuumDatabase, 7 * DAY_S),
)
"""Schedule id, job type and period in seconds."""


def make(
    runtime: Runtime,
    history: History,
    prune_events: Callable[[int], int],
    merge_indexes: Callable[[int], Iterator[None]],
) -> Feature:
    """Returns the maintenance jobs as a feature.

    `history` deletes old jobs, `prune_events(limit)` deletes old events and returns how many, and
    `merge_indexes(pages)` merges the full-text indexes step by step.
    """

    async def schedule() -> None:
        try:
            for schedule_id, spec, period_s in SCHEDULES:
                runtime.schedules.ensure(schedule_id, spec(), period_s=period_s)
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("could not schedule the maintenance jobs; the next start will retry")

    return Feature(
        registrations=(
            Registration(BackUpDatabase, BackUpHandler(runtime)),
            Registration(PruneHistory, PruneHandler(runtime, history, prune_events)),
            Registration(VacuumDatabase, VacuumHandler(runtime, merge_indexes)),
        ),
        prepare=schedule,
    )
