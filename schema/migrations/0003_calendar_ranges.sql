-- Pages are built by SQLite's JSON functions, which refuse a whole page for one malformed value.  CAST: they refuse bytes.
UPDATE calendar_events SET organizer_json = json_quote(CAST(nullif(organizer_json, '') AS TEXT))
WHERE organizer_json IS NOT NULL AND NOT json_valid(organizer_json);
UPDATE calendar_events SET attendees_json = json_quote(CAST(nullif(attendees_json, '') AS TEXT))
WHERE attendees_json IS NOT NULL AND NOT json_valid(attendees_json);

-- Events are found by time, in whole seconds; one without would be in no range.
UPDATE calendar_events SET start_ts = coalesce(
    iif(typeof(start_ts) = 'real', CAST(start_ts AS INTEGER), NULL),
    CAST(strftime('%s', start_time) AS INTEGER),
    CAST(strftime('%s', end_time) AS INTEGER))
WHERE typeof(start_ts) <> 'integer';
UPDATE calendar_events SET end_ts = coalesce(
    iif(typeof(end_ts) = 'real', CAST(end_ts AS INTEGER), NULL),
    CAST(strftime('%s', end_time) AS INTEGER),
    start_ts + iif(all_day, 86400, 0))
WHERE typeof(end_ts) <> 'integer';

-- What goes on at a moment may have begun long before.  A reach is a length, in seconds, that its events do not exceed:
-- within one reach, only those that began less than it before the moment need to be looked at.
ALTER TABLE calendar_events ADD COLUMN reach_s INTEGER GENERATED ALWAYS AS (CASE
    WHEN end_ts - start_ts <= 86400 THEN 86400
    WHEN end_ts - start_ts <= 691200 THEN 691200
    WHEN end_ts - start_ts <= 5529600 THEN 5529600
    WHEN end_ts - start_ts <= 44236800 THEN 44236800
    ELSE 1000000000000 END) VIRTUAL;
CREATE INDEX idx_calendar_events_range ON calendar_events(reach_s, start_ts, account_id, calendar_id, event_id);
