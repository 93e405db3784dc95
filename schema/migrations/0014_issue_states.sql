-- The state of each issue when its site was last asked.  The feed may have the events of the account's owner only, and a
-- colleague may have finished the issue.
CREATE TABLE activity_issue_states (
  account_id TEXT NOT NULL,
  issue_key TEXT NOT NULL,
  -- todo, doing, done or blocked; NULL if the name of the status has no such meaning.
  status_kind TEXT,
  PRIMARY KEY (account_id, issue_key)
) STRICT, WITHOUT ROWID;
