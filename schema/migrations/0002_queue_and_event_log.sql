-- The old backend's words for where a job is, in ours; whatever else it wrote cannot still be running.
UPDATE jobs SET status = CASE status
    WHEN 'pending' THEN 'queued'
    WHEN 'completed' THEN 'succeeded' WHEN 'complete' THEN 'succeeded' WHEN 'done' THEN 'succeeded'
    WHEN 'success' THEN 'succeeded' WHEN 'error' THEN 'failed' WHEN 'canceled' THEN 'cancelled'
    ELSE 'interrupted' END
WHERE status NOT IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted');

-- Pages are built by SQLite's JSON functions, which refuse a whole page for one malformed value, or for one of bytes.
UPDATE jobs SET payload_json = iif(json_valid(CAST(payload_json AS TEXT)), CAST(payload_json AS TEXT), hex(payload_json))
WHERE typeof(payload_json) = 'blob';
UPDATE jobs SET result_json = iif(json_valid(CAST(result_json AS TEXT)), CAST(result_json AS TEXT), hex(result_json))
WHERE typeof(result_json) = 'blob';
UPDATE jobs SET error_json = iif(json_valid(CAST(error_json AS TEXT)), CAST(error_json AS TEXT), hex(error_json))
WHERE typeof(error_json) = 'blob';
UPDATE job_events SET meta_json = iif(json_valid(CAST(meta_json AS TEXT)), CAST(meta_json AS TEXT), hex(meta_json))
WHERE typeof(meta_json) = 'blob';
UPDATE activity_events SET raw_json = iif(json_valid(CAST(raw_json AS TEXT)), CAST(raw_json AS TEXT), hex(raw_json))
WHERE typeof(raw_json) = 'blob';
UPDATE jobs SET payload_json = json_quote(payload_json) WHERE payload_json IS NOT NULL AND NOT json_valid(payload_json);
UPDATE jobs SET result_json = json_quote(result_json) WHERE result_json IS NOT NULL AND NOT json_valid(result_json);
UPDATE jobs SET error_json = json_quote(error_json) WHERE error_json IS NOT NULL AND NOT json_valid(error_json);
UPDATE job_events SET meta_json = json_quote(meta_json) WHERE meta_json IS NOT NULL AND NOT json_valid(meta_json);
UPDATE activity_events SET raw_json = json_quote(raw_json) WHERE raw_json IS NOT NULL AND NOT json_valid(raw_json);

-- An error has a kind, a message and perhaps more; whatever else was recorded goes into its details.
UPDATE jobs SET error_json = NULL WHERE error_json IS NOT NULL AND json_type(error_json) = 'null';
UPDATE jobs SET error_json = json_object(
    'kind', iif(json_type(error_json, '$.kind') IS 'text', json_extract(error_json, '$.kind'), 'unknown'),
    'message', '' || coalesce(
        json_extract(error_json, '$.message'),
        json_extract(error_json, '$.error'),
        iif(json_type(error_json) = 'text', json_extract(error_json, '$'), error_json)),
    'retryable', json('false'),
    'details', json_object('recorded', json(error_json)))
WHERE error_json IS NOT NULL AND NOT (
    json_type(error_json, '$.kind') IS 'text'
    AND json_type(error_json, '$.message') IS 'text'
    AND coalesce(json_type(error_json, '$.hint'), 'null') IN ('null', 'text')
    AND coalesce(json_type(error_json, '$.retryable'), 'false') IN ('false', 'true')
    AND coalesce(json_type(error_json, '$.details'), 'null') IN ('null', 'object'));

-- A progress is a fraction, where it was a percentage too; what is neither tells nothing.
UPDATE jobs SET progress = CASE
    WHEN typeof(progress) <> 'real' THEN NULL
    WHEN progress BETWEEN 1 AND 100 THEN progress / 100
    END
WHERE progress IS NOT NULL AND NOT (typeof(progress) = 'real' AND progress BETWEEN 0 AND 1);
UPDATE job_events SET level = CASE
    WHEN lower(level) IN ('debug', 'info', 'warning', 'error') THEN lower(level)
    WHEN lower(level) IN ('warn') THEN 'warning'
    WHEN lower(level) IN ('critical', 'fatal', 'exception') THEN 'error'
    ELSE 'info' END
WHERE level NOT IN ('debug', 'info', 'warning', 'error');

-- The feed is paged by time, in whole seconds; a row without one would be on no page.
UPDATE activity_events SET event_ts = coalesce(
    iif(typeof(event_ts) = 'real', CAST(event_ts AS INTEGER), NULL),
    CAST(strftime('%s', event_time) AS INTEGER),
    CAST(strftime('%s', created_at) AS INTEGER),
    0)
WHERE typeof(event_ts) <> 'integer';

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
CREATE UNIQUE INDEX idx_jobs_idempotency ON jobs(idempotency_key) WHERE idempotency_key IS NOT NULL;
-- In the order in which the lines were written (rowid): a clock that is set back must not hide new ones.
CREATE INDEX idx_job_events_job ON job_events(job_id);
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
