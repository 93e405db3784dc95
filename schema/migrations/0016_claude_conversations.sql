-- The CLI's conversation behind a session, as far as it is not the one that its messages are recorded in.
CREATE TABLE claude_conversations (
  session_id TEXT PRIMARY KEY NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  -- The CLI's conversation that the first turn of a fork branches off, and the record after which; NULL for its end.
  fork_claude_session_id TEXT,
  fork_claude_uuid TEXT,
  -- Size of the CLI's file up to which its messages are stored here.  NULL if unknown.
  record_bytes INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO claude_conversations (session_id, fork_claude_session_id)
SELECT session_id, fork_claude_session_id FROM claude_sessions;
ALTER TABLE claude_sessions DROP COLUMN fork_claude_session_id;

-- Where a message is in the CLI's records: the conversation (NULL if not known yet), and the id of the record in it.
-- Without that id, the message says that the conversation was cleared.  A prompt that was sent again has several.
CREATE TABLE claude_records (
  session_id TEXT NOT NULL REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  claude_session_id TEXT,
  claude_uuid TEXT
) STRICT;
CREATE INDEX idx_claude_records_seq ON claude_records(session_id, seq);
CREATE INDEX idx_claude_records_uuid ON claude_records(session_id, claude_uuid);
INSERT INTO claude_records (session_id, seq, claude_session_id, claude_uuid)
SELECT session_id, seq, json_extract(raw_json, '$.session_id'), json_extract(raw_json, '$.uuid') FROM claude_messages
WHERE kind IN ('assistant_text', 'thinking', 'tool_use', 'tool_result', 'error') AND json_valid(raw_json)
  AND json_type(raw_json, '$.uuid') = 'text' AND json_type(raw_json, '$.session_id') = 'text'
  AND json_extract(raw_json, '$.parent_tool_use_id') IS NULL;

-- Whether the model was reset: the CLI would otherwise go on with the model of the conversation that it resumes.
ALTER TABLE claude_sessions ADD COLUMN is_model_reset INTEGER NOT NULL DEFAULT 0;
-- The name of the session's git worktree, and whether the CLI has still to create it.
ALTER TABLE claude_sessions ADD COLUMN worktree TEXT;
ALTER TABLE claude_sessions ADD COLUMN needs_worktree INTEGER NOT NULL DEFAULT 0;
