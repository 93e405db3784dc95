"""Calendars from an iCalendar file or address."""
