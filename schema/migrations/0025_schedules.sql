-- Schedules get a title, and rules beside periods.  Those of today are the sidecar's own (is_fixed).
CREATE TABLE job_schedules_new (
  schedule_id TEXT PRIMARY KEY NOT NULL,
  title TEXT,
  type TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  period_s INTEGER CHECK (period_s > 0),
  offset_ms INTEGER NOT NULL,
  rrule TEXT,
  start TEXT,
  time_zone TEXT,
  misfire_policy TEXT NOT NULL DEFAULT 'run_once',
  is_fixed INTEGER NOT NULL DEFAULT 0,
  enabled INTEGER NOT NULL DEFAULT 1,
  next_run_at TEXT,
  last_run_at TEXT,
  last_job_id TEXT,
  postponed_at TEXT,
  postponed_s INTEGER NOT NULL DEFAULT 0,
  CHECK ((period_s IS NULL) <> (rrule IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO job_schedules_new (
  schedule_id, type, payload_json, period_s, offset_ms, is_fixed, enabled, next_run_at, last_run_at, last_job_id,
  postponed_s)
SELECT schedule_id, type, payload_json, period_s, offset_ms, 1, enabled, next_run_at, last_run_at, last_job_id,
  postponed_s FROM job_schedules;
DROP TABLE job_schedules;
ALTER TABLE job_schedules_new RENAME TO job_schedules;
CREATE INDEX idx_job_schedules_due ON job_schedules(next_run_at) WHERE enabled = 1;

-- What became of each time of a schedule, in the order of recording (rowid).
CREATE TABLE job_schedule_runs (
  run_id TEXT NOT NULL,
  schedule_id TEXT NOT NULL,
  title TEXT,
  scheduled_for TEXT NOT NULL,
  times INTEGER NOT NULL DEFAULT 1,
  manual INTEGER NOT NULL DEFAULT 0,
  status TEXT NOT NULL,
  reason TEXT,
  away_from TEXT,
  away_to TEXT,
  job_id TEXT,
  -- The member of the job's result that is shown to the user; NULL if its type has none.
  answer TEXT,
  started_at TEXT,
  ended_at TEXT,
  text TEXT,
  error_json TEXT
) STRICT;
CREATE INDEX idx_job_schedule_runs_schedule ON job_schedule_runs(schedule_id);
CREATE INDEX idx_job_schedule_runs_job ON job_schedule_runs(job_id) WHERE job_id IS NOT NULL;
-- A time of a schedule has one row, whatever the clock says later; runs on request do not count.
CREATE UNIQUE INDEX idx_job_schedule_runs_time ON job_schedule_runs(schedule_id, scheduled_for) WHERE manual = 0;

-- The last time at which the worker looked for due schedules, stored every five minutes and at the end.
ALTER TABLE job_queue ADD COLUMN seen_at TEXT;
