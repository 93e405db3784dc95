"""Calendar: the accounts, their calendars, and what happens when."""
