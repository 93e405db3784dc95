-- Conversations with Claude.  The CLI deletes its own record of a session after a month; this one stays.
CREATE TABLE claude_sessions (
  session_id TEXT PRIMARY KEY NOT NULL,
  claude_session_id TEXT,
  -- The CLI's session that the first turn forks.
  fork_claude_session_id TEXT,
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
  version INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_sessions_page ON claude_sessions(updated_at, session_id);
CREATE INDEX idx_claude_sessions_claude ON claude_sessions(claude_session_id) WHERE claude_session_id IS NOT NULL;

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
  updated_input_json TEXT
) STRICT;
CREATE INDEX idx_claude_permissions_page ON claude_permissions(created_at, request_id);
CREATE INDEX idx_claude_permissions_session ON claude_permissions(session_id, created_at, request_id);
CREATE INDEX idx_claude_permissions_status ON claude_permissions(status, created_at, request_id);
CREATE INDEX idx_claude_permissions_open ON claude_permissions(session_id) WHERE status = 'open';
CREATE INDEX idx_claude_permissions_granted ON claude_permissions(resumed_by) WHERE has_unused_grant = 1;

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
  cache_read_input_tokens INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_usage_recorded ON claude_usage(recorded_at);

-- Costs, one row per model and attempt of a run or turn: the CLI reports nothing finer.
CREATE TABLE claude_costs (
  job_id TEXT NOT NULL,
  model TEXT NOT NULL,
  recorded_at TEXT NOT NULL,
  session_id TEXT,
  cost_usd REAL NOT NULL,
  PRIMARY KEY (job_id, model, recorded_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_costs_recorded ON claude_costs(recorded_at);

-- CLI processes that were started and not seen to end.  After a crash the next sidecar kills them.
CREATE TABLE claude_processes (
  pid INTEGER PRIMARY KEY NOT NULL,
  -- Unix time in seconds: the same pid with another start time is another process.
  started_ts REAL NOT NULL,
  -- A job's id or a session's.
  owner_id TEXT NOT NULL
) STRICT;
