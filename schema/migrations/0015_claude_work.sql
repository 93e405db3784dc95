-- Usage: the CLI's totals by model have tokens and cost together, so one row has both.  Older rows are one per API
-- message, without a cost, and one per model and job, without tokens.
ALTER TABLE claude_usage ADD COLUMN cost_usd REAL NOT NULL DEFAULT 0;
INSERT INTO claude_usage (usage_key, recorded_at, job_id, session_id, model, input_tokens, output_tokens,
                          cache_creation_input_tokens, cache_read_input_tokens, cost_usd)
SELECT 'cost:' || job_id || ':' || model || ':' || recorded_at, recorded_at, job_id, session_id, model, 0, 0, 0, 0, cost_usd
FROM claude_costs;
DROP TABLE claude_costs;

-- The tasks that Claude runs in the background of the session's turn.
ALTER TABLE claude_sessions ADD COLUMN tasks_json TEXT NOT NULL DEFAULT '[]';
-- Whether a turn that hits a usage limit goes on by itself when the limit resets, and when the one that waits does.
ALTER TABLE claude_sessions ADD COLUMN wait_for_limit INTEGER NOT NULL DEFAULT 1;
ALTER TABLE claude_sessions ADD COLUMN resumes_at TEXT;

-- The CLI's session of a run: to go on with it after a usage limit, and for the person after a cancel or a crash.
CREATE TABLE claude_runs (
  job_id TEXT PRIMARY KEY NOT NULL,
  started_at TEXT NOT NULL,
  claude_session_id TEXT,
  -- Whether Claude has answered anything or used a tool, so that the prompt must not be sent again.
  has_acted INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_runs_started ON claude_runs(started_at);

-- Whether a snoozed job keeps its lock, so that later jobs with the same lock wait for it.
ALTER TABLE jobs ADD COLUMN keeps_lock INTEGER NOT NULL DEFAULT 0;
CREATE INDEX idx_jobs_kept_locks ON jobs(lock_key) WHERE status = 'queued' AND keeps_lock = 1;
