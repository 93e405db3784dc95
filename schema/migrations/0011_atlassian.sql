-- How an account stands, how its site is reached, and who its owner is there.
ALTER TABLE atlassian_accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE atlassian_accounts ADD COLUMN reason TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN scope TEXT NOT NULL DEFAULT 'mine';
-- site or gateway: where the token is accepted.  NULL: not asked yet, as in the old backend's rows.
ALTER TABLE atlassian_accounts ADD COLUMN route TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN cloud_id TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN atlassian_id TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN display_name TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN time_zone TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN token_expires_at TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN last_sync_at TEXT;

-- What a sync has read: issues, pages, comments, each with the state that it was read in and the events it gave.
CREATE TABLE atlassian_objects (
  account_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  -- The page of a comment: they go together.
  parent TEXT,
  -- The time of change as the site's search told it; while it tells the same there is nothing to read.
  mark TEXT NOT NULL,
  -- The ends of the ids of its events in the feed, as JSON.
  events_json TEXT NOT NULL DEFAULT '[]',
  checked_ms INTEGER NOT NULL,
  PRIMARY KEY (account_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_atlassian_objects_checked ON atlassian_objects(account_id, checked_ms);
CREATE INDEX idx_atlassian_objects_parent ON atlassian_objects(account_id, parent) WHERE parent IS NOT NULL;
