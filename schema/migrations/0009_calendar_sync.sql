-- How an account stands, and how far its events reach.
ALTER TABLE calendar_accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE calendar_accounts ADD COLUMN reason TEXT;
ALTER TABLE calendar_accounts ADD COLUMN hint TEXT;
-- When its sign-in was granted; NULL: not known, as in the old backend's rows.
ALTER TABLE calendar_accounts ADD COLUMN signed_in_at TEXT;
ALTER TABLE calendar_accounts ADD COLUMN past_days INTEGER NOT NULL DEFAULT 180;
ALTER TABLE calendar_accounts ADD COLUMN future_days INTEGER NOT NULL DEFAULT 400;
ALTER TABLE calendar_accounts ADD COLUMN last_sync_at TEXT;

-- Where the sync of a calendar goes on, and what that holds for (`sync_key`): with other settings it is worth nothing.
ALTER TABLE calendar_calendars ADD COLUMN sync_token TEXT;
ALTER TABLE calendar_calendars ADD COLUMN sync_key TEXT;
-- When all of its window was last read, and what of it is gone was removed; milliseconds since 1970.
ALTER TABLE calendar_calendars ADD COLUMN swept_ms INTEGER;
ALTER TABLE calendar_calendars ADD COLUMN sync_error TEXT;
ALTER TABLE calendar_calendars ADD COLUMN last_sync_at TEXT;
-- Its events that had ended by then are in the feed, and no others; seconds since 1970.  NULL: none is.
ALTER TABLE calendar_calendars ADD COLUMN fed_ts INTEGER;

ALTER TABLE calendar_events ADD COLUMN event_type TEXT;
ALTER TABLE calendar_events ADD COLUMN transparency TEXT;
ALTER TABLE calendar_events ADD COLUMN response_status TEXT;
ALTER TABLE calendar_events ADD COLUMN ical_uid TEXT;
ALTER TABLE calendar_events ADD COLUMN recurring_event_id TEXT;
ALTER TABLE calendar_events ADD COLUMN original_start_time TEXT;
ALTER TABLE calendar_events ADD COLUMN sequence INTEGER;
-- A digest of all that the provider says of it: what comes again unchanged is not written again.
ALTER TABLE calendar_events ADD COLUMN fingerprint TEXT;
-- What has passed since the feed was last told.
CREATE INDEX idx_calendar_events_end ON calendar_events(account_id, calendar_id, end_ts, event_id);

-- Google sign-ins that are under way: they outlast a restart.  `verifier` and `code` are sealed.
CREATE TABLE calendar_sign_ins (
  state TEXT PRIMARY KEY NOT NULL,
  verifier TEXT NOT NULL,
  redirect_uri TEXT NOT NULL,
  -- The account that is to be connected anew.
  account_id TEXT,
  expires_ms INTEGER NOT NULL,
  -- started, authorized, refused, completing, done
  stage TEXT NOT NULL DEFAULT 'started',
  code TEXT,
  -- The redirect's error.
  error TEXT
) STRICT, WITHOUT ROWID;
