-- Generated from schema/migrations by `sidecar schema`.

-- The activity feed, in the order of `feed_key`; sidecar/feed.py documents the fields.
CREATE TABLE activity_events (
  event_id TEXT UNIQUE,
  source TEXT NOT NULL,
  account_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  title TEXT,
  description TEXT,
  url TEXT,
  actor TEXT,
  event_time TEXT,
  event_ts INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  raw_json TEXT,
  -- Unix time in milliseconds, times 1024, plus a number that is unique within the millisecond.  It is the rowid, and
  -- so the last column of every index: each index lists its events by time, and so does the full-text index.
  feed_key INTEGER PRIMARY KEY,
  ended_at TEXT,
  ended_ts INTEGER,
  local_date TEXT,
  local_end_date TEXT,
  by_me INTEGER NOT NULL DEFAULT 1,
  container_id TEXT,
  container TEXT,
  object_id TEXT,
  issue_key TEXT,
  status TEXT,
  previous_status TEXT,
  status_kind TEXT,
  -- The event's rows in activity_links as {issue_key: is_explicit}; NULL if it has none.
  links_json TEXT,
  version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX idx_activity_source ON activity_events(source);
CREATE INDEX idx_activity_account ON activity_events(account_id);
CREATE INDEX idx_activity_kind ON activity_events(source, account_id, event_type);
CREATE INDEX idx_activity_all_day ON activity_events(source, local_date) WHERE local_date IS NOT NULL;
CREATE INDEX idx_activity_issue ON activity_events(issue_key) WHERE issue_key IS NOT NULL;

-- Keys that issues had before their project was renamed or they were moved: texts still contain them.
CREATE TABLE activity_former_keys (
  former_key TEXT PRIMARY KEY NOT NULL,
  issue_key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_former_keys_issue ON activity_former_keys(issue_key);

-- The state of each issue when its site was last asked.  The feed may have the events of the account's owner only, and a
-- colleague may have finished the issue.
CREATE TABLE activity_issue_states (
  account_id TEXT NOT NULL,
  issue_key TEXT NOT NULL,
  -- todo, doing, done or blocked; NULL if the name of the status has no such meaning.
  status_kind TEXT,
  PRIMARY KEY (account_id, issue_key)
) STRICT, WITHOUT ROWID;

-- Issues that an event refers to without being about them.
CREATE TABLE activity_links (
  issue_key TEXT NOT NULL,
  feed_key INTEGER NOT NULL REFERENCES activity_events(feed_key) ON DELETE CASCADE ON UPDATE CASCADE,
  -- Whether the source stated the link.  Otherwise a text contains what looks like a key (UTF-8 and COVID-19 do, too);
  -- that is a link only if the feed has an event about an issue of the same project.
  is_explicit INTEGER NOT NULL,
  PRIMARY KEY (issue_key, feed_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_links_event ON activity_links(feed_key);

CREATE TABLE atlassian_accounts (
  account_id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  org TEXT NOT NULL,
  base_url TEXT NOT NULL,
  email TEXT NOT NULL,
  api_token TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'active',
  -- Why the account's status is not active.
  reason TEXT,
  scope TEXT NOT NULL DEFAULT 'mine',
  -- Where the token is accepted: `site` or `gateway`.  NULL if not tried yet, as in the old backend's rows.
  api_route TEXT,
  cloud_id TEXT,
  -- The token owner's account id, name and time zone at Atlassian.
  atlassian_account_id TEXT,
  display_name TEXT,
  time_zone TEXT,
  token_expires_at TEXT,
  last_sync_at TEXT,
  hint TEXT,
  refused_at TEXT,
  next_try_at TEXT
);
CREATE INDEX idx_atlassian_service ON atlassian_accounts(service);

-- Issues, pages and comments that a sync has read.
CREATE TABLE atlassian_objects (
  account_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  -- A comment's page: deleting the page deletes the comment.
  parent_id TEXT,
  -- The time of the last change, as the site's search reported it; while it is the same, the object is not read again.
  remote_updated TEXT NOT NULL,
  -- A JSON array: what follows the common prefix in the ids of the object's feed events.
  event_suffixes_json TEXT NOT NULL DEFAULT '[]',
  -- When a sync last found that the object exists.
  checked_at TEXT NOT NULL,
  -- When a look at the object first said that it is gone.  Its events are removed a day later if it still is; the row stays
  -- for a year, so that the object is read again if it reappears.
  missing_since TEXT,
  -- Whether the last read left something out; the daily sync reads the object again.
  is_unread INTEGER NOT NULL DEFAULT 0,
  -- An issue's key or a page's address when it was read: these may change without a change of the object.
  shown_as TEXT,
  PRIMARY KEY (account_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_atlassian_objects_checked ON atlassian_objects(account_id, checked_at);
CREATE INDEX idx_atlassian_objects_parent ON atlassian_objects(account_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX idx_atlassian_objects_unread ON atlassian_objects(account_id, checked_at) WHERE is_unread;
CREATE INDEX idx_atlassian_objects_missing ON atlassian_objects(account_id, missing_since)
  WHERE missing_since IS NOT NULL;

CREATE TABLE calendar_accounts (
  account_id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  email TEXT NOT NULL,
  display_name TEXT,
  credentials_json TEXT,
  config_json TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'active',
  -- Why the account's status is not active.
  reason TEXT,
  hint TEXT,
  -- NULL if unknown, as in the old backend's rows.
  signed_in_at TEXT,
  past_days INTEGER NOT NULL DEFAULT 180,
  future_days INTEGER NOT NULL DEFAULT 400,
  last_sync_at TEXT,
  -- A refused account: since when it has been refused for the same reason, and when it is tried again.
  refused_at TEXT,
  next_try_at TEXT
);

CREATE TABLE calendar_calendars (
  account_id TEXT NOT NULL,
  calendar_id TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  is_primary INTEGER DEFAULT 0,
  access_role TEXT,
  background_color TEXT,
  foreground_color TEXT,
  time_zone TEXT,
  selected INTEGER DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  sync_token TEXT,
  -- The settings under which sync_token was issued; it is not used with other settings.
  sync_token_settings TEXT,
  -- When all events of the window were last read, and events that the provider no longer has were deleted.
  full_sync_at TEXT,
  sync_error TEXT,
  last_sync_at TEXT,
  -- Unix time in seconds: the activity feed has the events that ended by then, and no others.  NULL if it has none.
  feed_watermark_ts INTEGER,
  -- How many of a calendar's events its last complete read left out, or stored although a part of them was unreadable.
  skipped_events INTEGER NOT NULL DEFAULT 0,
  adjusted_events INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, calendar_id)
);

CREATE TABLE calendar_events (
  account_id TEXT NOT NULL,
  calendar_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  title TEXT,
  description TEXT,
  start_time TEXT,
  end_time TEXT,
  start_ts INTEGER,
  end_ts INTEGER,
  all_day INTEGER DEFAULT 0,
  location TEXT,
  conference_url TEXT,
  visibility TEXT,
  status TEXT,
  organizer_json TEXT,
  attendees_json TEXT,
  html_link TEXT,
  time_zone TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  event_type TEXT,
  transparency TEXT,
  response_status TEXT,
  ical_uid TEXT,
  recurring_event_id TEXT,
  original_start_time TEXT,
  sequence INTEGER,
  -- A digest of the provider's data: an unchanged event is not written again.
  fingerprint TEXT,
  -- An upper bound of the event's duration: 1, 8, 64 or 512 days, or longer than any event.  An event in progress may
  -- have started long ago; of one bucket, only events that started less than the bound ago can still be in progress.
  duration_bucket_s INTEGER GENERATED ALWAYS AS (CASE
    WHEN end_ts - start_ts <= 86400 THEN 86400
    WHEN end_ts - start_ts <= 691200 THEN 691200
    WHEN end_ts - start_ts <= 5529600 THEN 5529600
    WHEN end_ts - start_ts <= 44236800 THEN 44236800
    ELSE 1000000000000 END) VIRTUAL,
  PRIMARY KEY (account_id, calendar_id, event_id)
);
CREATE INDEX idx_events_time ON calendar_events(start_ts, end_ts);
CREATE INDEX idx_events_account ON calendar_events(account_id, calendar_id);
CREATE INDEX idx_calendar_events_range
    ON calendar_events(duration_bucket_s, start_ts, account_id, calendar_id, event_id);
-- The events that ended since feed_watermark_ts.
CREATE INDEX idx_calendar_events_end ON calendar_events(account_id, calendar_id, end_ts, event_id);

-- Google sign-ins in progress, which survive a restart.  `verifier` and `code` are encrypted.
CREATE TABLE calendar_sign_ins (
  state TEXT PRIMARY KEY NOT NULL,
  verifier TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  -- The account to reconnect; NULL for a new account.
  account_id TEXT,
  expires_at TEXT NOT NULL,
  -- started, authorized, refused, completing or done
  stage TEXT NOT NULL DEFAULT 'started',
  code TEXT,
  -- The error that the redirect reported.
  error TEXT
) STRICT, WITHOUT ROWID;

-- The images and files of prompts.  Each is a file in the folder `attachments`, named by its id.  A fork has rows of its
-- own with the same ids.
CREATE TABLE claude_attachments (
  id INTEGER PRIMARY KEY,
  attachment_id TEXT NOT NULL,
  -- NULL for a run.
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT NOT NULL,
  -- Number of the prompt's characters before it.
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- Whether the job may still send the file to Claude.
  is_pending INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  -- Whether the folder still has the copy.  The oldest copies make room for new ones; then the row makes its prompt fail.
  is_stored INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX idx_claude_attachments_attachment ON claude_attachments(attachment_id);
CREATE INDEX idx_claude_attachments_session ON claude_attachments(session_id);
CREATE INDEX idx_claude_attachments_job ON claude_attachments(job_id);

-- The cost that Claude may reach: on a day (no session), and in a session.
CREATE TABLE claude_budgets (
  session_id TEXT UNIQUE REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  max_usd REAL NOT NULL
) STRICT;

-- What the answers of runs and turns cite.
CREATE TABLE claude_citations (
  answer_id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL UNIQUE,
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  citations_json TEXT NOT NULL
) STRICT;
CREATE INDEX idx_claude_citations_session ON claude_citations(session_id) WHERE session_id IS NOT NULL;

-- How full the context of a session is, and the problems with MCP servers and plugins that it already has a message about.
CREATE TABLE claude_contexts (
  session_id TEXT PRIMARY KEY NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  model TEXT,
  -- NULL after the conversation was cleared.
  used_tokens INTEGER,
  window_tokens INTEGER,
  learnt_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_contexts_learnt ON claude_contexts(learnt_at);

-- The CLI's conversation behind a session, as far as it is not the one that its messages are recorded in.
CREATE TABLE claude_conversations (
  session_id TEXT PRIMARY KEY NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  -- The CLI's conversation that the first turn of a fork branches off, and the record after which; NULL for its end.
  fork_claude_session_id TEXT,
  fork_claude_uuid TEXT,
  -- Size of the CLI's file up to which its messages are stored here.  NULL if unknown.
  record_bytes INTEGER
) STRICT, WITHOUT ROWID;

-- Who decided what about a call of a tool.
CREATE TABLE claude_decisions (
  decision_id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT,
  tool_use_id TEXT,
  tool_name TEXT NOT NULL,
  input_digest TEXT,
  verdict TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  reason TEXT,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX idx_claude_decisions_session ON claude_decisions(session_id, decision_id);
CREATE INDEX idx_claude_decisions_job ON claude_decisions(job_id, decision_id);

-- Texts that others wrote, as they came into a session or a run from the hub: each source once.
CREATE TABLE claude_exposures (
  exposure_id INTEGER PRIMARY KEY,
  -- The session, or the job of a run.
  owner_id TEXT NOT NULL,
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT,
  source TEXT NOT NULL,
  tool TEXT NOT NULL,
  text TEXT NOT NULL,
  created_at TEXT NOT NULL,
  UNIQUE (owner_id, source)
) STRICT;
CREATE INDEX idx_claude_exposures_session ON claude_exposures(session_id);

-- What Claude Code has said about itself, as JSON of the contract's models: `installation`, `limits`, and a `workspace` per
-- folder.
CREATE TABLE claude_facts (
  topic TEXT NOT NULL,
  -- The folder of a workspace, otherwise empty.
  subject TEXT NOT NULL DEFAULT '',
  facts_json TEXT NOT NULL,
  learnt_at TEXT NOT NULL,
  PRIMARY KEY (topic, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE claude_messages (
  -- For the full-text index, which needs a key that VACUUM does not change.
  id INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  job_id TEXT,
  api_message_id TEXT,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  raw_json TEXT,
  created_at TEXT NOT NULL,
  -- The text, and a tool's input; cut to a length that is indexed without blocking the event loop.
  searchable_text TEXT NOT NULL GENERATED ALWAYS AS (substr(
    iif(kind = 'tool_use' AND json_valid(raw_json),
      text || ' ' || coalesce(json_extract(raw_json, '$.message.content[0].input'), ''), text), 1, 32768)) VIRTUAL,
  -- Which subagent a message is from: the call that started it, and its type.  Read off the CLI's line, so that older
  -- messages have both as well.
  parent TEXT GENERATED ALWAYS AS (
  iif(json_valid(raw_json) AND json_type(raw_json, '$.parent_tool_use_id') = 'text',
    json_extract(raw_json, '$.parent_tool_use_id'), NULL)) VIRTUAL,
  agent TEXT GENERATED ALWAYS AS (
  iif(json_valid(raw_json) AND json_type(raw_json, '$.parent_tool_use_id') = 'text'
      AND json_type(raw_json, '$.subagent_type') = 'text',
    json_extract(raw_json, '$.subagent_type'), NULL)) VIRTUAL,
  -- The attachments of a prompt, as they are listed; the file of one may be gone.
  attachments_json TEXT NOT NULL DEFAULT '[]',
  UNIQUE (session_id, seq)
) STRICT;

-- Permission requests.  A request outlives its turn if the sidecar ends while the request is open.
CREATE TABLE claude_permissions (
  request_id TEXT PRIMARY KEY NOT NULL,
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  tool_name TEXT NOT NULL,
  tool_use_id TEXT,
  description TEXT,
  blocked_path TEXT,
  rules_json TEXT NOT NULL DEFAULT '[]',
  suggested_mode TEXT,
  status TEXT NOT NULL DEFAULT 'open',
  turn_ended INTEGER NOT NULL DEFAULT 0,
  message TEXT,
  remembered_json TEXT NOT NULL DEFAULT '[]',
  resumed_by TEXT,
  -- Whether the turn `resumed_by` has yet to make the call that was allowed after the first turn's end.
  has_unused_grant INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  resolved_at TEXT,
  version INTEGER NOT NULL DEFAULT 1,
  -- Last, since they can be a megabyte long: SQLite reads through them to reach a column behind them.
  input_json TEXT NOT NULL,
  updated_input_json TEXT,
  -- Why the CLI requests permission, for which subagent, and all that it suggests to allow from then on.
  decision_reason TEXT,
  decision_reason_type TEXT,
  parent TEXT,
  agent TEXT,
  suggestions_json TEXT NOT NULL DEFAULT '[]',
  applied_json TEXT NOT NULL DEFAULT '[]'
) STRICT;
CREATE INDEX idx_claude_permissions_open ON claude_permissions(session_id) WHERE status = 'open';
CREATE INDEX idx_claude_permissions_granted ON claude_permissions(resumed_by) WHERE has_unused_grant = 1;
CREATE INDEX idx_claude_permissions_session ON claude_permissions(session_id);
CREATE INDEX idx_claude_permissions_status ON claude_permissions(status);

-- CLI processes that were started and not seen to end.  After a crash the next sidecar kills them.
CREATE TABLE claude_processes (
  pid INTEGER PRIMARY KEY NOT NULL,
  -- Unix time in seconds: the same pid with another start time is another process.
  started_ts REAL NOT NULL,
  -- A job's id or a session's.
  owner_id TEXT NOT NULL
) STRICT;

-- Where a message is in the CLI's records: the conversation (NULL if not known yet), and the id of the record in it.
-- Without that id, the message says that the conversation was cleared.  A prompt that was sent again has several.
CREATE TABLE claude_records (
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  claude_session_id TEXT,
  claude_uuid TEXT
) STRICT;
CREATE INDEX idx_claude_records_seq ON claude_records(session_id, seq);
CREATE INDEX idx_claude_records_uuid ON claude_records(session_id, claude_uuid);

-- The rows of the hub that have come into a conversation, each with the number by which Claude can cite it.
CREATE TABLE claude_rows (
  -- The session, or the job of a run.
  owner_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  -- The position of the last message of the session before the row came in; 0 for runs.
  after_seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  -- JSON object: what identifies the row.
  ids_json TEXT NOT NULL,
  title TEXT,
  at TEXT,
  url TEXT,
  created_at TEXT NOT NULL,
  PRIMARY KEY (owner_id, number),
  UNIQUE (owner_id, kind, ids_json)
) STRICT;
CREATE INDEX idx_claude_rows_session ON claude_rows(session_id) WHERE session_id IS NOT NULL;
CREATE INDEX idx_claude_rows_runs ON claude_rows(created_at) WHERE session_id IS NULL;

-- The CLI's session of a run: to go on with it after a usage limit, and for the person after a cancel or a crash.
CREATE TABLE claude_runs (
  job_id TEXT PRIMARY KEY NOT NULL,
  started_at TEXT NOT NULL,
  claude_session_id TEXT,
  -- Whether Claude has answered anything or used a tool, so that the prompt must not be sent again.
  has_acted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_runs_started ON claude_runs(started_at);

-- Conversations with Claude.  The CLI deletes its own record of a session after a month; this one stays.
CREATE TABLE claude_sessions (
  session_id TEXT PRIMARY KEY NOT NULL,
  claude_session_id TEXT,
  -- The CLI's session that the first turn forks.
  forked_from TEXT,
  title TEXT,
  cwd TEXT,
  model TEXT,
  permission_mode TEXT,
  allowed_tools_json TEXT NOT NULL DEFAULT '[]',
  system_prompt TEXT,
  status TEXT NOT NULL DEFAULT 'idle',
  -- Whether a CLI process of the session may be alive; after a crash it is searched for and killed.
  has_process INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  last_message_at TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_creation_input_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_input_tokens INTEGER NOT NULL DEFAULT 0,
  total_cost_usd REAL NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1,
  -- The number of the update in which a session was last changed: the order of the list of sessions.
  update_number INTEGER NOT NULL DEFAULT 0,
  -- The tasks that Claude runs in the background of the session's turn.
  tasks_json TEXT NOT NULL DEFAULT '[]',
  -- Whether a turn that hits a usage limit goes on by itself when the limit resets, and when the one that waits does.
  wait_for_limit INTEGER NOT NULL DEFAULT 1,
  resumes_at TEXT,
  -- Whether the model was reset: the CLI would otherwise go on with the model of the conversation that it resumes.
  is_model_reset INTEGER NOT NULL DEFAULT 0,
  -- The name of the session's git worktree, and whether the CLI has still to create it.
  worktree TEXT,
  needs_worktree INTEGER NOT NULL DEFAULT 0,
  -- The effort with which Claude works in a session; NULL for that of the user's Claude settings.
  effort TEXT,
  -- Which settings the session's processes read: `all`, or `user` without those of the folder.
  settings TEXT NOT NULL DEFAULT 'all',
  -- What Claude may do with the hub in a session: off, read or act.
  hub TEXT NOT NULL DEFAULT 'off',
  -- When the first text of others came into the session.
  exposed_at TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_sessions_claude ON claude_sessions(claude_session_id) WHERE claude_session_id IS NOT NULL;
CREATE INDEX idx_claude_sessions_page ON claude_sessions(update_number, session_id);

-- Prompts that were offered to a running turn.  The job of each is queued, and runs as the next turn unless Claude has
-- read the prompt in that turn.
CREATE TABLE claude_steers (
  -- The id under which the CLI was sent the prompt; the job's payload has it too.
  steer_id TEXT PRIMARY KEY NOT NULL,
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT NOT NULL,
  turn_job_id TEXT NOT NULL,
  -- offered, taken (Claude has read it), answered, or lost (the turn has ended without an answer).
  state TEXT NOT NULL DEFAULT 'offered',
  -- The answer, or the failure of the turn.
  outcome_json TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_steers_turn ON claude_steers(turn_job_id);
CREATE INDEX idx_claude_steers_session ON claude_steers(session_id);

CREATE TABLE claude_told_problems (
  session_id TEXT PRIMARY KEY NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  problems_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Folders whose own hooks, MCP servers and settings may run, as the user has said through the sidecar.  Folders of
-- sessions that are older are not among them: the user was not asked.
CREATE TABLE claude_trusted_folders (
  -- The real path: the root of a git repository, or a folder outside of one.
  folder TEXT PRIMARY KEY NOT NULL,
  trusted_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE claude_trusted_sources (
  source TEXT PRIMARY KEY NOT NULL,
  trusted_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tokens used, one row per API message.  The CLI reports a message several times; the largest counts are stored.
CREATE TABLE claude_usage (
  usage_key TEXT PRIMARY KEY NOT NULL,
  recorded_at TEXT NOT NULL,
  job_id TEXT NOT NULL,
  session_id TEXT,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  -- Usage: the CLI's totals by model have tokens and cost together, so one row has both.  Older rows are one per API
  -- message, without a cost, and one per model and job, without tokens.
  cost_usd REAL NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_usage_recorded ON claude_usage(recorded_at);
-- The usage of a session is summed while its turns run.
CREATE INDEX idx_claude_usage_session ON claude_usage(session_id) WHERE session_id IS NOT NULL;

-- Properties of this database file.  A client that remembers another `epoch` has events of another file.
CREATE TABLE database_metadata (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Durable notifications, for replay.  Each is written in the transaction that made the change it reports.
CREATE TABLE event_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  method TEXT NOT NULL,
  -- The members of the JSON object `params` without its braces: `seq` and `at` are prepended when it is sent.
  params_fragment TEXT NOT NULL
) STRICT;

CREATE TABLE job_events (
  event_id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL,
  meta_json TEXT
);
-- A job's log is read in rowid order: a clock that was set back must not hide new lines.
CREATE INDEX idx_job_events_job ON job_events(job_id);

-- One row: the state of the whole queue.
CREATE TABLE job_queue (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- NULL while the queue is running.
  paused_at TEXT,
  -- The last time at which the worker looked for due schedules, stored every five minutes and at the end.
  seen_at TEXT
) STRICT;

-- What became of each time of a schedule, in the order of recording (rowid).
CREATE TABLE job_schedule_runs (
  run_id TEXT NOT NULL,
  schedule_id TEXT NOT NULL,
  title TEXT,
  scheduled_for TEXT NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  manual INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL,
  reason TEXT,
  away_from TEXT,
  away_to TEXT,
  job_id TEXT,
  -- The member of the job's result that is shown to the user; NULL if its type has none.
  answer TEXT,
  started_at TEXT,
  ended_at TEXT,
  text TEXT,
  error_json TEXT
) STRICT;
CREATE INDEX idx_job_schedule_runs_schedule ON job_schedule_runs(schedule_id);
CREATE INDEX idx_job_schedule_runs_job ON job_schedule_runs(job_id) WHERE job_id IS NOT NULL;
-- A time of a schedule has one row, whatever the clock says later; runs on request do not count.
CREATE UNIQUE INDEX idx_job_schedule_runs_time ON job_schedule_runs(schedule_id, scheduled_for) WHERE manual = 0;

-- Recurring jobs.  They run at Unix time offset_ms + n * period_s.
CREATE TABLE "job_schedules" (
  schedule_id TEXT PRIMARY KEY NOT NULL,
  title TEXT,
  type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  period_s INTEGER CHECK (period_s > 0),
  offset_ms INTEGER NOT NULL,
  rrule TEXT,
  start TEXT,
  time_zone TEXT,
  misfire_policy TEXT NOT NULL DEFAULT 'run_once',
  is_fixed INTEGER NOT NULL DEFAULT 0,
  enabled INTEGER NOT NULL DEFAULT 1,
  next_run_at TEXT,
  last_run_at TEXT,
  last_job_id TEXT,
  postponed_at TEXT,
  -- The runs of how many seconds were left out before the next run.
  postponed_s INTEGER NOT NULL DEFAULT 0,
  CHECK ((period_s IS NULL) <> (rrule IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_job_schedules_due ON job_schedules(next_run_at) WHERE enabled = 1;

CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  progress REAL DEFAULT 0,
  message TEXT,
  payload_json TEXT,
  result_json TEXT,
  error_json TEXT,
  version INTEGER NOT NULL DEFAULT 1,
  priority INTEGER NOT NULL DEFAULT 0,
  run_at TEXT,
  -- Whether run_at has passed, or is NULL.  Stored, so that one index finds all jobs that can start.
  is_due INTEGER NOT NULL DEFAULT 1,
  started_at TEXT,
  finished_at TEXT,
  cancel_requested_at TEXT,
  idempotency_key TEXT,
  -- The start of the sidecar that claimed the job: a running job with another boot_id was left by a crash.
  boot_id TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  max_attempts INTEGER NOT NULL DEFAULT 1,
  -- How often the job was queued again after a crash.
  recoveries INTEGER NOT NULL DEFAULT 0,
  waiting_for TEXT,
  -- At most one running job has a given key.
  lock_key TEXT,
  schedule_id TEXT,
  -- The delay that the queue itself chose for run_at, for a retry or a snooze.  NULL if a client chose run_at: only that one
  -- is a moment of the wall clock.
  delay_ms INTEGER,
  -- The sum of the delays of the job's snoozes.
  snoozed_ms INTEGER NOT NULL DEFAULT 0,
  -- Whether a snoozed job keeps its lock, so that later jobs with the same lock wait for it.
  keeps_lock INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX idx_jobs_idempotency ON jobs(idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX idx_jobs_delayed ON jobs(run_at) WHERE status = 'queued' AND is_due = 0;
-- For each queued job with a lock_key: whether a running job holds it.
CREATE INDEX idx_jobs_locks ON jobs(lock_key) WHERE status = 'running' AND lock_key IS NOT NULL;
-- Finished jobs in the order in which they are pruned.
CREATE INDEX idx_jobs_finished ON jobs(updated_at, job_id) WHERE status NOT IN ('queued', 'running');
CREATE INDEX idx_jobs_status ON jobs(status);
CREATE INDEX idx_jobs_type ON jobs(type);
CREATE INDEX idx_jobs_due ON jobs(type, priority DESC) WHERE status = 'queued' AND is_due = 1;
CREATE INDEX idx_jobs_kept_locks ON jobs(lock_key) WHERE status = 'queued' AND keeps_lock = 1;

CREATE TABLE "schema_migrations" (
  "id" INTEGER PRIMARY KEY,
  "migration_set" TEXT,
  "name" TEXT,
  "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx_schema_migrations_migration_set_name"
    ON "schema_migrations" ("migration_set", "name");

CREATE TABLE sync_state (
  connector TEXT PRIMARY KEY,
  cursor TEXT,
  last_sync_at TEXT
);
