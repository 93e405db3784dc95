ALTER TABLE activity_events RENAME TO old_activity_events;

-- The activity feed, in the order of `feed_key`; sidecar/feed.py documents the fields.
CREATE TABLE activity_events (
  event_id TEXT UNIQUE,
  source TEXT NOT NULL,
  account_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  title TEXT,
  description TEXT,
  url TEXT,
  actor TEXT,
  event_time TEXT,
  event_ts INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  raw_json TEXT,
  -- Unix time in milliseconds, times 1024, plus a number that is unique within the millisecond.  It is the rowid, and
  -- so the last column of every index: each index lists its events by time, and so does the full-text index.
  feed_key INTEGER PRIMARY KEY,
  ended_at TEXT,
  ended_ts INTEGER,
  local_date TEXT,
  local_end_date TEXT,
  by_me INTEGER NOT NULL DEFAULT 1,
  container_id TEXT,
  container TEXT,
  object_id TEXT,
  issue_key TEXT,
  status TEXT,
  previous_status TEXT,
  status_kind TEXT,
  -- The event's rows in activity_links as {issue_key: is_explicit}; NULL if it has none.
  links_json TEXT,
  version INTEGER NOT NULL DEFAULT 1
);
-- The running maximum gives each row a key of its own, however many events share a second.
INSERT INTO activity_events (event_id, source, account_id, event_type, title, description, url, actor, event_time,
                             event_ts, created_at, updated_at, raw_json, feed_key)
SELECT event_id, source, account_id, event_type, title, description, url, actor, event_time, event_ts, created_at,
       updated_at, raw_json, max(first_key - number) OVER (ORDER BY number) + number
FROM (
    SELECT *, event_ts * 1024000 AS first_key, row_number() OVER (ORDER BY event_ts, event_id) AS number
    FROM old_activity_events)
ORDER BY number;
DROP TABLE old_activity_events;

CREATE INDEX idx_activity_source ON activity_events(source);
CREATE INDEX idx_activity_account ON activity_events(account_id);
CREATE INDEX idx_activity_kind ON activity_events(source, account_id, event_type);
CREATE INDEX idx_activity_all_day ON activity_events(source, local_date) WHERE local_date IS NOT NULL;
CREATE INDEX idx_activity_issue ON activity_events(issue_key) WHERE issue_key IS NOT NULL;

-- Issues that an event refers to without being about them.
CREATE TABLE activity_links (
  issue_key TEXT NOT NULL,
  feed_key INTEGER NOT NULL REFERENCES activity_events(feed_key) ON DELETE CASCADE ON UPDATE CASCADE,
  -- Whether the source stated the link.  Otherwise a text contains what looks like a key (UTF-8 and COVID-19 do, too);
  -- that is a link only if the feed has an event about an issue of the same project.
  is_explicit INTEGER NOT NULL,
  PRIMARY KEY (issue_key, feed_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_links_event ON activity_links(feed_key);
