ALTER TABLE jobs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_at TEXT;
-- Whether run_at has passed, or is NULL.  Stored, so that one index finds all jobs that can start.
ALTER TABLE jobs ADD COLUMN is_due INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN started_at TEXT;
ALTER TABLE jobs ADD COLUMN finished_at TEXT;
ALTER TABLE jobs ADD COLUMN cancel_requested_at TEXT;
ALTER TABLE jobs ADD COLUMN idempotency_key TEXT;
-- The start of the sidecar that claimed the job: a running job with another boot_id was left by a crash.
ALTER TABLE jobs ADD COLUMN boot_id TEXT;
ALTER TABLE jobs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN max_attempts INTEGER NOT NULL DEFAULT 1;
-- How often the job was queued again after a crash.
ALTER TABLE jobs ADD COLUMN recoveries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN waiting_for TEXT;
-- At most one running job has a given key.
ALTER TABLE jobs ADD COLUMN lock_key TEXT;
ALTER TABLE jobs ADD COLUMN schedule_id TEXT;
-- The first of the job's consecutive snoozes (for example, while a usage limit lasts).
ALTER TABLE jobs ADD COLUMN first_snoozed_at TEXT;

CREATE INDEX idx_jobs_created ON jobs(created_at, job_id);
CREATE INDEX idx_jobs_status ON jobs(status, created_at, job_id);
CREATE INDEX idx_jobs_type ON jobs(type, created_at, job_id);
CREATE UNIQUE INDEX idx_jobs_idempotency ON jobs(idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX idx_jobs_due ON jobs(type, priority DESC, created_at, job_id) WHERE status = 'queued' AND is_due = 1;
CREATE INDEX idx_jobs_delayed ON jobs(run_at) WHERE status = 'queued' AND is_due = 0;
-- For each queued job with a lock_key: whether a running job holds it.
CREATE INDEX idx_jobs_locks ON jobs(lock_key) WHERE status = 'running' AND lock_key IS NOT NULL;
-- Finished jobs in the order in which they are pruned.
CREATE INDEX idx_jobs_finished ON jobs(updated_at, job_id) WHERE status NOT IN ('queued', 'running');
-- A job's log is read in rowid order: a clock that was set back must not hide new lines.
CREATE INDEX idx_job_events_job ON job_events(job_id);

-- One row: the state of the whole queue.
CREATE TABLE job_queue (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  -- NULL while the queue is running.
  paused_at TEXT
) STRICT;
INSERT INTO job_queue (id, paused_at) VALUES (1, NULL);

-- Recurring jobs.  They run at Unix time offset_ms + n * period_s.
CREATE TABLE job_schedules (
  schedule_id TEXT PRIMARY KEY NOT NULL,
  type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  period_s INTEGER NOT NULL CHECK (period_s > 0),
  offset_ms INTEGER NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  next_run_at TEXT NOT NULL,
  last_run_at TEXT,
  last_job_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_job_schedules_due ON job_schedules(next_run_at) WHERE enabled = 1;
