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
CREATE TABLE claude_trusted_sources (
  source TEXT PRIMARY KEY NOT NULL,
  trusted_at TEXT NOT NULL
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
-- When the first text of others came into the session.
ALTER TABLE claude_sessions ADD COLUMN exposed_at TEXT;
