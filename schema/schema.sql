-- Generated from schema/migrations by `sidecar schema`.
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
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
  error_json TEXT
, priority INTEGER NOT NULL DEFAULT 0, run_at TEXT, started_at TEXT, finished_at TEXT, cancel_requested_at TEXT, idempotency_key TEXT, boot_id TEXT, version INTEGER NOT NULL DEFAULT 1, attempt INTEGER NOT NULL DEFAULT 0, max_attempts INTEGER NOT NULL DEFAULT 1, recoveries INTEGER NOT NULL DEFAULT 0, waiting_for TEXT, lock_key TEXT, schedule_id TEXT, ready INTEGER NOT NULL DEFAULT 1, snoozed_since TEXT);
CREATE TABLE job_events (
  event_id TEXT PRIMARY KEY,
  job_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  level TEXT NOT NULL,
  message TEXT NOT NULL,
  meta_json TEXT
);
CREATE TABLE sync_state (
  connector TEXT PRIMARY KEY,
  cursor TEXT,
  last_sync_at TEXT
);
CREATE TABLE calendar_accounts (
  account_id TEXT PRIMARY KEY,
  provider TEXT NOT NULL,
  email TEXT NOT NULL,
  display_name TEXT,
  credentials_json TEXT,
  config_json TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
, status TEXT NOT NULL DEFAULT 'active', reason TEXT, hint TEXT, signed_in_at TEXT, past_days INTEGER NOT NULL DEFAULT 180, future_days INTEGER NOT NULL DEFAULT 400, last_sync_at TEXT);
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
  updated_at TEXT NOT NULL, sync_token TEXT, sync_key TEXT, swept_ms INTEGER, sync_error TEXT, last_sync_at TEXT, fed_ts INTEGER,
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
  updated_at TEXT NOT NULL, reach_s INTEGER GENERATED ALWAYS AS (CASE
    WHEN end_ts - start_ts <= 86400 THEN 86400
    WHEN end_ts - start_ts <= 691200 THEN 691200
    WHEN end_ts - start_ts <= 5529600 THEN 5529600
    WHEN end_ts - start_ts <= 44236800 THEN 44236800
    ELSE 1000000000000 END) VIRTUAL, event_type TEXT, transparency TEXT, response_status TEXT, ical_uid TEXT, recurring_event_id TEXT, original_start_time TEXT, sequence INTEGER, fingerprint TEXT,
  PRIMARY KEY (account_id, calendar_id, event_id)
);
CREATE INDEX idx_events_time ON calendar_events(start_ts, end_ts);
CREATE INDEX idx_events_account ON calendar_events(account_id, calendar_id);
CREATE TABLE atlassian_accounts (
  account_id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  org TEXT NOT NULL,
  base_url TEXT NOT NULL,
  email TEXT NOT NULL,
  api_token TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
, status TEXT NOT NULL DEFAULT 'active', reason TEXT, scope TEXT NOT NULL DEFAULT 'mine', route TEXT, cloud_id TEXT, atlassian_id TEXT, display_name TEXT, time_zone TEXT, token_expires_at TEXT, last_sync_at TEXT);
CREATE INDEX idx_atlassian_service ON atlassian_accounts(service);
CREATE INDEX idx_jobs_created ON jobs(created_at, job_id);
CREATE INDEX idx_jobs_status ON jobs(status, created_at, job_id);
CREATE INDEX idx_jobs_type ON jobs(type, created_at, job_id);
CREATE UNIQUE INDEX idx_jobs_idempotency ON jobs(idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX idx_job_events_job ON job_events(job_id);
CREATE TABLE event_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  method TEXT NOT NULL,
  members TEXT NOT NULL
) STRICT;
CREATE TABLE database_facts (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_calendar_events_range ON calendar_events(reach_s, start_ts, account_id, calendar_id, event_id);
CREATE INDEX idx_jobs_ready ON jobs(type, priority DESC, created_at, job_id) WHERE status = 'queued' AND ready = 1;
CREATE INDEX idx_jobs_timed ON jobs(run_at) WHERE status = 'queued' AND ready = 0;
CREATE INDEX idx_jobs_locks ON jobs(lock_key) WHERE status = 'running' AND lock_key IS NOT NULL;
CREATE INDEX idx_jobs_finished ON jobs(updated_at, job_id) WHERE status NOT IN ('queued', 'running');
CREATE TABLE job_queue (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  paused_at TEXT
) STRICT;
CREATE TABLE job_schedules (
  schedule_id TEXT PRIMARY KEY NOT NULL,
  type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  period_s INTEGER NOT NULL CHECK (period_s > 0),
  anchor_ms INTEGER NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  next_run_at TEXT NOT NULL,
  last_run_at TEXT,
  last_job_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_job_schedules_due ON job_schedules(next_run_at) WHERE enabled = 1;
CREATE TABLE claude_sessions (
  session_id TEXT PRIMARY KEY NOT NULL,
  claude_session_id TEXT,
  -- The CLI's session that the first turn branches off.
  fork_of TEXT,
  forked_from TEXT,
  title TEXT,
  cwd TEXT,
  model TEXT,
  permission_mode TEXT,
  allowed_tools_json TEXT NOT NULL DEFAULT '[]',
  system_prompt TEXT,
  status TEXT NOT NULL DEFAULT 'idle',
  -- Whether a CLI process of it may be alive: what a crash left is looked for.
  has_process INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  last_message_at TEXT,
  input_tokens INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  cache_creation_input_tokens INTEGER NOT NULL DEFAULT 0,
  cache_read_input_tokens INTEGER NOT NULL DEFAULT 0,
  total_cost_usd REAL NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_sessions_page ON claude_sessions(updated_at, session_id);
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
  -- Whether a call that was allowed after its turn's end is still to come, once.
  granted INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  resolved_at TEXT,
  version INTEGER NOT NULL DEFAULT 1,
  -- Last: they may be a megabyte, and whatever stands behind them is read through them.
  input_json TEXT NOT NULL,
  updated_input_json TEXT
) STRICT;
CREATE INDEX idx_claude_permissions_page ON claude_permissions(created_at, request_id);
CREATE INDEX idx_claude_permissions_session ON claude_permissions(session_id, created_at, request_id);
CREATE INDEX idx_claude_permissions_status ON claude_permissions(status, created_at, request_id);
CREATE INDEX idx_claude_permissions_open ON claude_permissions(session_id) WHERE status = 'open';
CREATE INDEX idx_claude_permissions_granted ON claude_permissions(resumed_by) WHERE granted = 1;
CREATE TABLE claude_usage (
  usage_key TEXT PRIMARY KEY NOT NULL,
  booked_at TEXT NOT NULL,
  job_id TEXT NOT NULL,
  session_id TEXT,
  model TEXT NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_usage_booked ON claude_usage(booked_at);
CREATE TABLE claude_costs (
  job_id TEXT NOT NULL,
  model TEXT NOT NULL,
  booked_at TEXT NOT NULL,
  session_id TEXT,
  cost_usd REAL NOT NULL,
  PRIMARY KEY (job_id, model, booked_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_costs_booked ON claude_costs(booked_at);
CREATE TABLE "claude_messages" (
  id INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  job_id TEXT,
  api_message_id TEXT,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  raw_json TEXT,
  created_at TEXT NOT NULL,
  searched_text TEXT NOT NULL GENERATED ALWAYS AS (substr(
    iif(kind = 'tool_use' AND json_valid(raw_json),
      text || ' ' || coalesce(json_extract(raw_json, '$.message.content[0].input'), ''), text), 1, 32768)) VIRTUAL,
  UNIQUE (session_id, seq)
) STRICT;
CREATE INDEX idx_claude_sessions_claude ON claude_sessions(claude_session_id) WHERE claude_session_id IS NOT NULL;
CREATE TABLE claude_processes (
  pid INTEGER PRIMARY KEY NOT NULL,
  started_at REAL NOT NULL,
  owner_id TEXT NOT NULL
) STRICT;
CREATE INDEX idx_calendar_events_end ON calendar_events(account_id, calendar_id, end_ts, event_id);
CREATE TABLE calendar_sign_ins (
  state TEXT PRIMARY KEY NOT NULL,
  verifier TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  -- The account that is to be connected anew.
  account_id TEXT,
  expires_ms INTEGER NOT NULL,
  -- started, authorized, refused, completing, done
  stage TEXT NOT NULL DEFAULT 'started',
  code TEXT,
  -- The redirect's error.
  error TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE "activity_events" (
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
  position INTEGER PRIMARY KEY,
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
  -- What activity_links has of it, {key: told}; NULL: nothing.
  links_json TEXT,
  -- How often it has been told, each time in other words; 1: once.
  revision INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX idx_activity_source ON activity_events(source);
CREATE INDEX idx_activity_account ON activity_events(account_id);
CREATE INDEX idx_activity_kind ON activity_events(source, account_id, event_type);
CREATE INDEX idx_activity_all_day ON activity_events(source, local_date) WHERE local_date IS NOT NULL;
CREATE INDEX idx_activity_issue ON activity_events(issue_key) WHERE issue_key IS NOT NULL;
CREATE TABLE activity_links (
  issue_key TEXT NOT NULL,
  position INTEGER NOT NULL REFERENCES activity_events(position) ON DELETE CASCADE ON UPDATE CASCADE,
  told INTEGER NOT NULL,
  PRIMARY KEY (issue_key, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_links_event ON activity_links(position);
CREATE TABLE atlassian_objects (
  account_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  -- The page of a comment: they go together.
  parent TEXT,
  -- The time of change as the site's search told it; while it tells the same there is nothing to read.
  mark TEXT NOT NULL,
  -- The ends of the ids of its events in the feed, as JSON.
  events_json TEXT NOT NULL DEFAULT '[]',
  checked_ms INTEGER NOT NULL,
  PRIMARY KEY (account_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_atlassian_objects_checked ON atlassian_objects(account_id, checked_ms);
CREATE INDEX idx_atlassian_objects_parent ON atlassian_objects(account_id, parent) WHERE parent IS NOT NULL;
