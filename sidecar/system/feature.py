"""The database's upkeep, composed: its three jobs and their schedules."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from typing import Final

from sidecar_protocol.system.maintenance import BackUpDatabase, PruneHistory, VacuumDatabase

from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime
from sidecar.system.maintenance import BackUpHandler, History, PruneHandler, VacuumHandler

log = logging.getLogger(__name__)

DAY_S: Final = 24 * 3600
SCHEDULES: Final = (
    ("maintenance.backup", BackUpDatabase, DAY_S),
    ("maintenance.prune", PruneHistory, DAY_S),
    ("maintenance.vacuum", VacuumDatabase, 7 * DAY_S),
)
"""Id, job type and period in seconds."""


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
    database, clock, committed = runtime.database, runtime.clock, runtime.committed

    async def schedule() -> None:
        try:
            for schedule_id, spec, period_s in SCHEDULES:
                runtime.schedules.ensure(schedule_id, spec(), period_s=period_s)
        except sqlite3.Error:  # a full disk, or a lock held by another program
            log.exception("the maintenance could not be scheduled; the next start tries again")

    return Feature(
        registrations=(
            Registration(BackUpDatabase, BackUpHandler(runtime.settings.database, clock)),
            Registration(PruneHistory, PruneHandler(database, history, prune_events, clock, committed)),
            Registration(VacuumDatabase, VacuumHandler(database, committed, merge_indexes)),
        ),
        prepare=schedule,
    )
