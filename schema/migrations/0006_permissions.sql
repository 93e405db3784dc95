-- What Claude asks during a turn.  A question outlives its turn where the sidecar ended while it was open.
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

-- Since when a job has been put off again and again for one reason outside of it, such as a usage limit.
ALTER TABLE jobs ADD COLUMN snoozed_since TEXT;
