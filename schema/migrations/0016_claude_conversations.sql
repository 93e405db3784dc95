-- Where a message is in the CLI's record: the CLI's conversation and the record's id in it.  NULL if unknown.
ALTER TABLE claude_messages ADD COLUMN claude_session_id TEXT;
ALTER TABLE claude_messages ADD COLUMN claude_uuid TEXT;
CREATE INDEX idx_claude_messages_uuid ON claude_messages(session_id, claude_uuid) WHERE claude_uuid IS NOT NULL;

-- The record at which the first turn of a fork branches off; NULL for the end of the conversation.
ALTER TABLE claude_sessions ADD COLUMN fork_claude_uuid TEXT;
-- Size of the CLI's record up to which its messages are stored here.  NULL if unknown.
ALTER TABLE claude_sessions ADD COLUMN record_bytes INTEGER;
-- Whether the model was reset: the CLI would otherwise go on with the model of the conversation it resumes.
ALTER TABLE claude_sessions ADD COLUMN is_model_reset INTEGER NOT NULL DEFAULT 0;
-- The name of the session's git worktree, and whether the CLI has still to create it.
ALTER TABLE claude_sessions ADD COLUMN worktree TEXT;
ALTER TABLE claude_sessions ADD COLUMN needs_worktree INTEGER NOT NULL DEFAULT 0;
