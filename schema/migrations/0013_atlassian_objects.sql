-- When a look at the object first said that it is gone.  Its events are removed a day later if it still is; the row stays
-- for a year, so that the object is read again if it reappears.
ALTER TABLE atlassian_objects ADD COLUMN missing_since TEXT;
-- Whether the last read left something out; the daily sync reads the object again.
ALTER TABLE atlassian_objects ADD COLUMN is_unread INTEGER NOT NULL DEFAULT 0;
-- An issue's key or a page's address when it was read: these may change without a change of the object.
ALTER TABLE atlassian_objects ADD COLUMN shown_as TEXT;
CREATE INDEX idx_atlassian_objects_unread ON atlassian_objects(account_id, checked_at) WHERE is_unread;
CREATE INDEX idx_atlassian_objects_missing ON atlassian_objects(account_id, missing_since)
  WHERE missing_since IS NOT NULL;
