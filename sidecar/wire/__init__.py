"""The pipe to the client: reading, dispatch, responses, notifications, the event log, startup and shutdown."""
