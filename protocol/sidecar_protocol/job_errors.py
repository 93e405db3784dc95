"""The kinds of job errors: a closed list for each job type, which `JobSpec.errors` names.

`CommonJobErrorKind` are those of every type.  The others belong to the rooms whose handlers raise them.
"""

from enum import StrEnum


class CommonJobErrorKind(StrEnum):
    """The kinds of errors of the queue itself, for jobs of every type."""

    UNKNOWN_JOB_TYPE = "unknown_job_type"
    """No handler exists for the job's type: it was created by another version."""
    PAYLOAD_INVALID = "payload_invalid"
    """The stored payload does not fit the job's type: it was created by another version."""
    RESULT_TOO_LARGE = "result_too_large"
    """The result does not fit into a message."""
    TIMEOUT = "timeout"
    """The job took longer than it may."""
    NOT_STORED = "not_stored"
    """The job ran, but the database did not take its outcome; the hint names the entry in the log."""
    INTERNAL = "internal"
    """A bug; the hint names the entry in the log."""
    SHUTDOWN = "shutdown"
    """The sidecar was shut down while the job was running."""
    CRASH = "crash"
    """The sidecar ended unexpectedly while the job was running."""
    RECOVERY_LIMIT = "recovery_limit"
    """The sidecar ended unexpectedly each time that the job was running."""


class FileErrorKind(StrEnum):
    """The kinds of errors of jobs that write a file for the user."""

    PATH_INVALID = "path_invalid"
    """The path is relative, is a folder, has no parent folder, or lies in the data folder."""
    FILE_EXISTS = "file_exists"
    """A file has this name, and `overwrite` is not set."""
    EXPORT_FAILED = "export_failed"
    """The file could not be written; `details` has the `errno`."""


class BackupErrorKind(StrEnum):
    """The kinds of errors of a backup."""

    BACKUP_FAILED = "backup_failed"
    """The copy could not be written; `details` has the `reason`."""


class SyncErrorKind(StrEnum):
    """The kinds of errors of a sync that are due to its service or to the connection."""

    TLS_UNTRUSTED = "tls_untrusted"
    """The service's certificate is not trusted by this computer."""
    BAD_ADDRESS = "bad_address"
    """The address is not valid."""
    BAD_RESPONSE = "bad_response"
    """The response breaks the service's protocol."""
    NOT_RECORDED = "not_recorded"
    """With `--upstream`, the recording does not have the request."""


class CalendarErrorKind(StrEnum):
    """The kinds of errors of a calendar's sync that are due to its provider."""

    PROVIDER_UNAVAILABLE = "provider_unavailable"
    """This installation cannot use the provider; the hint says why."""
    UNAVAILABLE = "unavailable"
    """Google had an error of its own."""
    API_DISABLED = "api_disabled"
    """The Google Calendar API is not enabled for the app."""
    UPSTREAM_ERROR = "upstream_error"
    """The server of a calendar's address had an error."""
    NOT_A_CALENDAR = "not_a_calendar"
    """The address leads to something else than a calendar."""
    TOO_MANY_EVENTS = "too_many_events"
    """The calendar has more events than can be read."""


class AtlassianErrorKind(StrEnum):
    """The kinds of errors of a sync with Jira or Confluence that are due to the site."""

    SITE_ERROR = "site_error"
    """The site had an error of its own."""
    API_REMOVED = "api_removed"
    """Atlassian no longer offers what was requested: update the app."""
    REQUEST_REFUSED = "request_refused"
    """The site refused a request."""
    PAGING_LOOP = "paging_loop"
    """A list of the site does not end."""


