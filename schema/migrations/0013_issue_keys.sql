-- Keys that issues had before their project was renamed or they were moved: texts still contain them.
CREATE TABLE activity_former_keys (
  former_key TEXT PRIMARY KEY NOT NULL,
  issue_key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idx_activity_former_keys_issue ON activity_former_keys(issue_key);
