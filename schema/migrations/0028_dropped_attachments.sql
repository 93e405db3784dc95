-- Whether the folder still has the copy.  The oldest copies make room for new ones; then the row makes its prompt fail.
ALTER TABLE claude_attachments ADD COLUMN is_stored INTEGER NOT NULL DEFAULT 1;
