"""Calendars, calendar accounts and the Google sign-in."""
