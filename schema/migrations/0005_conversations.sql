-- Conversations with Claude.  The CLI forgets its own record of them after a month; this one stays.
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

CREATE TABLE claude_messages (
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  job_id TEXT,
  api_message_id TEXT,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  raw_json TEXT,
  created_at TEXT NOT NULL,
  PRIMARY KEY (session_id, seq)
) STRICT;
