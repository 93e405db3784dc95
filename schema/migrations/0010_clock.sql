-- Lists that are promised in the order of their making are read in rowid order, the last column of every index: a clock
-- that was set back, or corrected by a few milliseconds, must not reverse two prompts.
DROP INDEX idx_jobs_created;
DROP INDEX idx_jobs_status;
DROP INDEX idx_jobs_type;
DROP INDEX idx_jobs_due;
CREATE INDEX idx_jobs_status ON jobs(status);
CREATE INDEX idx_jobs_type ON jobs(type);
CREATE INDEX idx_jobs_due ON jobs(type, priority DESC) WHERE status = 'queued' AND is_due = 1;

DROP INDEX idx_claude_permissions_page;
DROP INDEX idx_claude_permissions_session;
DROP INDEX idx_claude_permissions_status;
CREATE INDEX idx_claude_permissions_session ON claude_permissions(session_id);
CREATE INDEX idx_claude_permissions_status ON claude_permissions(status);

-- The number of the update in which a session was last changed: the order of the list of sessions.
ALTER TABLE claude_sessions ADD COLUMN update_number INTEGER NOT NULL DEFAULT 0;
UPDATE claude_sessions SET update_number = ranked.position
FROM (SELECT session_id, row_number() OVER (ORDER BY updated_at, session_id) AS position FROM claude_sessions) AS ranked
WHERE claude_sessions.session_id = ranked.session_id;
DROP INDEX idx_claude_sessions_page;
CREATE INDEX idx_claude_sessions_page ON claude_sessions(update_number, session_id);

-- The delay that the queue itself chose for run_at, for a retry or a snooze.  NULL if a client chose run_at: only that one
-- is a moment of the wall clock.
ALTER TABLE jobs ADD COLUMN delay_ms INTEGER;
-- The sum of the delays of the job's snoozes.
ALTER TABLE jobs ADD COLUMN snoozed_ms INTEGER NOT NULL DEFAULT 0;
-- No delay is longer than a day.
UPDATE jobs SET delay_ms = 86400000 WHERE status = 'queued' AND run_at IS NOT NULL AND waiting_for IS NOT NULL;
UPDATE jobs SET snoozed_ms = 1000 WHERE first_snoozed_at IS NOT NULL;
ALTER TABLE jobs DROP COLUMN first_snoozed_at;
