-- What Claude may do with the hub in a session: off, read or act.
ALTER TABLE claude_sessions ADD COLUMN hub TEXT NOT NULL DEFAULT 'off';
