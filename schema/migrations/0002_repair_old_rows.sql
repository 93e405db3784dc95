-- Rows of the old backend, changed to what this program expects.

-- The old backend had other names for a job's status.  A status unknown to both cannot belong to a running job.
UPDATE jobs SET status = CASE status
    WHEN 'pending' THEN 'queued'
    WHEN 'completed' THEN 'succeeded' WHEN 'complete' THEN 'succeeded' WHEN 'done' THEN 'succeeded'
    WHEN 'success' THEN 'succeeded' WHEN 'error' THEN 'failed' WHEN 'canceled' THEN 'cancelled'
    ELSE 'interrupted' END
WHERE status NOT IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted');

-- Pages are built by SQLite's JSON functions, which raise an error for malformed JSON and for BLOBs.
-- Malformed JSON becomes a JSON string; a BLOB becomes its text, or its hexadecimal digits if that is not JSON.
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
UPDATE calendar_events SET organizer_json = json_quote(CAST(nullif(organizer_json, '') AS TEXT))
WHERE organizer_json IS NOT NULL AND NOT json_valid(organizer_json);
UPDATE calendar_events SET attendees_json = json_quote(CAST(nullif(attendees_json, '') AS TEXT))
WHERE attendees_json IS NOT NULL AND NOT json_valid(attendees_json);

-- An error is an object with at least `kind` and `message`; any other value moves to its `details`.
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

-- Progress is a fraction from 0 to 1; the old backend also wrote percentages.  Other values become NULL.
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

-- Feed events and calendar events are selected by Unix time in whole seconds; a row without one would never be found.
UPDATE activity_events SET event_ts = coalesce(
    iif(typeof(event_ts) = 'real', CAST(event_ts AS INTEGER), NULL),
    CAST(strftime('%s', event_time) AS INTEGER),
    CAST(strftime('%s', created_at) AS INTEGER),
    0)
WHERE typeof(event_ts) <> 'integer';
UPDATE calendar_events SET start_ts = coalesce(
    iif(typeof(start_ts) = 'real', CAST(start_ts AS INTEGER), NULL),
    CAST(strftime('%s', start_time) AS INTEGER),
    CAST(strftime('%s', end_time) AS INTEGER))
WHERE typeof(start_ts) <> 'integer';
UPDATE calendar_events SET end_ts = coalesce(
    iif(typeof(end_ts) = 'real', CAST(end_ts AS INTEGER), NULL),
    CAST(strftime('%s', end_time) AS INTEGER),
    start_ts + iif(all_day, 86400, 0))
WHERE typeof(end_ts) <> 'integer';
