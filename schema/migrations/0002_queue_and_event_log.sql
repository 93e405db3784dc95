-- The old backend's words for where a job is, in ours; whatever else it wrote cannot still be running.
UPDATE jobs SET status = CASE status
    WHEN 'pending' THEN 'queued'
    WHEN 'completed' THEN 'succeeded' WHEN 'complete' THEN 'succeeded' WHEN 'done' THEN 'succeeded'
    WHEN 'success' THEN 'succeeded' WHEN 'error' THEN 'failed' WHEN 'canceled' THEN 'cancelled'
    ELSE 'interrupted' END
WHERE status NOT IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted');

-- Pages are built by SQLite's JSON functions, which refuse a whole page for one malformed value.
UPDATE jobs SET payload_json = json_quote(CAST(payload_json AS TEXT)) WHERE payload_json IS NOT NULL AND NOT json_valid(payload_json);
UPDATE jobs SET result_json = json_quote(CAST(result_json AS TEXT)) WHERE result_json IS NOT NULL AND NOT json_valid(result_json);
UPDATE jobs SET error_json = json_quote(CAST(error_json AS TEXT)) WHERE error_json IS NOT NULL AND NOT json_valid(error_json);
UPDATE jobs SET error_json = json_object(
    'kind', 'unknown',
    'message', coalesce(json_extract(error_json, '$.message'), json_extract(error_json, '$.error'), error_json),
    'retryable', json('false'),
    'details', json_object('recorded', json(error_json)))
WHERE error_json IS NOT NULL
  AND NOT (json_type(error_json, '$.kind') IS 'text' AND json_type(error_json, '$.message') IS 'text');
UPDATE job_events SET meta_json = json_quote(CAST(meta_json AS TEXT)) WHERE meta_json IS NOT NULL AND NOT json_valid(meta_json);
UPDATE activity_events SET raw_json = json_quote(CAST(raw_json AS TEXT)) WHERE raw_json IS NOT NULL AND NOT json_valid(raw_json);
-- The feed is paged by time; a row without one would be on no page.
UPDATE activity_events
SET event_ts = coalesce(CAST(strftime('%s', event_time) AS INTEGER), CAST(strftime('%s', created_at) AS INTEGER), 0)
WHERE event_ts IS NULL;

ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN run_at TEXT;
ALTER TABLE jobs ADD COLUMN started_at TEXT;
ALTER TABLE jobs ADD COLUMN finished_at TEXT;
ALTER TABLE jobs ADD COLUMN cancel_requested_at TEXT;
ALTER TABLE jobs ADD COLUMN idempotency_key TEXT;
ALTER TABLE jobs ADD COLUMN boot_id TEXT;
ALTER TABLE jobs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

CREATE INDEX idx_jobs_created ON jobs(created_at, job_id);
CREATE INDEX idx_jobs_status ON jobs(status, created_at, job_id);
CREATE INDEX idx_jobs_type ON jobs(type, created_at, job_id);
CREATE INDEX idx_jobs_ready ON jobs(priority DESC, created_at, job_id) WHERE status = 'queued' AND run_at IS NULL;
CREATE INDEX idx_jobs_timed ON jobs(run_at) WHERE status = 'queued' AND run_at IS NOT NULL;
CREATE UNIQUE INDEX idx_jobs_idempotency ON jobs(idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX idx_job_events_job ON job_events(job_id, created_at, event_id);
CREATE INDEX idx_activity_page ON activity_events(event_ts, event_id);
CREATE INDEX idx_activity_source_page ON activity_events(source, event_ts, event_id);
CREATE INDEX idx_activity_account_page ON activity_events(account_id, event_ts, event_id);

-- What the notifications said: written in the transaction that made them true, replayed to a host that missed some.
CREATE TABLE event_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  method TEXT NOT NULL,
  members TEXT NOT NULL
) STRICT;

-- Facts about this database itself; `epoch` changes when it is made anew.
CREATE TABLE database_facts (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO database_facts (name, value) VALUES ('epoch', lower(hex(randomblob(16))));
