"""The pipe to the client: reading, dispatch, answers, notifications, the event log, start and end."""
