ALTER TABLE jobs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN max_attempts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN recoveries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN waiting_for TEXT;
ALTER TABLE jobs ADD COLUMN lock_key TEXT;
ALTER TABLE jobs ADD COLUMN schedule_id TEXT;
-- Whether run_at has come; kept beside it, so that what is due is found by one index whatever it waited for.
ALTER TABLE jobs ADD COLUMN ready INTEGER NOT NULL DEFAULT 1;

CREATE INDEX idx_jobs_ready ON jobs(type, priority DESC, created_at, job_id) WHERE status = 'queued' AND ready = 1;
CREATE INDEX idx_jobs_timed ON jobs(run_at) WHERE status = 'queued' AND ready = 0;

-- Who holds a key, looked up for every queued job that wants one.
CREATE INDEX idx_jobs_locks ON jobs(lock_key) WHERE status = 'running' AND lock_key IS NOT NULL;
-- Finished jobs in the order in which they are forgotten.
CREATE INDEX idx_jobs_finished ON jobs(updated_at, job_id) WHERE status NOT IN ('queued', 'running');

-- One row: what holds for the queue as a whole.
CREATE TABLE job_queue (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  paused_at TEXT
) STRICT;
INSERT INTO job_queue (id, paused_at) VALUES (1, NULL);

-- Jobs that are made again and again, on a grid of the wall clock: anchor_ms + n * period_s.
CREATE TABLE job_schedules (
  schedule_id TEXT PRIMARY KEY NOT NULL,
  type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  period_s INTEGER NOT NULL CHECK (period_s > 0),
  anchor_ms INTEGER NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  next_run_at TEXT NOT NULL,
  last_run_at TEXT,
  last_job_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_job_schedules_due ON job_schedules(next_run_at) WHERE enabled = 1;
