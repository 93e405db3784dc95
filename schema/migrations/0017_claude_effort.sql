-- The effort with which Claude works in a session; NULL for that of the user's Claude settings.
ALTER TABLE claude_sessions ADD COLUMN effort TEXT;
