-- The cost that Claude may reach: on a day (no session), and in a session.
CREATE TABLE claude_budgets (
  session_id TEXT UNIQUE REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  max_usd REAL NOT NULL
) STRICT;

-- The usage of a session is summed while its turns run.
CREATE INDEX idx_claude_usage_session ON claude_usage(session_id) WHERE session_id IS NOT NULL;
