"""Calendars, their accounts, and signing in to Google."""
