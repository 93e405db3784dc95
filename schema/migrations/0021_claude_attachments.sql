-- The images and files of prompts.  Each is a file in the folder `attachments`, named by its id.  A fork has rows of its
-- own with the same ids.
CREATE TABLE claude_attachments (
  id INTEGER PRIMARY KEY,
  attachment_id TEXT NOT NULL,
  -- NULL for a run.
  session_id TEXT REFERENCES claude_sessions(session_id) ON DELETE CASCADE,
  job_id TEXT NOT NULL,
  -- Number of the prompt's characters before it.
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- Whether the job may still send the file to Claude.
  is_pending INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX idx_claude_attachments_attachment ON claude_attachments(attachment_id);
CREATE INDEX idx_claude_attachments_session ON claude_attachments(session_id);
CREATE INDEX idx_claude_attachments_job ON claude_attachments(job_id);

-- The attachments of a prompt, as they are listed; the file of one may be gone.
ALTER TABLE claude_messages ADD COLUMN attachments_json TEXT NOT NULL DEFAULT '[]';
