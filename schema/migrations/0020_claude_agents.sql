-- Which subagent a message is from: the call that started it, and its type.  Read off the CLI's line, so that older
-- messages have both as well.
ALTER TABLE claude_messages ADD COLUMN parent TEXT GENERATED ALWAYS AS (
  iif(json_valid(raw_json) AND json_type(raw_json, '$.parent_tool_use_id') = 'text',
    json_extract(raw_json, '$.parent_tool_use_id'), NULL)) VIRTUAL;
ALTER TABLE claude_messages ADD COLUMN agent TEXT GENERATED ALWAYS AS (
  iif(json_valid(raw_json) AND json_type(raw_json, '$.parent_tool_use_id') = 'text'
      AND json_type(raw_json, '$.subagent_type') = 'text',
    json_extract(raw_json, '$.subagent_type'), NULL)) VIRTUAL;

-- Why the CLI requests permission, for which subagent, and all that it suggests to allow from then on.
ALTER TABLE claude_permissions ADD COLUMN decision_reason TEXT;
ALTER TABLE claude_permissions ADD COLUMN decision_reason_type TEXT;
ALTER TABLE claude_permissions ADD COLUMN parent TEXT;
ALTER TABLE claude_permissions ADD COLUMN agent TEXT;
ALTER TABLE claude_permissions ADD COLUMN suggestions_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE claude_permissions ADD COLUMN applied_json TEXT NOT NULL DEFAULT '[]';
