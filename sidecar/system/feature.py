"""Creates the handlers of the maintenance jobs."""

from collections.abc import Callable, Iterator

from sidecar_protocol.system.maintenance import BackUpDatabase, PruneHistory, VacuumDatabase

from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime
from sidecar.system.maintenance import BackUpHandler, History, PruneHandler, VacuumHandler


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
    return Feature(
        registrations=(
            Registration(BackUpDatabase, BackUpHandler(runtime)),
            Registration(PruneHistory, PruneHandler(runtime, history, prune_events)),
            Registration(VacuumDatabase, VacuumHandler(runtime, merge_indexes)),
        ),
    )
