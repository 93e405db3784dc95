"""Creates the activity feature: the feed, its reports and its export."""

from sidecar_protocol.activity.feed import ExportActivity

from sidecar.activity.export import ExportHandler
from sidecar.activity.issue_states import IssueStateStore
from sidecar.activity.reports import ReportsService
from sidecar.activity.service import ActivityService
from sidecar.activity.store import ActivityStore
from sidecar.files import UserFiles
from sidecar.job_handler import Registration
from sidecar.runtime import Feature, Runtime


def make(runtime: Runtime) -> Feature:
    store = ActivityStore(runtime.database)
    store.index.prepare()
    issue_states = IssueStateStore(runtime.database)
    feed = ActivityService(
        runtime.database, store, issue_states, runtime.clock, runtime.notify, committed=runtime.committed
    )
    files = UserFiles(runtime.settings.data_dir, runtime.settings.log_dir)
    exports = ExportHandler(store, files, runtime.clock)
    return Feature(
        services=(feed, ReportsService(store, issue_states)),
        registrations=(Registration(ExportActivity, exports, admit=exports.admit),),
        indexes=(store.index,),
        feed=feed,
    )
