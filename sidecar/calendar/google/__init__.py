"""Google Calendar: sign-in, access tokens, calendars and events."""
