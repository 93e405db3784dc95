"""The whole contract, listed: a domain that is not here does not exist on the wire."""

import sys

from protocol import (
    accounts,
    activity,
    activity_reports,
    atlassian,
    calendar,
    calendar_accounts,
    calendar_oauth,
    claude,
    claude_doctor,
    claude_export,
    claude_permissions,
    claude_search,
    claude_trouble,
    claude_usage,
    confluence,
    errors,
    events,
    jira,
    jobs,
    meta,
    system,
)
from protocol.contract import JobSpec, Method, Notification, RpcError, methods_of

PROTOCOL_VERSION = meta.PROTOCOL_VERSION

REQUEST_META = meta.Meta

INTERFACES: tuple[type, ...] = (
    system.Lifecycle,
    system.System,
    events.Events,
    jobs.Jobs,
    jobs.Schedules,
    claude.Claude,
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
    system.RequestProgressed,
    system.SystemStateChanged,
    events.EventsLagged,
    events.EventsResync,
    jobs.JobUpdated,
    jobs.JobEventAdded,
    jobs.JobProgressed,
    jobs.JobQueueUpdated,
    jobs.ScheduleUpdated,
    claude.ClaudeDelta,
    claude.ClaudeMessageAdded,
    claude.SessionUpdated,
    claude.ClaudeSessionDeleted,
    claude_permissions.ClaudePermissionRequested,
    claude_permissions.ClaudePermissionResolved,
    claude_trouble.ClaudeStalled,
    claude_trouble.ClaudeApiRetried,
    accounts.AccountUpdated,
    calendar.CalendarChanged,
    activity.ActivityChanged,
)

JOB_TYPES: tuple[type[JobSpec], ...] = (
    system.BackUpDatabase,
    system.PruneHistory,
    system.VacuumDatabase,
    claude.RunClaude,
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
