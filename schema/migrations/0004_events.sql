-- Durable notifications, for replay.  Each is written in the transaction that made the change it reports.
CREATE TABLE event_log (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at TEXT NOT NULL,
  method TEXT NOT NULL,
  -- The members of the JSON object `params` without its braces: `seq` and `at` are prepended when it is sent.
  params_fragment TEXT NOT NULL
) STRICT;

-- Properties of this database file.  A client that remembers another `epoch` has events of another file.
CREATE TABLE database_metadata (
  name TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO database_metadata (name, value) VALUES ('epoch', lower(hex(randomblob(16))));
