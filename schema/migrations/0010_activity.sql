-- What the feed knows of an event beyond the old backend's columns; sidecar/feed.py says what each means.
ALTER TABLE activity_events ADD COLUMN ended_at TEXT;
ALTER TABLE activity_events ADD COLUMN ended_ts INTEGER;
ALTER TABLE activity_events ADD COLUMN local_date TEXT;
ALTER TABLE activity_events ADD COLUMN local_end_date TEXT;
ALTER TABLE activity_events ADD COLUMN by_me INTEGER NOT NULL DEFAULT 1;
ALTER TABLE activity_events ADD COLUMN container_id TEXT;
ALTER TABLE activity_events ADD COLUMN container TEXT;
ALTER TABLE activity_events ADD COLUMN object_id TEXT;
ALTER TABLE activity_events ADD COLUMN issue_key TEXT;
ALTER TABLE activity_events ADD COLUMN status TEXT;
ALTER TABLE activity_events ADD COLUMN previous_status TEXT;
ALTER TABLE activity_events ADD COLUMN status_kind TEXT;
-- Keys of further issues that the source itself names, as a JSON list; NULL: none.
ALTER TABLE activity_events ADD COLUMN links_json TEXT;
-- How often it has been told, each time in other words; 1: once.
ALTER TABLE activity_events ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
