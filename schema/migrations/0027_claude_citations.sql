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
-- What the answers of runs and turns cite.
CREATE TABLE claude_citations (
  answer_id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL UNIQUE,
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  citations_json TEXT NOT NULL
) STRICT;
CREATE INDEX idx_claude_citations_session ON claude_citations(session_id) WHERE session_id IS NOT NULL;
