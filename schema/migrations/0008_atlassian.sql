ALTER TABLE atlassian_accounts ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
-- Why the account's status is not active.
ALTER TABLE atlassian_accounts ADD COLUMN reason TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN scope TEXT NOT NULL DEFAULT 'mine';
-- Where the token is accepted: `site` or `gateway`.  NULL if not tried yet, as in the old backend's rows.
ALTER TABLE atlassian_accounts ADD COLUMN api_route TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN cloud_id TEXT;
-- The token owner's account id, name and time zone at Atlassian.
ALTER TABLE atlassian_accounts ADD COLUMN atlassian_account_id TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN display_name TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN time_zone TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN token_expires_at TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN last_sync_at TEXT;

-- Issues, pages and comments that a sync has read.
CREATE TABLE atlassian_objects (
  account_id TEXT NOT NULL,
  object_id TEXT NOT NULL,
  -- A comment's page: deleting the page deletes the comment.
  parent_id TEXT,
  -- The time of the last change, as the site's search reported it; while it is the same, the object is not read again.
  remote_updated TEXT NOT NULL,
  -- A JSON array: what follows the common prefix in the ids of the object's feed events.
  event_suffixes_json TEXT NOT NULL DEFAULT '[]',
  -- When a sync last found that the object exists.
  checked_at TEXT NOT NULL,
  PRIMARY KEY (account_id, object_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_atlassian_objects_checked ON atlassian_objects(account_id, checked_at);
CREATE INDEX idx_atlassian_objects_parent ON atlassian_objects(account_id, parent_id) WHERE parent_id IS NOT NULL;
