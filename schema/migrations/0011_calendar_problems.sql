-- How many of a calendar's events its last complete read left out, or stored although a part of them was unreadable.
ALTER TABLE calendar_calendars ADD COLUMN skipped_events INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calendar_calendars ADD COLUMN adjusted_events INTEGER NOT NULL DEFAULT 0;
