"""The whole contract, listed: a domain that is not here does not exist on the wire."""

import sys

from sidecar_protocol import accounts, atlassian, confluence, errors, events, jira, jobs, meta, system
from sidecar_protocol.activity import feed as activity
from sidecar_protocol.activity import reports as activity_reports
from sidecar_protocol.calendar import accounts as calendar_accounts
from sidecar_protocol.calendar import calendars as calendar
from sidecar_protocol.calendar import google_sign_in as calendar_oauth
from sidecar_protocol.claude import delays as claude_delays
from sidecar_protocol.claude import doctor as claude_doctor
from sidecar_protocol.claude import export as claude_export
from sidecar_protocol.claude import permissions as claude_permissions
from sidecar_protocol.claude import runs as claude_runs
from sidecar_protocol.claude import search as claude_search
from sidecar_protocol.claude import sessions as claude
from sidecar_protocol.claude import usage as claude_usage
from sidecar_protocol.contract import JobSpec, Method, Notification, RpcError, methods_of

PROTOCOL_VERSION = meta.PROTOCOL_VERSION

REQUEST_META = meta.Meta

INTERFACES: tuple[type, ...] = (
    system.Lifecycle,
    system.System,
    events.Events,
    jobs.Jobs,
    jobs.Schedules,
    claude_runs.Claude,
    claude.Sessions,
    claude_permissions.Permissions,
    claude_doctor.ClaudeDoctor,
    claude_search.ClaudeSearch,
    claude_export.ClaudeExport,
    claude_usage.ClaudeUsages,
    calendar.Calendars,
    calendar_accounts.CalendarAccounts,
    calendar_oauth.GoogleSignIn,
    jira.Jira,
    confluence.Confluence,
    activity.Activity,
    activity_reports.ActivityReports,
)

NOTIFICATIONS: tuple[type[Notification], ...] = (
    system.RequestProgress,
    system.SystemState,
    events.EventsLag,
    events.EventsResync,
    jobs.JobUpdated,
    jobs.JobLogAdded,
    jobs.JobProgress,
    jobs.JobQueueUpdated,
    jobs.ScheduleUpdated,
    claude_runs.ClaudeDelta,
    claude.ClaudeMessageAdded,
    claude.ClaudeSessionUpdated,
    claude.ClaudeSessionDeleted,
    claude_permissions.ClaudePermissionRequested,
    claude_permissions.ClaudePermissionResolved,
    claude_delays.ClaudeStall,
    claude_delays.ClaudeApiRetry,
    accounts.AccountUpdated,
    calendar.CalendarChanged,
    activity.ActivityChanged,
)

JOB_TYPES: tuple[type[JobSpec], ...] = (
    system.BackUpDatabase,
    system.PruneHistory,
    system.VacuumDatabase,
    claude_runs.RunClaude,
    claude.TakeTurn,
    calendar_accounts.SyncCalendar,
    claude_export.ExportSession,
    activity.ExportActivity,
    jira.SyncJira,
    confluence.SyncConfluence,
)

_MODULES = (
    errors,
    atlassian,
    *dict.fromkeys(sys.modules[one.__module__] for one in (*INTERFACES, *NOTIFICATIONS, *JOB_TYPES)),
)

ERRORS: tuple[type[RpcError], ...] = tuple(
    dict.fromkeys(
        value
        for module in _MODULES
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, RpcError) and value is not RpcError
    )
)


def methods() -> tuple[Method, ...]:
    """Every method, in the order of the interfaces and of their text."""
    return tuple(declared for interface in INTERFACES for declared in methods_of(interface))
