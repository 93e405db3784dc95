-- What Claude used up, one row an API message: the CLI tells each of them several times, the last word counts.
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

-- What it cost, one row an attempt at a run or turn and model: the CLI tells no finer figure.
CREATE TABLE claude_costs (
  job_id TEXT NOT NULL,
  model TEXT NOT NULL,
  booked_at TEXT NOT NULL,
  session_id TEXT,
  cost_usd REAL NOT NULL,
  PRIMARY KEY (job_id, model, booked_at)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_costs_booked ON claude_costs(booked_at);

-- What is known already is what answered runs and turns came to, as a whole each.
INSERT INTO claude_usage (usage_key, booked_at, job_id, session_id, model, input_tokens, output_tokens,
                          cache_creation_input_tokens, cache_read_input_tokens)
SELECT 'job:' || job_id, coalesce(finished_at, updated_at), job_id,
  CASE type WHEN 'claude.turn' THEN json_extract(result_json, '$.session_id') END,
  coalesce(json_extract(result_json, '$.model'), 'unknown'),
  json_extract(result_json, '$.usage.input_tokens'),
  json_extract(result_json, '$.usage.output_tokens'),
  json_extract(result_json, '$.usage.cache_creation_input_tokens'),
  json_extract(result_json, '$.usage.cache_read_input_tokens')
FROM jobs
WHERE type IN ('claude.run', 'claude.turn') AND status = 'succeeded'
  AND json_type(result_json, '$.usage.input_tokens') = 'integer'
  AND json_type(result_json, '$.usage.output_tokens') = 'integer'
  AND json_type(result_json, '$.usage.cache_creation_input_tokens') = 'integer'
  AND json_type(result_json, '$.usage.cache_read_input_tokens') = 'integer';
INSERT INTO claude_costs (job_id, model, booked_at, session_id, cost_usd)
SELECT job_id, coalesce(json_extract(result_json, '$.model'), 'unknown'), coalesce(finished_at, updated_at),
  CASE type WHEN 'claude.turn' THEN json_extract(result_json, '$.session_id') END,
  json_extract(result_json, '$.total_cost_usd')
FROM jobs
WHERE type IN ('claude.run', 'claude.turn') AND status = 'succeeded'
  AND json_type(result_json, '$.total_cost_usd') IN ('real', 'integer');

-- Messages get a number that no VACUUM changes, for the search index, and what of them is in it: their text, and what a
-- tool was given; no more than one statement can index without holding up everybody else.
CREATE TABLE claude_messages_numbered (
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
INSERT INTO claude_messages_numbered (session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at)
SELECT session_id, seq, job_id, api_message_id, kind, text, raw_json, created_at
FROM claude_messages ORDER BY created_at, session_id, seq;
DROP TABLE claude_messages;
ALTER TABLE claude_messages_numbered RENAME TO claude_messages;

-- Whose a session of the CLI's is.
CREATE INDEX idx_claude_sessions_claude ON claude_sessions(claude_session_id) WHERE claude_session_id IS NOT NULL;

-- The CLI processes that were started and have not been seen to end: what a dead sidecar leaves is found by these.
CREATE TABLE claude_processes (
  pid INTEGER PRIMARY KEY NOT NULL,
  started_at REAL NOT NULL,
  owner_id TEXT NOT NULL
) STRICT;
