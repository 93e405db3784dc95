-- The feed in the order in which things happened: `position` is the moment in milliseconds since 1970, times 1024, plus
-- a place among what happened in the same one.  Being the table's own key, it is the end of every index, which makes
-- each of them a sorted list of the newest; and the full-text index, ordered by it, finds the newest first.
-- Old columns as they were; sidecar/feed.py says what the new ones mean.
CREATE TABLE activity_feed (
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
  position INTEGER PRIMARY KEY,
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
  -- What activity_links has of it, {key: told}; NULL: nothing.
  links_json TEXT,
  -- How often it has been told, each time in other words; 1: once.
  revision INTEGER NOT NULL DEFAULT 1
);
-- The running maximum leaves no two rows in one place, however many fell into one second.
INSERT INTO activity_feed (event_id, source, account_id, event_type, title, description, url, actor, event_time,
                           event_ts, created_at, updated_at, raw_json, position)
SELECT event_id, source, account_id, event_type, title, description, url, actor, event_time, event_ts, created_at,
       updated_at, raw_json, max(moment - place) OVER (ORDER BY place) + place
FROM (
    SELECT *, event_ts * 1024000 AS moment, row_number() OVER (ORDER BY event_ts, event_id) AS place
    FROM activity_events)
ORDER BY place;
DROP TABLE activity_events;
ALTER TABLE activity_feed RENAME TO activity_events;

CREATE INDEX idx_activity_source ON activity_events(source);
CREATE INDEX idx_activity_account ON activity_events(account_id);
CREATE INDEX idx_activity_kind ON activity_events(source, account_id, event_type);
CREATE INDEX idx_activity_all_day ON activity_events(source, local_date) WHERE local_date IS NOT NULL;
CREATE INDEX idx_activity_issue ON activity_events(issue_key) WHERE issue_key IS NOT NULL;

-- Issues that an event is not about, but names.  `told`: by its source; else a text has what looks like a key, which
-- is a link if some event of its project is in the feed: UTF-8 and COVID-19 look like keys too.
CREATE TABLE activity_links (
  issue_key TEXT NOT NULL,
  position INTEGER NOT NULL REFERENCES activity_events(position) ON DELETE CASCADE ON UPDATE CASCADE,
  told INTEGER NOT NULL,
  PRIMARY KEY (issue_key, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_links_event ON activity_links(position);
