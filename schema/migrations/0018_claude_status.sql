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
CREATE TABLE claude_told_problems (
  session_id TEXT PRIMARY KEY NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  problems_json TEXT NOT NULL
) STRICT, WITHOUT ROWID;