class ClaudeErrorKind(StrEnum):
    """The kinds of errors of a run of Claude and of a session's turn."""

    AUTH = "auth"
    """Claude Code is not signed in, or its credentials were refused."""
    USAGE_LIMIT = "usage_limit"
    """The usage limit was reached; `details` has `resets_at` if Claude says when it ends."""
    RATE_LIMITED = "rate_limited"
    """Claude's API limits the rate of requests."""
    OVERLOADED = "overloaded"
    """Claude's API is overloaded."""
    SERVER_ERROR = "server_error"
    """Claude's API had an error of its own."""
    NETWORK = "network"
    """Claude could not be reached."""
    CONTEXT_OVERFLOW = "context_overflow"
    """The conversation is too long for the model."""
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model does not exist or is not available to the account."""
    MAX_TURNS = "max_turns"
    """Claude reached `max_turns`."""
    BUDGET_EXCEEDED = "budget_exceeded"
    """The run exceeded its budget."""
    BUDGET_SPENT = "budget_spent"
    """The budget of the day or of the session is spent; `details` has `max_usd`, `spent_usd` and the `session_id`."""
    REFUSAL = "refusal"
    """Claude declined to answer."""
    INTERRUPTED = "interrupted"
    """The run was interrupted before Claude had finished."""
    SESSION_UNKNOWN = "session_unknown"
    """Claude Code has no conversation with this id."""
    SESSION_IN_USE = "session_in_use"
    """Another process is using the conversation."""
    ROOT_REFUSED = "root_refused"
    """Claude Code does not run in this permission mode as root."""
    WORKTREE_REFUSED = "worktree_refused"
    """Claude Code could not create a git worktree in the folder."""
    VERSION_UNSUPPORTED = "version_unsupported"
    """The release of Claude Code is too old."""
    EXECUTABLE_MISSING = "executable_missing"
    """Claude Code was not found."""
    EXECUTABLE_BROKEN = "executable_broken"
    """Claude Code does not run on this computer."""
    API_ERROR = "api_error"
    """Claude's API refused the request."""
    OUTPUT_UNPARSEABLE = "output_unparseable"
    """The output of `claude` is not in the expected format."""
    NO_RESULT = "no_result"
    """Claude Code ended without a result."""
    KILLED_BY_SIGNAL = "killed_by_signal"
    """Claude Code was ended by a signal."""
    PROCESS_EXITED = "process_exited"
    """Claude Code ended with an error; `details` has `exit_code` and `stderr`."""
    CWD_MISSING = "cwd_missing"
    """The working directory does not exist or cannot be opened."""
    FOLDER_UNRESPONSIVE = "folder_unresponsive"
    """The working directory did not answer, as on a network drive that is not connected."""
    WORKSPACE_UNTRUSTED = "workspace_untrusted"
    """The folder is not trusted and brings hooks or the like; `details` is a `FolderTrust`, which names them."""
    NO_RESOURCES = "no_resources"
    """The computer cannot start another program at the moment."""
    ATTACHMENT_MISSING = "attachment_missing"
    """An image or a file of the prompt is no longer stored."""
    ARGUMENTS_TOO_LONG = "arguments_too_long"
    """The settings are too long for a command line."""


class RunErrorKind(StrEnum):
    """The kinds of errors that only a run of Claude has."""

    SESSION_HELD = "session_held"
    """The conversation belongs to a session of the sidecar; `details` has its `session_id`."""
    NO_ANSWER = "no_answer"
    """Claude ended without an answer; `details` has the `session_id` in which it has worked."""
    NOT_CONTINUED = "not_continued"
    """The run had begun its work when the usage limit was reached, and cannot be continued."""


class SessionErrorKind(StrEnum):
    """The kinds of errors of jobs of a session."""

    SESSION_NOT_FOUND = "session_not_found"
    """The session was deleted."""


class TurnErrorKind(StrEnum):
    """The kinds of errors that only a turn has."""

    PERMISSION_UNANSWERED = "permission_unanswered"
    """A permission request was not answered in time; it stays open."""
    TURN_ENDED = "turn_ended"
    """The turn that Claude had begun by itself, or to which a prompt was added, has ended."""
