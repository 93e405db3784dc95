-- Prompts that were offered to a running turn.  The job of each is queued, and runs as the next turn unless Claude has
-- read the prompt in that turn.
CREATE TABLE claude_steers (
  -- The id under which the CLI was sent the prompt; the job's payload has it too.
  steer_id TEXT PRIMARY KEY NOT NULL,
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT NOT NULL,
  turn_job_id TEXT NOT NULL,
  -- offered, taken (Claude has read it), answered, or lost (the turn has ended without an answer).
  state TEXT NOT NULL DEFAULT 'offered',
  -- The answer, or the failure of the turn.
  outcome_json TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_claude_steers_turn ON claude_steers(turn_job_id);
CREATE INDEX idx_claude_steers_session ON claude_steers(session_id);
