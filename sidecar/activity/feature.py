"""The activity feature, composed."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sidecar_protocol.activity.feed import ExportActivity
from sidecar_protocol.contract import Notification

from sidecar.activity.reports import ReportsService
from sidecar.activity.service import ActivityService
from sidecar.activity.store import ActivityStore
from sidecar.clock import Clock
from sidecar.files import UserFiles
from sidecar.job_handler import OnDemand, Registration
from sidecar.storage.database import Database

if TYPE_CHECKING:
    from sidecar.activity.export import ExportHandler


class ActivityFeature:
    """The feed with what is made of it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        notify: Callable[[Notification], None],
        committed: Callable[[], Awaitable[None]],
        files: UserFiles,
    ) -> None:
        self._store = ActivityStore(database)
        self._store.index.prepare()
        self._clock = clock
        self._files = files
        self.feed = ActivityService(database, self._store, clock, notify, committed=committed)
        self.fill, self.tidy = self._store.index.fill, self._store.index.merge
        self.services = (self.feed, ReportsService(self._store))

    def registrations(self) -> list[Registration]:
        """Its job types."""
        return [Registration(ExportActivity, OnDemand(self._make_export))]

    def _make_export(self) -> "ExportHandler":
        from sidecar.activity.export import ExportHandler  # noqa: PLC0415 - most lives export nothing

        return ExportHandler(self._store, self._files, self._clock)
