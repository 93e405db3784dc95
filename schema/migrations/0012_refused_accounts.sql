-- A refused account: since when it has been refused for the same reason, and when it is tried again.
ALTER TABLE calendar_accounts ADD COLUMN refused_at TEXT;
ALTER TABLE calendar_accounts ADD COLUMN next_try_at TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN hint TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN refused_at TEXT;
ALTER TABLE atlassian_accounts ADD COLUMN next_try_at TEXT;

-- The runs of how many seconds were left out before the next run.
ALTER TABLE job_schedules ADD COLUMN postponed_s INTEGER NOT NULL DEFAULT 0;
