-- Folders whose own hooks, MCP servers and settings may run, as the user has said through the sidecar.  Folders of
-- sessions that are older are not among them: the user was not asked.
CREATE TABLE claude_trusted_folders (
  -- The real path: the root of a git repository, or a folder outside of one.
  folder TEXT PRIMARY KEY NOT NULL,
  trusted_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Which settings the session's processes read: `all`, or `user` without those of the folder.
ALTER TABLE claude_sessions ADD COLUMN settings TEXT NOT NULL DEFAULT 'all';
