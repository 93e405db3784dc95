ALTER TABLE calendar_accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
-- Why the account's status is not active.
ALTER TABLE calendar_accounts ADD COLUMN reason TEXT;
ALTER TABLE calendar_accounts ADD COLUMN hint TEXT;
-- NULL if unknown, as in the old backend's rows.
ALTER TABLE calendar_accounts ADD COLUMN signed_in_at TEXT;
ALTER TABLE calendar_accounts ADD COLUMN past_days INTEGER NOT NULL DEFAULT 180;
ALTER TABLE calendar_accounts ADD COLUMN future_days INTEGER NOT NULL DEFAULT 400;
ALTER TABLE calendar_accounts ADD COLUMN last_sync_at TEXT;

ALTER TABLE calendar_calendars ADD COLUMN sync_token TEXT;
-- The settings under which sync_token was issued; it is not used with other settings.
ALTER TABLE calendar_calendars ADD COLUMN sync_token_settings TEXT;
-- When all events of the window were last read, and events that the provider no longer has were deleted.
ALTER TABLE calendar_calendars ADD COLUMN full_sync_at TEXT;
ALTER TABLE calendar_calendars ADD COLUMN sync_error TEXT;
ALTER TABLE calendar_calendars ADD COLUMN last_sync_at TEXT;
-- Unix time in seconds: the activity feed has the events that ended by then, and no others.  NULL if it has none.
ALTER TABLE calendar_calendars ADD COLUMN feed_watermark_ts INTEGER;

ALTER TABLE calendar_events ADD COLUMN event_type TEXT;
ALTER TABLE calendar_events ADD COLUMN transparency TEXT;
ALTER TABLE calendar_events ADD COLUMN response_status TEXT;
ALTER TABLE calendar_events ADD COLUMN ical_uid TEXT;
ALTER TABLE calendar_events ADD COLUMN recurring_event_id TEXT;
ALTER TABLE calendar_events ADD COLUMN original_start_time TEXT;
ALTER TABLE calendar_events ADD COLUMN sequence INTEGER;
-- A digest of the provider's data: an unchanged event is not written again.
ALTER TABLE calendar_events ADD COLUMN fingerprint TEXT;
-- An upper bound of the event's duration: 1, 8, 64 or 512 days, or longer than any event.  An event in progress may
-- have started long ago; of one bucket, only events that started less than the bound ago can still be in progress.
ALTER TABLE calendar_events ADD COLUMN duration_bucket_s INTEGER GENERATED ALWAYS AS (CASE
    WHEN end_ts - start_ts <= 86400 THEN 86400
    WHEN end_ts - start_ts <= 691200 THEN 691200
    WHEN end_ts - start_ts <= 5529600 THEN 5529600
    WHEN end_ts - start_ts <= 44236800 THEN 44236800
    ELSE 1000000000000 END) VIRTUAL;
CREATE INDEX idx_calendar_events_range
    ON calendar_events(duration_bucket_s, start_ts, account_id, calendar_id, event_id);
-- The events that ended since feed_watermark_ts.
CREATE INDEX idx_calendar_events_end ON calendar_events(account_id, calendar_id, end_ts, event_id);

-- Google sign-ins in progress, which survive a restart.  `verifier` and `code` are encrypted.
CREATE TABLE calendar_sign_ins (
  state TEXT PRIMARY KEY NOT NULL,
  verifier TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  -- The account to reconnect; NULL for a new account.
  account_id TEXT,
  expires_at TEXT NOT NULL,
  -- started, authorized, refused, completing or done
  stage TEXT NOT NULL DEFAULT 'started',
  code TEXT,
  -- The error that the redirect reported.
  error TEXT
) STRICT, WITHOUT ROWID;
